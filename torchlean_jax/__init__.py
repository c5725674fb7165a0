"""The network that is trained, the one that is proved about and the one that runs, as one object."""

from torchlean_jax._bounds import bounds
from torchlean_jax._box import box
from torchlean_jax._interpret import interpret
from torchlean_jax.domains._errors import (
    InputError,
    MissingRuleError,
    TorchLeanError,
)
from torchlean_jax.domains.interval import Interval

__all__ = [
    "InputError",
    "Interval",
    "MissingRuleError",
    "TorchLeanError",
    "bounds",
    "box",
    "interpret",
]
__version__ = "0.1.0"
