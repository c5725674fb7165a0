"""Why some primitives have no bit-exact meaning here."""

from torchlean_jax.domains.ieee32._rules import refuse

refuse(
    "fft",
    because="its order of operations is the library's own; write it as a product",
)
refuse(
    *("cholesky", "lu", "lu_pivots_to_permutation", "qr", "geqrf"),
    *("householder_product", "triangular_solve", "eigh", "eig", "svd"),
    because="its order of operations is the library's own",
)
refuse(
    *("lgamma", "digamma", "polygamma", "erf_inv"),
    because="IEEE 754 recommends no such function, and no correctly rounded one is "
    "known here",
)
refuse(
    "random_gamma",
    because="it samples by rejection, inside one primitive; draw outside the model",
)
refuse(
    "ragged_dot_general",
    because="the order of its sums is nowhere stated; write one product per group",
)
refuse(
    "polynomial",
    "one_minus_square",
    because="JAX does not state the operations that it stands for",
)
refuse(
    "call_hi_primitive",
    because="it is opaque; apply the function that it stands for",
)
refuse(
    "pallas_call",
    because="a kernel is run through the formula that it is checked against",
)
refuse("get", "swap", because="a mutable reference is not a value")
