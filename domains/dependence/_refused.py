"""Primitives that Dependence has no rule for on purpose, and why."""

from torchlean_jax.domains.dependence._domain import table

table.refuse("get", "swap", "addupdate", because="a mutable reference is not a value")
table.refuse(
    "pallas_call",
    because="a kernel is read through the formula that it is checked against",
)
table.refuse(
    "call_hi_primitive",
    because="it is opaque; apply the function that it stands for",
)
