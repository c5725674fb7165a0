"""One file per shape of function; importing this package fills the table.

What is elementwise is a rule of `relaxations`. What spans several elements (extremes
over axes and windows, softmax, logsumexp) are functions here, applied by steps of the
backward walk.
"""

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
    _table,
)
from torchlean_jax.domains.affine.relaxations._extremes import (
    MAXIMA,
    MINIMA,
    Choice,
    choose,
    windows_of,
)
from torchlean_jax.domains.affine.relaxations._slopes import parameters
from torchlean_jax.domains.affine.relaxations._softmax import (
    Planes,
    gap_planes,
    logsumexp_planes,
    softmax_planes,
)

__all__ = [
    "MAXIMA",
    "MINIMA",
    "Choice",
    "Planes",
    "choose",
    "gap_planes",
    "logsumexp_planes",
    "parameters",
    "softmax_planes",
    "windows_of",
]
