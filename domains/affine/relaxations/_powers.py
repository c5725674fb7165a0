"""Powers: squares, whole exponents of either sign, and x**y for a constant y.

x**n is convex for even n, and for x > 0 unless 0 < n < 1; odd powers are S-shapes the
other way round. Negative powers are taken on one side of 0. What remains is left to
intervals.
"""

import functools

import jax.numpy as jnp

from torchlean_jax.domains.affine import _points as p
from torchlean_jax.domains.affine._lines import Lines, relaxations
from torchlean_jax.domains.affine.relaxations._convex import one_bend
from torchlean_jax.domains.affine.relaxations._curve import Curve, guarded
from torchlean_jax.domains.affine.relaxations._s_shaped import one_inflection
from torchlean_jax.domains.affine.relaxations._slopes import declare
from torchlean_jax.domains.affine.relaxations._touching import touching
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._power import integer_pow

declare(2, "square", "integer_pow", "pow")


def power_curve(n: int) -> Curve:
    """x**n and n x**(n - 1), from one another where that is short."""

    def curve(x):
        point = p.at(x)
        if n == 2:
            return p.square(point), p.scaled(point, 2.0)
        if n == -1:
            value = p.inverse(point)
            return value, p.negate(p.square(value))
        rest = integer_pow(point, y=n - 1)
        return p.mul(rest, point), p.scaled(rest, float(n))

    return curve


@relaxations.define_op("square")
def square_lines(operation, x, slope=None):
    x, valid = guarded(x, True, 0.0)
    return one_bend(power_curve(2), x, slope, True, valid)


@relaxations.define_op("integer_pow")
def integer_pow_lines(operation, x, slope=None):
    n = operation.params["y"]
    if n in (0, 1):
        return _straight(x, n)
    if n < 0:
        return reciprocal_power(x, n, slope)
    x, valid = guarded(x, True, 0.0)
    if n % 2 == 0:
        return one_bend(power_curve(n), x, slope, True, valid)
    phi, falling = _mirrored_power(n)
    # T / u does not depend on u for a power: any two knots would do
    touch = functools.partial(touching, phi=phi, slope=falling, least=1.0, most=2.0)
    return one_inflection(
        power_curve(n), x, slope, touch, convex_left=False, valid=valid
    )


@functools.cache
def _mirrored_power(n):
    """-y**n and its derivative; the same objects for the same n, so that tables are
    kept."""
    return (lambda y: -(y**n)), (lambda y: -n * y ** (n - 1))


def reciprocal_power(x, n: int, slope=None):
    """x**n for n < 0: convex where x > 0; where x < 0 too if n is even, else
    concave."""
    x, valid = guarded(x, (x.lo > 0) | (x.hi < 0), 1.0)
    convex = True if n % 2 == 0 else x.lo > 0
    return one_bend(power_curve(n), x, slope, convex, valid)


def _straight(x, n):
    ones = jnp.ones_like(x.lo)
    flat, zeros = (1 - n) * ones, jnp.zeros_like(x.lo)
    return Lines((n * ones,), flat + zeros, (n * ones,), flat + zeros)


@relaxations.define_op("pow")
def pow_lines(operation, x, exponent, slope=None):
    """x**c for x > 0 and b**x for b > 0, where c or b is concrete."""
    if not isinstance(exponent, Interval):
        lines = _constant_exponent(x, exponent, slope)
        return Lines(
            (*lines.lower, None),
            lines.lower_offset,
            (*lines.upper, None),
            lines.upper_offset,
        )
    if not isinstance(x, Interval):
        lines = _constant_base(x, exponent, slope)
        return Lines(
            (None, *lines.lower),
            lines.lower_offset,
            (None, *lines.upper),
            lines.upper_offset,
        )
    zeros = jnp.zeros(jnp.broadcast_shapes(x.shape, exponent.shape), x.dtype)
    return Lines((zeros, zeros), zeros - jnp.inf, (zeros, zeros), zeros + jnp.inf)


def _constant_exponent(x, exponent, slope):
    c = _exact_float(exponent, x.dtype)
    x, valid = guarded(x, x.lo > 0, 1.0)

    def curve(a):
        value = p.exp(p.mul(c, p.log(p.at(a))))
        return value, p.mul(c, p.div(value, p.at(a)))

    return one_bend(curve, x, slope, (c.lo >= 1) | (c.hi <= 0), valid)


def _constant_base(base, x, slope):
    b = _exact_float(base, x.dtype)
    x, valid = guarded(x, b.lo > 0, 0.0)
    rate = p.log(Interval(jnp.where(b.lo > 0, b.lo, 1), jnp.where(b.lo > 0, b.hi, 1)))

    def curve(a):
        value = p.exp(p.mul(rate, p.at(a)))
        return value, p.mul(rate, value)

    return one_bend(curve, x, slope, True, valid)


def _exact_float(number, dtype):
    number = jnp.asarray(number)
    if not jnp.issubdtype(number.dtype, jnp.floating):
        number = number.astype(dtype)  # exponents are small integers
    return Interval.lift(number)
