"""Interval rules for max, min, clamp, select, rounding to integers, and the sign.

Functions from the library of elementary functions are in `_monotone.py` and
`_periodic.py`.
"""

import jax.numpy as jnp

from torchlean_jax.domains.interval._arithmetic import (
    absolute,
    add,
    div,
    known,
    magnitude,
    mul,
    nan_if,
    negate,
)
from torchlean_jax.domains.interval._kinds import rule_for
from torchlean_jax.domains.interval._layout import endpointwise
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.domains.interval._value import Interval, rules

# Increasing in every operand, and exact. A NaN endpoint stays: jnp.maximum propagates
# it.
rules.define_each(("max", "min"), endpointwise)
rules.define_each(("floor", "ceil", "round", "sign"), endpointwise)

rule_for("float", "abs")(absolute)


@rules.define("clamp")
def _clamp(least, x, most):
    """`clamp` is increasing in all three operands."""
    lo = jnp.minimum(jnp.maximum(x.lo, least.lo), most.lo)
    hi = jnp.minimum(jnp.maximum(x.hi, least.hi), most.hi)
    return Interval(lo, hi)


@rules.define_op("select_n")
def _select_n(operation, which, *cases):
    """A decided selector picks; an undecided one covers every case it may pick."""
    cases = [Interval.lift(case) for case in cases]
    if not isinstance(which, Interval):
        lo = operation(which, *[case.lo for case in cases])
        return Interval(lo, operation(which, *[case.hi for case in cases]))
    first, last = which.lo.astype(jnp.int32), which.hi.astype(jnp.int32)
    possible = [
        jnp.broadcast_to((first <= n) & (n <= last), cases[0].shape)
        for n in range(len(cases))
    ]
    return Interval.join(cases, possible)


@rule_for("float", "rem")
def _rem(x, y):
    """x - trunc(x/y) * y: the sign of x, and less than both magnitudes.

    Where the quotient certainly truncates to one whole number q, this is x - q y as
    well.
    """
    quotient = div(x, y)
    q = jnp.trunc(quotient.lo)
    same = (q == jnp.trunc(quotient.hi)) & (jnp.abs(q) < 2.0**20)
    q = jnp.where(same, q, 0)
    near = add(x, negate(mul(Interval(q, q), y)))
    near = Interval(jnp.where(q == 0, x.lo, near.lo), jnp.where(q == 0, x.hi, near.hi))
    most = jnp.minimum(magnitude(x), magnitude(y))
    lo = jnp.where(x.lo < 0, -most, 0)
    hi = jnp.where(x.hi > 0, most, 0)
    lo = jnp.where(same, jnp.maximum(lo, near.lo), lo)
    hi = jnp.where(same, jnp.minimum(hi, near.hi), hi)
    invalid = jnp.isnan(quotient.lo) | jnp.isinf(x.lo) | jnp.isinf(x.hi)
    return nan_if(invalid | jnp.isnan(lo) | jnp.isnan(hi), Interval(lo, hi))


@rules.define("reduce_precision")
def _reduce_precision(x, *, exponent_bits, mantissa_bits):
    """Rounding to fewer bits: off by half a unit in the last place, or by what is
    flushed.

    Past the largest number of the narrow format it gives an infinity. A real number is
    rounded by the format of its own dtype too.
    """
    bias = 2 ** (exponent_bits - 1) - 1
    own = jnp.finfo(x.dtype)
    largest = float((2 - 2.0**-mantissa_bits) * 2.0 ** min(bias, own.maxexp - 1))
    tiny = max(2.0 ** max(1 - bias, own.minexp), float(own.smallest_normal))
    share = 2.0 ** -(mantissa_bits + 1)

    def error(endpoint):
        return round_up(jnp.abs(endpoint) * share, ulps=1) + tiny

    lo, hi = round_down(x.lo - error(x.lo)), round_up(x.hi + error(x.hi))
    lo = jnp.where(lo < -largest, -jnp.inf, jnp.minimum(lo, largest))
    hi = jnp.where(hi > largest, jnp.inf, jnp.maximum(hi, -largest))
    return known(lo, hi)
