"""FP32 rules for sums, products, quotients and powers of single numbers.

With x' = x + dx for a run and |dx| <= ex, likewise y:

    x' + y' - (x + y)  =  dx + dy
    x' y'  -  x y      =  dx y' + x dy
    x' / y' - x / y    =  (dx - (x / y) dy) / y'

A product that is fused into a sum is not rounded by itself: every bound here holds with
its rounding left out. Runs may read a node in both ways, so x - x need not be 0.
"""

import jax.numpy as jnp

from torchlean_jax.domains.fp32._format import accumulated, format_of
from torchlean_jax.domains.fp32._result import (
    interval_rule,
    rounded,
    rule_for_floats,
)
from torchlean_jax.domains.fp32._upward import grown, over, times, total
from torchlean_jax.domains.fp32._value import FP32Value, apart, both
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import absolute, magnitude


def _dtype(*values):
    return next(v.dtype for v in values if v.is_float)


def unit(dtype) -> float:
    """The relative error of rounding to nearest, itself rounded up."""
    return format_of(dtype).unit


def is_zero(x: Interval):
    return (x.lo == 0) & (x.hi == 0)


@rule_for_floats("add", "add_any")
def add(domain, x, y):
    """Adding what is exactly 0 rounds nothing, and 0 + 0 is not flushed either."""
    run = interval_rule("add")
    zeros = is_zero(x.execution), is_zero(y.execution)
    idle, nothing = zeros[0] | zeros[1], zeros[0] & zeros[1]
    exact = run(x.execution, y.execution)
    # an interval of sums is wider than the sum of two zeros
    exact = Interval(*(jnp.where(nothing, 0, end) for end in (exact.lo, exact.hi)))
    return rounded(
        domain,
        _dtype(x, y),
        run(x.real, y.real),
        exact,
        total(x.error, y.error),
        relative=jnp.where(idle, 0, unit(_dtype(x, y))),
    )


@rule_for_floats("sub")
def sub(domain, x, y):
    return add(domain, x, negated(y))


def negated(x: FP32Value) -> FP32Value:
    run = interval_rule("neg")
    return FP32Value(run(x.real), x.error, run(x.execution), x.dtype)


@rule_for_floats("neg")
def _neg(domain, x):
    return negated(x)


@rule_for_floats("same:sub")
def _minus_itself(domain, x, y):
    """Over the reals 0; a run may have fused the product in x, on one side only."""
    difference = times(x.error, jnp.asarray(2, x.error.dtype))
    exact = Interval(-difference, difference)
    nothing = jnp.where(x.execution.may_be_nan, jnp.nan, 0) * exact.lo
    exact = Interval(exact.lo + nothing, exact.hi + nothing)
    real = interval_rule("same:sub")(x.real, x.real)
    return rounded(domain, x.dtype, real, exact, difference, relative=unit(x.dtype))


@rule_for_floats("mul")
def mul(domain, x, y):
    """Times a power of two rounds nothing, if it does not underflow."""
    run = interval_rule("mul")
    carried = total(
        times(x.error, magnitude(y.execution)), times(magnitude(x.real), y.error)
    )
    scales = is_power_of_two(x.execution) | is_power_of_two(y.execution)
    return rounded(
        domain,
        _dtype(x, y),
        run(x.real, y.real),
        run(x.execution, y.execution),
        carried,
        relative=jnp.where(scales, 0, unit(_dtype(x, y))),
    )


def is_power_of_two(x: Interval):
    """Whether every run holds one number, a power of two (or its negative)."""
    significand, _ = jnp.frexp(jnp.where(jnp.isfinite(x.lo), x.lo, 0))
    return (x.lo == x.hi) & (jnp.abs(significand) == 0.5)


@rule_for_floats("div")
def div(domain, x, y):
    """A quotient by an inverse that is flushed to 0 is lost altogether."""
    run, dtype = interval_rule("div"), _dtype(x, y)
    real, exact = run(x.real, y.real), run(x.execution, y.execution)
    scaled = times(magnitude(real), y.error)
    carried = over(total(x.error, scaled), absolute(y.execution).lo)
    kind = format_of(dtype)
    by_inverse = magnitude(y.execution) > 0.25 / kind.tiny
    relative = accumulated(kind.unit, domain.model.quotient)
    relative = jnp.where(by_inverse, 1, relative)
    scales = is_power_of_two(y.execution) & ~by_inverse
    relative = jnp.where(scales, 0, relative)
    return rounded(domain, dtype, real, exact, carried, relative=relative)


