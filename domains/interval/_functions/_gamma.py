"""Enclosures of lgamma and digamma for positive arguments.

From 8 on, Stirling's series, whose remainder is below the first term left out; a
smaller x is shifted to x + 8 with the recurrences. There the error is absolute: lgamma
vanishes at 1 and 2, digamma at 1.46, and next to these points the bounds are tight
absolutely but not relatively.

No attempt is made for x <= 0, where both have poles: the answer there is the whole
line.
"""

import jax
import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._exp import scale_pair
from torchlean_jax.domains.interval._functions._log import (
    is_zero,
    log_array,
    log_pair,
    normalise,
)
from torchlean_jax.domains.interval._functions._pair import (
    Pair,
    bits_of,
    select,
    total,
)
from torchlean_jax.domains.interval._functions._sigmoid import one
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)

SHIFT = 8


def lgamma_stirling(x, logarithm, inverse, t):
    """(x - 1/2)(log x - 1) + (log(2 pi) - 1)/2 + R(1/x) as a pair, for pairs and x >=
    8.
    """
    main = x.plus(Pair(-0.5, 0.0)).times(logarithm.plus(Pair(-1.0, 0.0)))
    r = inverse.value()
    return main.plus(t.lgamma_constant, r * t.lgamma(r * r))


def digamma_stirling(logarithm, inverse, t):
    """log x - 1/(2 x) - R(1/x**2) as a pair, for pairs and x >= 8."""
    r = inverse.value()
    z = r * r
    return logarithm.plus(inverse.scaled(-0.5), z * t.digamma(z))


def steps(x):
    """x + 1, ..., x + 8 as pairs, for a pair 0 < x <= 8."""
    unit = one(x.h)
    return [total(x, unit.scaled(float(k))) for k in range(1, SHIFT + 1)]


def product(factors):
    """The product of pairs, each tidied on the way."""
    result = factors[0]
    for factor in factors[1:]:
        result = result.times(factor).tidy()
    return result


def harmonic(terms):
    """The sum of the reciprocals of increasing positive pairs."""
    result = inverse_of(terms[-1])
    for term in terms[-2::-1]:
        result = total(result, inverse_of(term))
    return result


def inverse_of(x):
    """1 / x for a pair of moderate size."""
    return one(x.h).over(x)


def exact_inverse(x):
    """1 / x as a pair for an array x > 0 of any size: no residual underflows on the
    way.
    """
    m, e = normalise(x)
    return scale_pair(inverse_of(Pair.of(m)), -e)


def _argument(x):
    """`(small, steps, a, log(a), 1 / a)`, where a is x, or x + 8 for small x."""
    small = x < SHIFT
    above = steps(Pair.of(jnp.minimum(x, float(SHIFT))))
    argument = select(small, above[-1], Pair.of(x))
    logarithm = select(small, log_pair(above[-1]), log_array(x))
    # Beyond 2**100 the inverse is nothing, and a finite stand-in keeps NaN out of its
    # residual.
    inverse = select(
        small, inverse_of(above[-1]), exact_inverse(jnp.minimum(x, 2.0**100))
    )
    return small, above[:-1], argument, logarithm, inverse


def _finish(x, small, main, correction, name):
    t = table(x.dtype)
    y = select(small, total(main, -correction), main).value()
    above, below = jnp.isinf(main.h), small & jnp.isinf(correction.h)
    y = jnp.where(above | jnp.isinf(x), jnp.inf, jnp.where(below, -jnp.inf, y))
    absolute = float(jnp.finfo(x.dtype).epsneg) * t.error[name + "_absolute"]
    lo, hi = widen(y, t.error[name], absolute=jnp.where(small, absolute, 0.0))
    # It is the head that overflowed; the sum may be smaller, by less than a hundredth.
    largest = 0.99 * float(jnp.finfo(x.dtype).max)
    lo = jnp.where(above & jnp.isfinite(x), largest, lo)
    hi = jnp.where(below, -largest, hi)
    # x > 0 read off the bits: a subnormal x is positive. At 0 and below: poles.
    unknown = ((bits_of(x) < 0) | is_zero(x)) & ~jnp.isnan(x)
    lo, hi = jnp.where(unknown, -jnp.inf, lo), jnp.where(unknown, jnp.inf, hi)
    return jnp.where(jnp.isnan(x), x, lo), jnp.where(jnp.isnan(x), x, hi)


@differentiable(jax.lax.lgamma)
def lgamma_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= log(gamma(x)) <= hi for x > 0; the whole line otherwise."""
    small, between, argument, logarithm, inverse = _argument(x)
    main = lgamma_stirling(argument, logarithm, inverse, table(x.dtype))
    correction = total(log_array(x), log_pair(product(between)))
    return _finish(x, small, main, correction, "lgamma")


@differentiable(jax.lax.digamma)
def digamma_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= digamma(x) <= hi for x > 0; the whole line otherwise."""
    small, between, _, logarithm, inverse = _argument(x)
    main = digamma_stirling(logarithm, inverse, table(x.dtype))
    correction = total(exact_inverse(x), harmonic(between))
    return _finish(x, small, main, correction, "digamma")


def lgamma_interval(lo: Points, hi: Points) -> Bounds:
    """`(low, high)` that contain lgamma(x) for every x in [lo, hi]; the whole line if
    lo <= 0.

    lgamma is convex on the positive numbers, with its minimum at 1.4616.
    """
    lo, hi = jnp.asarray(lo), jnp.asarray(hi)
    t = table(lo.dtype)
    (a, b), (c, d) = lgamma_bounds(lo), lgamma_bounds(hi)
    low, high = jnp.minimum(a, c), jnp.maximum(b, d)
    at_minimum = (lo < t.lgamma_valley[1]) & (hi > t.lgamma_valley[0])
    low = jnp.where(
        at_minimum & ~jnp.isnan(low), jnp.minimum(low, t.lgamma_minimum), low
    )
    return low, high


def digamma_interval(lo: Points, hi: Points) -> Bounds:
    """`(low, high)` that contain digamma over [lo, hi]; the whole line if lo <= 0."""
    (low, c), (b, high) = digamma_bounds(lo), digamma_bounds(hi)
    # Increasing between poles; with a pole at or right of lo the first bounds are
    # infinite.
    across = jnp.isinf(low) & jnp.isinf(c) & ~jnp.isnan(b)
    return low, jnp.where(across, jnp.inf, high)
