"""sin and cos: one inflection, or constants.

Around a multiple of pi (for cos an odd multiple of pi/2) sin is convex on one side and
concave on the other, for a length of pi each. An interval that fits there is an
S-shape; a wider one, which holds an extremum on either side of an inflection and
another inflection, has no line here, and the caller falls back to the constant bounds
of the interval rule.
"""

import functools
import math

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.affine import _points as p
from torchlean_jax.domains.affine._lines import relaxations
from torchlean_jax.domains.affine.relaxations._curve import curve_of, guarded
from torchlean_jax.domains.affine.relaxations._s_shaped import one_inflection
from torchlean_jax.domains.affine.relaxations._slopes import declare
from torchlean_jax.domains.affine.relaxations._touching import touching
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval import _functions as f

# sin is convex on [-pi, 0]. Past pi the touching point would be that of another period.
_touch = functools.partial(
    touching, phi=np.sin, slope=np.cos, most=math.pi * (1 - 2.0**-20)
)
# Beyond this the number of the period is not resolved well enough in binary32.
_FARTHEST = 2.0**10


def _rule(curve, phase):
    """phase: the inflections are at (k + phase) pi. For even k sin is convex left of
    there, cos (falling through pi/2) concave."""

    def rule(operation, x, slope=None):
        x, valid = guarded(x, jnp.maximum(-x.lo, x.hi) < _FARTHEST, 0.0)
        eps = float(jnp.finfo(x.dtype).eps)
        k = jnp.round((x.lo * 0.5 + x.hi * 0.5) / math.pi - phase)
        centre = (k + phase) * math.pi
        blur = 4 * eps * (1 + jnp.abs(centre))
        valid &= (x.lo >= centre - math.pi + 4 * blur) & (
            x.hi <= centre + math.pi - 4 * blur
        )
        convex_left = (k.astype(jnp.int32) % 2 == 0) == (phase == 0)
        x, valid = guarded(x, valid, 0.0)
        return one_inflection(
            curve,
            x,
            slope,
            _touch,
            convex_left=convex_left,
            centre=centre,
            blur=blur,
            valid=valid,
        )

    return rule


SIN = curve_of(f.sin_bounds, lambda x, y: Interval(*f.cos_bounds(x)))
COS = curve_of(f.cos_bounds, lambda x, y: p.negate(Interval(*f.sin_bounds(x))))
declare(2, "sin", "cos")
relaxations.define_op("sin")(_rule(SIN, 0.0))
relaxations.define_op("cos")(_rule(COS, 0.5))