@rule_for_floats("square", "same:mul")
def square(domain, x, _=None):
    """x' x' - x x = dx (x' + x)."""
    run = interval_rule("square")
    sizes = total(magnitude(x.execution), magnitude(x.real))
    return rounded(
        domain,
        x.dtype,
        run(x.real),
        run(x.execution),
        times(x.error, sizes),
        relative=unit(x.dtype),
    )


@rule_for_floats("integer_pow")
def _integer_pow(domain, x, *, y):
    """By products in any nest: |y| - 1 roundings at most, and one for the inverse.

    The slope of x^y is y x^(y-1). An inverse of a power that was flushed to 0 is an
    infinity: past the largest result that `by_inverse` allows nothing is known.
    """
    run = interval_rule("integer_pow", y=y)
    real, exact = run(x.real), run(x.execution)
    n, kind = abs(y), format_of(x.dtype)
    slope = interval_rule("integer_pow", y=y - 1)(both(x)) if y else both(x)
    slope = grown(n, magnitude(slope))
    roundings = max(n - 1, 0) + (domain.model.quotient if y < 0 else 0)
    value = rounded(
        domain,
        x.dtype,
        real,
        exact,
        times(slope, x.error),
        relative=accumulated(kind.unit, roundings),
    )
    if y >= 0:
        return value
    lost = magnitude(exact) > 0.25 / kind.tiny
    return forgotten(value, lost)


def forgotten(x: FP32Value, where) -> FP32Value:
    """`x`, or a run of which nothing is known."""
    run = Interval(
        jnp.where(where, jnp.nan, x.execution.lo),
        jnp.where(where, jnp.nan, x.execution.hi),
    )
    return FP32Value(x.real, jnp.where(where, jnp.inf, x.error), run, x.dtype)


@rule_for_floats("one_minus_square")
def _one_minus_square(domain, x):
    """Lowered as (1 - x)(1 + x) or as 1 - x x: two roundings of the larger terms."""
    run = interval_rule("one_minus_square")
    sizes = total(magnitude(x.execution), magnitude(x.real))
    biggest = interval_rule("square")(x.execution).hi + 1
    return rounded(
        domain,
        x.dtype,
        run(x.real),
        run(x.execution),
        times(x.error, sizes),
        relative=accumulated(unit(x.dtype), 3),
        absolute=grown(accumulated(unit(x.dtype), 2), biggest),
    )


@rule_for_floats("polynomial")
def _polynomial(domain, x, *coefficients, unroll=None):
    """Horner's rule, in the order of its steps."""
    *rest, result = coefficients
    for coefficient in reversed(rest):
        result = add(domain, mul(domain, result, x), coefficient)
    return result


@rule_for_floats("rem")
def _rem(domain, x, y):
    """x - trunc(x / y) y, exactly: the float remainder rounds nothing.

    Where both quotients truncate to one number q the result moves by ex + |q| ey.
    """
    run, dtype = interval_rule("rem"), _dtype(x, y)
    real, exact = run(x.real, y.real), run(x.execution, y.execution)
    quotients = interval_rule("div")(both(x), both(y))
    q = jnp.trunc(quotients.lo)
    same = (q == jnp.trunc(quotients.hi)) & (jnp.abs(q) < 2.0**20)
    carried = total(x.error, times(jnp.where(same, jnp.abs(q), 0), y.error))
    decided = same | ((x.error == 0) & (y.error == 0))
    carried = jnp.where(decided, carried, apart(real, exact))
    return rounded(domain, dtype, real, exact, carried)


@rule_for_floats("reduce_precision")
def _reduce_precision(domain, x, *, exponent_bits, mantissa_bits):
    """Rounds to the narrow format, or keeps what it was given (it may be fused away).

    Over the reals it is a rounding as well, whose result is only known to be near x.
    """
    run = interval_rule(
        "reduce_precision", exponent_bits=exponent_bits, mantissa_bits=mantissa_bits
    )
    real, exact = run(x.real), run(x.execution)
    exact = Interval(
        jnp.minimum(exact.lo, x.execution.lo), jnp.maximum(exact.hi, x.execution.hi)
    )
    carried = apart(real, exact)
    return rounded(domain, x.dtype, real, exact, carried)
