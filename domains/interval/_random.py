"""Why random bits have no interval rules.

Bits drawn from a known key are known integers and never come here; what is computed
from them in floating point runs as points. Only an undecided key or counter would need
a rule.
"""

from torchlean_jax.domains.interval._value import rules

rules.refuse(
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
rules.refuse(
    "random_gamma",
    because="it samples by rejection, so rounding decides how many draws are taken",
)
rules.refuse("get", "swap", "addupdate", because="a mutable reference is not a value")
rules.refuse(
    "pallas_call",
    because="a kernel is bounded through the formula that it is checked against",
)
rules.refuse(
    "call_hi_primitive",
    because="it is opaque; apply the function that it stands for",
)
