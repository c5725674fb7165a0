"""Primitives that have no meaning for residues, each with the reason."""

from torchlean_jax.domains.finite_field._value import rules

rules.refuse(
    *("cholesky", "triangular_solve", "lu", "qr", "geqrf", "householder_product"),
    *("eigh", "svd"),
    because="a factorisation chooses pivots and signs by size, which residues lack",
)
rules.refuse(
    *("scatter-max", "scatter-min"),
    because="which update is the larger one depends on an order of residues",
)
rules.refuse(
    "ragged_dot_general", because="groups of rows have no rule here: slice the groups"
)
rules.refuse(
    "reduce_precision", because="it rounds to a float format, and nothing is rounded"
)
rules.refuse(
    "random_gamma", because="it samples by rejection, which compares random numbers"
)
rules.refuse(
    "call_hi_primitive", because="it is opaque; apply the function that it stands for"
)
rules.refuse(
    "pallas_call",
    because="a kernel is evaluated through the formula that it is checked against",
)
rules.refuse("get", "swap", because="a mutable reference is not a value")
