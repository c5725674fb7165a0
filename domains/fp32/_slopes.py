"""How steep elementary functions are: upper bounds of |f'| on intervals.

Each takes an interval and returns an array, infinite where no bound is known. The
mean-value theorem then bounds |f(x') - f(x)| by the slope times |x' - x|.
"""

import jax.numpy as jnp

from torchlean_jax.domains.fp32._upward import grown, over, times, total
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._arithmetic import absolute, magnitude
from torchlean_jax.domains.interval._rounding import round_down, round_up


def _known(slope):
    return jnp.where(jnp.isnan(slope), jnp.inf, slope)


def _inverse(x):
    """1 / x for x > 0, upward; infinite elsewhere."""
    return over(jnp.ones_like(x), x)


def exp(x):
    return f.exp_bounds(x.hi)[1]


def exp2(x):
    return grown(0.6932, f.exp2_bounds(x.hi)[1])


def log(x):
    return _inverse(x.lo)


def log2(x):
    return grown(1.4427, _inverse(x.lo))


def log1p(x):
    return _inverse(round_down(1 + x.lo))


def logistic(x):
    """s (1 - s), largest next to 0, where it is 1/4."""
    near = absolute(x).lo
    return times(f.logistic_bounds(near)[1], f.logistic_bounds(-near)[1])


def tanh(x):
    """1 - tanh^2 = 4 s(2x) s(-2x) with the logistic function s."""
    twice = absolute(x).lo * 2
    return grown(4, times(f.logistic_bounds(twice)[1], f.logistic_bounds(-twice)[1]))


def sqrt(x):
    return grown(0.5, _inverse(f.sqrt_bounds(x.lo)[0]))


def rsqrt(x):
    return grown(0.5, times(_inverse(x.lo), f.rsqrt_bounds(x.lo)[1]))


def cbrt(x):
    """1 / (3 cbrt(x)^2)."""
    root = f.cbrt_bounds(absolute(x).lo)[0]
    return grown(1 / 3 + 1e-6, _inverse(round_down(root * root)))


def erf(x):
    """2 / sqrt(pi) exp(-x^2), with 2 / sqrt(pi) < 1.12838."""
    near = absolute(x).lo
    return grown(1.12838, f.exp_bounds(-round_down(near * near))[1])


def erf_inv(x):
    """sqrt(pi) / 2 exp(y^2) at y = erf_inv(x)."""
    far = f.erf_inv_bounds(magnitude(x))[1]
    return grown(0.886228, f.exp_bounds(round_up(far * far))[1])


def asin(x):
    """1 / sqrt((1 - m)(1 + m)) at the far end m."""
    far = magnitude(x)
    inside = round_down(round_down(1 - far) * round_down(1 + far))
    return _inverse(f.sqrt_bounds(jnp.maximum(inside, 0))[0])


def atan(x):
    near = absolute(x).lo
    return _inverse(round_down(1 + round_down(near * near)))


def asinh(x):
    near = absolute(x).lo
    square = round_down(near * near)
    return _inverse(f.sqrt_bounds(jnp.maximum(round_down(1 + square), 0))[0])


def acosh(x):
    inside = round_down(round_down(x.lo - 1) * round_down(x.lo + 1))
    return _inverse(f.sqrt_bounds(jnp.maximum(inside, 0))[0])


def atanh(x):
    far = magnitude(x)
    return _inverse(round_down(round_down(1 - far) * round_down(1 + far)))


def sinh(x):
    return f.cosh_bounds(magnitude(x))[1]


def cosh(x):
    return f.sinh_bounds(magnitude(x))[1]


def sin(x):
    lo, hi = f.cos_interval(x.lo, x.hi)
    return jnp.minimum(magnitude(Interval(lo, hi)), 1)


def cos(x):
    lo, hi = f.sin_interval(x.lo, x.hi)
    return jnp.minimum(magnitude(Interval(lo, hi)), 1)


def tan(x):
    """1 + tan^2."""
    size = magnitude(Interval(*f.tan_interval(x.lo, x.hi)))
    return total(times(size, size), jnp.ones_like(size))


SLOPES = {
    "exp": exp,
    "exp2": exp2,
    "expm1": exp,
    "log": log,
    "log2": log2,
    "log1p": log1p,
    "logistic": logistic,
    "tanh": tanh,
    "sqrt": sqrt,
    "rsqrt": rsqrt,
    "cbrt": cbrt,
    "erf": erf,
    "erfc": erf,
    "erf_inv": erf_inv,
    "asin": asin,
    "acos": asin,
    "atan": atan,
    "asinh": asinh,
    "acosh": acosh,
    "atanh": atanh,
    "sinh": sinh,
    "cosh": cosh,
    "sin": sin,
    "cos": cos,
    "tan": tan,
}
