"""Interval rules for complex numbers: rectangles, one interval for each part.

`lo` and `hi` are complex: lo.real <= hi.real and lo.imag <= hi.imag. Moves of elements
treat both as they are; everything else works on the parts with the rules for reals.
"""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval import _arithmetic as real_rules
from torchlean_jax.domains.interval import _compare, _contraction, _reduce
from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._kinds import kind_of, operation_rule_for, rule_for
from torchlean_jax.domains.interval._power import square as square_of
from torchlean_jax.domains.interval._value import Interval, rules


def parts(z: Interval) -> tuple[Interval, Interval]:
    """The real and the imaginary part of `z` (zero, if `z` is real)."""
    if kind_of(z) != "complex":
        return z, Interval(jnp.zeros_like(z.lo), jnp.zeros_like(z.lo))
    re = Interval(jnp.real(z.lo), jnp.real(z.hi))
    return re, Interval(jnp.imag(z.lo), jnp.imag(z.hi))


def rectangle(re: Interval, im: Interval) -> Interval:
    return Interval(lax.complex(re.lo, im.lo), lax.complex(re.hi, im.hi))


@rules.define("complex")
def _complex(x, y):
    return rectangle(x, y)


@rules.define("real")
def _real(z):
    return parts(z)[0]


@rules.define("imag")
def _imag(z):
    return parts(z)[1]


@rules.define("conj")
def _conj(z, *, input_dtype):
    re, im = parts(z)
    return rectangle(re, real_rules.negate(im))


@rule_for("complex", "neg")
def _neg(z):
    return rectangle(*map(real_rules.negate, parts(z)))


@rule_for("complex", "add", "add_any")
def _add(x, y):
    return rectangle(*map(real_rules.add, parts(x), parts(y)))


@rule_for("complex", "sub")
def _sub(x, y):
    return rectangle(*map(real_rules.sub, parts(x), parts(y)))


@rule_for("complex", "mul")
def mul(x, y):
    (a, b), (c, d) = parts(x), parts(y)
    times = real_rules.mul
    re = real_rules.sub(times(a, c), times(b, d))
    return rectangle(re, real_rules.add(times(a, d), times(b, c)))


@rule_for("complex", "square", "same:mul")
def square(z, _=None):
    """(a + ib)^2 = a^2 - b^2 + 2iab."""
    a, b = parts(z)
    re = real_rules.sub(square_of(a), square_of(b))
    product = real_rules.mul(a, b)
    return rectangle(re, real_rules.add(product, product))


@rule_for("complex", "integer_pow")
def _integer_pow(z, *, y):
    one = jnp.ones_like(z.lo)
    power = Interval(one, one)
    for _ in range(abs(y)):
        power = mul(power, z)
    return power if y >= 0 else div(Interval(one, one), power)


@rule_for("complex", "div")
def div(x, y):
    """x conj(y) / |y|^2."""
    c, d = parts(y)
    size = real_rules.add(square_of(c), square_of(d))
    re, im = parts(mul(x, rectangle(c, real_rules.negate(d))))
    return rectangle(real_rules.div(re, size), real_rules.div(im, size))


@rule_for("complex", "eq")
def _eq(x, y):
    same = [_compare.eq(a, b) for a, b in zip(parts(x), parts(y), strict=True)]
    return Interval(same[0].lo & same[1].lo, same[0].hi & same[1].hi)


@rule_for("complex", "ne")
def _ne(x, y):
    return _compare.opposite(_eq(x, y))


@operation_rule_for("complex", "reduce_sum")
def _reduce_sum(operation, z):
    return rectangle(
        *(_reduce.reduce_sum(operation, x) for x in parts(Interval.lift(z)))
    )


@operation_rule_for("complex", "cumsum")
def _cumsum(operation, z):
    return rectangle(*(_reduce.cumsum(operation, x) for x in parts(Interval.lift(z))))


@operation_rule_for("complex", "dot_general")
def _dot_general(operation, x, y):
    return _bilinear(_contraction.dot_general, operation, x, y)


def _bilinear(rule, operation, x, y):
    (a, b), (c, d) = parts(Interval.lift(x)), parts(Interval.lift(y))
    re = real_rules.sub(rule(operation, a, c), rule(operation, b, d))
    return rectangle(re, real_rules.add(rule(operation, a, d), rule(operation, b, c)))


@rule_for("complex", "abs")
def _abs(z):
    """sqrt(a^2 + b^2), at least as large as either part."""
    a, b = (real_rules.absolute(part) for part in parts(z))
    size = real_rules.add(square_of(a), square_of(b))
    lo, hi = f.sqrt_bounds(jnp.maximum(size.lo, 0))[0], f.sqrt_bounds(size.hi)[1]
    lo = jnp.maximum(lo, jnp.maximum(a.lo, b.lo))
    return real_rules.known(jnp.where(jnp.isnan(size.lo), jnp.nan, lo), hi)


@rule_for("complex", "exp")
def _exp(z):
    """e^a (cos b + i sin b)."""
    a, b = parts(z)
    size = real_rules.known(f.exp_bounds(a.lo)[0], f.exp_bounds(a.hi)[1])
    turn = [real_rules.known(*g(b.lo, b.hi)) for g in (f.cos_interval, f.sin_interval)]
    return rectangle(*(real_rules.mul(size, t) for t in turn))
