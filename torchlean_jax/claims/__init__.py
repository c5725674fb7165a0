"""What a function claims of its meaning, written above it, and checked when asked.

    @tl.claims.causal(axis=0)
    @tl.claims.equals(naive_attention)
    @tl.claims.example("f32[16,8]")
    def attention(x): ...

The decorators record and return the function itself. `check` answers, as do a pytest
plugin (`torchlean_pytest`) and `torchlean audit`. How each question is decided is the
business of the verbs: `tl.equivalent`, `tl.depends`, `tl.check_vjp`, `tl.verify`,
`tl.batch_invariant`.
"""

from torchlean_jax.claims._check import Result, check
from torchlean_jax.claims._kinds import (
    batch_independent,
    batch_invariant,
    bounded_by,
    causal,
    derivative_of,
    equals,
    gradient,
    independent_of,
)
from torchlean_jax.claims._record import Claim, example

__all__ = [
    "Claim",
    "Result",
    "batch_independent",
    "batch_invariant",
    "bounded_by",
    "causal",
    "check",
    "derivative_of",
    "equals",
    "example",
    "gradient",
    "independent_of",
]
