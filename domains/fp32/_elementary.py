"""FP32 rules for functions of the library, and for the square root.

A run computes f(x') within the ulps of the error model; f(x') is off f(x) by at most
the slope on everything between, times ex.
"""

import jax.numpy as jnp

from torchlean_jax.domains.fp32._arithmetic import forgotten, unit
from torchlean_jax.domains.fp32._format import format_of
from torchlean_jax.domains.fp32._result import (
    interval_rule,
    rounded,
    rule_for_floats,
)
from torchlean_jax.domains.fp32._slopes import SLOPES
from torchlean_jax.domains.fp32._upward import grown, over, times, total
from torchlean_jax.domains.fp32._value import apart, both
from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._arithmetic import absolute, magnitude
from torchlean_jax.domains.interval._rounding import round_down


def relative_error(domain, function, dtype):
    """Of a library function, in any format.

    k ulps are at most 2 k u of the result. A narrow format may be computed in binary32
    and rounded once more, which costs half an ulp; float64 has figures of its own.
    """
    kind = format_of(dtype)
    if kind.name == "float64":
        return domain.model.ulps_of(f"{function}/float64") * 2 * kind.unit
    ulps = domain.model.ulps_of(function)
    if kind.name != "float32":
        ulps += 0.5
    return ulps * 2 * kind.unit


def function_rule(name):
    slope = SLOPES[name]

    def rule(domain, x):
        run = interval_rule(name)
        real, exact = run(x.real), run(x.execution)
        steep = slope(both(x))
        steep = jnp.where(jnp.isnan(steep), jnp.inf, steep)
        relative = relative_error(domain, name, x.dtype)
        carried = times(steep, x.error)
        lost = _lost_inside(exact, format_of(x.dtype).tiny)
        return rounded(
            domain, x.dtype, real, exact, carried, relative=relative, absolute=lost
        )

    return rule


def _lost_inside(exact, tiny):
    """What a function in several steps may flush of a result that is itself normal.

    XLA doubles an arc tangent for asin, so asin(2.3e-38) is 0: half of it is subnormal.
    """
    near_zero = (exact.lo < 2 * tiny) & (exact.hi > -2 * tiny)
    return jnp.where(near_zero & ((exact.lo != 0) | (exact.hi != 0)), tiny, 0)


# In `_arithmetic.py` or below with more care.
for _name in SLOPES.keys() - {"sqrt", "rsqrt", "cbrt"}:
    rule_for_floats(_name)(function_rule(_name))


@rule_for_floats("rsqrt")
def _rsqrt(domain, x):
    """A run that holds a zero may hold -0, of which the result is -inf."""
    value = function_rule("rsqrt")(domain, x)
    return forgotten(value, x.execution.lo <= 0)


@rule_for_floats("sqrt")
def _sqrt(domain, x):
    """Correctly rounded. sqrt(x') - sqrt(x) = dx / (sqrt(x') + sqrt(x)), and at most
    sqrt(|dx|)."""
    run = interval_rule("sqrt")
    real, exact = run(x.real), run(x.execution)
    roots = round_down(
        f.sqrt_bounds(jnp.maximum(x.real.lo, 0))[0]
        + f.sqrt_bounds(jnp.maximum(x.execution.lo, 0))[0]
    )
    carried = jnp.minimum(over(x.error, roots), f.sqrt_bounds(x.error)[1])
    carried = jnp.where(x.error == 0, 0, carried)
    return rounded(domain, x.dtype, real, exact, carried, relative=unit(x.dtype))


@rule_for_floats("cbrt")
def _cbrt(domain, x):
    """|cbrt(x') - cbrt(x)| <= cbrt(4 |dx|): equality where x' = -x.

    The library gives anything small where a run holds a subnormal number.
    """
    run = interval_rule("cbrt")
    real, exact = run(x.real), run(x.execution)
    near = grown(1.5875, f.cbrt_bounds(x.error)[1])
    carried = jnp.minimum(times(SLOPES["cbrt"](both(x)), x.error), near)
    carried = jnp.where(x.error == 0, 0, carried)
    relative = relative_error(domain, "cbrt", x.dtype)
    tiny = format_of(x.dtype).tiny
    size = absolute(x.execution)
    garbage = jnp.where((size.lo < tiny) & (size.hi > 0), 2.01 * tiny ** (1 / 3), 0)
    return rounded(
        domain, x.dtype, real, exact, carried, relative=relative, absolute=garbage
    )


@rule_for_floats("pow")
def _pow(domain, x, y):
    """Slopes y x^(y-1) and x^y log x, for x > 0; elsewhere the distance of enclosures.

    An exponent of integer dtype is exact.
    """
    run = interval_rule("pow")
    real, exact = run(x.real, y.real), run(x.execution, y.execution)
    bases, exponents = both(x), both(y)
    below_one = interval_rule("sub")(exponents, _one(exponents))
    positive = bases.lo > 0
    by_base = times(
        magnitude(exponents), magnitude(interval_rule("pow")(bases, below_one))
    )
    powers = magnitude(interval_rule("pow")(bases, exponents))
    by_exponent = times(powers, magnitude(interval_rule("log")(bases)))
    carried = total(times(by_base, x.error), times(by_exponent, y.error))
    far = jnp.where((x.error == 0) & (y.error == 0), 0, apart(real, exact))
    carried = jnp.where(positive & ~jnp.isnan(carried), carried, far)
    relative = relative_error(domain, "pow", x.dtype)
    return rounded(domain, x.dtype, real, exact, carried, relative=relative)


def _one(x):
    one = jnp.ones_like(x.lo)
    return type(x)(one, one)


@rule_for_floats("atan2")
def _atan2(domain, y, x):
    """The gradient of the angle has length 1 / r; across the cut a run may turn by
    2 pi."""
    run = interval_rule("atan2")
    real, exact = run(y.real, x.real), run(y.execution, x.execution)
    ys, xs = both(y), both(x)
    near = jnp.maximum(absolute(ys).lo, absolute(xs).lo)
    cut = (xs.lo <= 0) & (ys.lo <= 0) & (ys.hi >= 0)
    carried = over(total(x.error, y.error), near)
    far = jnp.where((x.error == 0) & (y.error == 0), 0, apart(real, exact))
    carried = jnp.where(cut, far, carried)
    relative = relative_error(domain, "atan2", x.dtype)
    return rounded(domain, x.dtype, real, exact, carried, relative=relative)
