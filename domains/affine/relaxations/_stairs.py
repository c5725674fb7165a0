"""floor, ceil and round: constant where the stair is, else a line of slope 1 on either
side.

x - 1 < floor(x) <= x, so slopes of 1 leave a gap of 1, which is no worse than the
constants as soon as two steps or more are possible. The same for ceil (x to x + 1) and
round (x - 1/2 to x + 1/2, whichever way ties go).
"""

import jax.numpy as jnp

from torchlean_jax.domains.affine._lines import Lines, relaxations
from torchlean_jax.domains.affine._wholes import rounded_shift
from torchlean_jax.domains.affine.relaxations._curve import guarded
from torchlean_jax.domains.interval import Interval


def _rule(below, above):
    def rule(operation, x, slope=None):
        least, most = operation(x.lo), operation(x.hi)
        _, finite = guarded(x, True, 0.0)
        rising = finite & (most - least >= 2)
        a = jnp.where(rising, 1, 0).astype(x.dtype)
        return Lines(
            (a,), jnp.where(rising, below, least), (a,), jnp.where(rising, above, most)
        )

    return rule


@relaxations.define_op("call:rounded_shift")
def _rounded_shift(operation, x, unit, slope=None):
    """round(x * unit), with slopes of `unit`, which is a power of two and exact."""
    unit = Interval.lift(unit)
    result = rounded_shift(x, unit)
    _, finite = guarded(x, True, 0.0)
    rising = finite & (result.hi - result.lo >= 2)
    a = jnp.where(rising, unit.lo, 0)
    return Lines(
        (a, None),
        jnp.where(rising, -0.5, result.lo),
        (a, None),
        jnp.where(rising, 0.5, result.hi),
    )


relaxations.define_op("floor")(_rule(-1.0, 0.0))
relaxations.define_op("ceil")(_rule(0.0, 1.0))
relaxations.define_op("round")(_rule(-0.5, 0.5))
