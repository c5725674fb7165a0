"""Linear bounds: relaxations of nonlinear operations, and the sets they are minimised
over."""

from torchlean_jax.domains.affine import relaxations as _load
from torchlean_jax.domains.affine._lines import Lines, relaxations, undecided

__all__ = ["Lines", "relaxations", "undecided"]
