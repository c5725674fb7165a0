"""Why random numbers have no rules.

Bits drawn from a key are integers: they are drawn as they are, and what is computed
from them in floating point is computed over the reals.
"""

from torchlean_jax.domains.real._value import rules

rules.refuse(
    "random_gamma",
    "random_gamma_grad",
    because="it samples by rejection, so rounding decides how many draws are taken",
)
rules.refuse("get", "swap", "addupdate", because="a mutable reference is not a value")
rules.refuse(
    "pallas_call",
    because="a kernel is evaluated through the formula that it is checked against",
)
rules.refuse(
    "call_hi_primitive",
    because="it is opaque; apply the function that it stands for",
)
