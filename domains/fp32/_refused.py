"""Primitives that FP32 has no rule for on purpose, and why."""

from torchlean_jax.domains.fp32._domain import table

table.refuse(
    "cholesky",
    "lu",
    "lu_pivots_to_permutation",
    "qr",
    "geqrf",
    "householder_product",
    "eigh",
    "eig",
    "svd",
    "triangular_solve",
    because="a factorisation or a solve rounds by the algorithm of a library, blocked "
    "as it likes; no bound holds for all of them",
)
table.refuse(
    "cumlogsumexp",
    because="its lowering nests exponentials and logarithms in an order that nobody "
    "promises; write it as a scan of logaddexp",
)
table.refuse(
    "polygamma",
    "igamma",
    "igammac",
    "zeta",
    because="no approximation with a proved error bound has been derived for it",
)
table.refuse(
    "random_bits",
    "random_fold_in",
    "random_seed",
    "random_split",
    "random_wrap",
    "random_unwrap",
    "random_clone",
    "threefry2x32",
    because="bits drawn from an undecided key are undecided; use a known one",
)
table.refuse(
    "random_gamma",
    because="it samples by rejection, so rounding decides how many draws are taken",
)
table.refuse("get", "swap", "addupdate", because="a mutable reference is not a value")
table.refuse(
    "pallas_call",
    because="a kernel is bounded through the formula that it is checked against",
)
table.refuse(
    "call_hi_primitive",
    because="it is opaque; apply the function that it stands for",
)
table.refuse(
    "lgamma",
    "digamma",
    because="next to their zeros the library is off by any number of ulps",
)
