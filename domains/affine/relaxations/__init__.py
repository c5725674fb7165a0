"""One file per shape of function; importing this package fills the table."""

from torchlean_jax.domains.affine.relaxations import (
    _convex,
    _gated,
    _kinks,
    _max,
    _periodic,
    _powers,
    _ratio,
    _s_shaped,
    _select,
    _stairs,
)
from torchlean_jax.domains.affine.relaxations._slopes import parameters

__all__ = ["parameters"]
