"""Which inputs each element can depend on: sets of input positions, and known values.

The rules are in one file per kind of primitive; importing this package loads them all.
"""

from torchlean_jax.domains.dependence import (
    _contraction,
    _elementwise,
    _index,
    _layout,
    _mixing,
    _pool,
    _reduce,
    _refused,
    _scatter,
)
from torchlean_jax.domains.dependence._domain import Dependence
from torchlean_jax.domains.dependence._value import SetArray, members

__all__ = ["Dependence", "SetArray", "members"]
