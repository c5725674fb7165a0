"""Arithmetic on bit patterns: plain functions on arrays of uint32, no domain values.

The definition is in integers, one algorithm for every format and direction; `_wide` and
`_native` are faster forms of the same functions, and `_dispatch` chooses.
"""
