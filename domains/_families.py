"""Primitives that ask the same of every domain, by name.

The names are those of the census of models in `docs/coverage.md`; a primitive that a
family lists but a JAX version lacks does no harm.
"""

# Output elements are input elements (or a literal fill), moved. Parameters never name a
# dtype.
LAYOUT = (
    "broadcast_in_dim",
    "reshape",
    "transpose",
    "squeeze",
    "expand_dims",
    "concatenate",
    "slice",
    "rev",
    "pad",
    "split",
    "stack",
    "unstack",
    "tile",
    "copy",
    "copy_p",
    "stop_gradient",
    "device_put",
    "optimization_barrier",
    "sharding_constraint",
    "reshard",
    "name",
    "real",
    "imag",
)

# The same, with positions computed at run time from integer operands (after the first).
INDEXING = ("gather", "dynamic_slice", "dynamic_update_slice")

# Exact in binary floating point, subnormal operands included: bits are moved or the
# sign flips. (Not max or min: they read a subnormal operand as zero where the hardware
# flushes.)
EXACT = frozenset(
    (*LAYOUT, *INDEXING, "neg", "abs", "select_n", "scatter", "bitcast_convert_type")
)

# Of integers and booleans alone: as they are in a domain whose integers are concrete.
BITWISE = ("and", "or", "xor", "not", "reduce_and", "reduce_or", "reduce_xor")

# Never touches a float: runs as it is when no operand is a domain value.
INTEGER_ONLY = (
    "iota",
    "random_bits",
    "random_seed",
    "random_wrap",
    "random_unwrap",
    "random_split",
    "random_fold_in",
    "shift_right_logical",
    "shift_right_arithmetic",
    "shift_left",
    "platform_index",
)
