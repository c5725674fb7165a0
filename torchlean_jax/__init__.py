"""The network that is trained, the one that is proved about and the one that runs, as
one object."""

from torchlean_jax import spec
from torchlean_jax._ball import ball
from torchlean_jax._bounds import bounds
from torchlean_jax._box import box
from torchlean_jax._check import RejectedError, check
from torchlean_jax._inspect import Inspection, inspect
from torchlean_jax._interpret import interpret
from torchlean_jax._verdict import Verdict
from torchlean_jax._verify import verify
from torchlean_jax.domains._errors import (
    CertificateWriteError,
    InputError,
    MissingRuleError,
    TorchLeanError,
    UndecidedError,
)
from torchlean_jax.domains.interval import Interval
from torchlean_jax.search import Attack

__all__ = [
    "Attack",
    "CertificateWriteError",
    "InputError",
    "Inspection",
    "Interval",
    "MissingRuleError",
    "RejectedError",
    "TorchLeanError",
    "UndecidedError",
    "Verdict",
    "ball",
    "bounds",
    "box",
    "check",
    "inspect",
    "interpret",
    "spec",
    "verify",
]
__version__ = "0.1.0"
