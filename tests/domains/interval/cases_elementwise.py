"""Containment cases for arithmetic, powers and comparisons of floats."""

import math
from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
from jax import lax

from tests.domains.interval.cases import INF, TIGHT, Case, Float, Int, unary
from tests.domains.interval.exact import ball, elementwise


def quotient(x, y):
    return None if y == 0 else x / y


def remainder(x, y):
    return None if y == 0 else x - math.trunc(x / y) * y


def angle(y, x):
    if x == 0 and y == 0:
        return Fraction(0)
    return flint.arb.atan2(ball(y), ball(x))


def binary(name, f, exact, ulps=TIGHT, rules=None, **kw):
    pair = (Float(**kw), Float(**kw))
    return Case(name, rules or (name,), f, elementwise(exact), pair, ulps)


ARITHMETIC = [
    binary("add", lax.add, lambda x, y: x + y),
    binary(
        "add_any",
        lambda x, y: jax.vjp(lambda x: (x * y, x), x)[1]((x, y))[0],
        lambda x, y: x * y + y,
        ulps=None,
        rules=("add_any",),
        reach=1e15,
    ),
    binary("sub", lax.sub, lambda x, y: x - y),
    binary("mul", lax.mul, lambda x, y: x * y),
    binary("mul_small", lax.mul, lambda x, y: x * y, rules=("mul",), reach=100.0),
    binary("div", lax.div, quotient),
    binary("div_small", lax.div, quotient, rules=("div",), reach=100.0),
    binary("rem", lax.rem, remainder, ulps=None),
    binary("rem_small", lax.rem, remainder, ulps=None, rules=("rem",), reach=20.0),
    binary("atan2", jnp.arctan2, angle, ulps=None),
    Case(
        "atan2_right",
        ("atan2",),
        jnp.arctan2,
        elementwise(angle),
        (Float(), Float(least=1e-30)),
        TIGHT,
    ),
    binary("max", lax.max, max, ulps=(0, 0)),
    binary("min", lax.min, min, ulps=(0, 0)),
    unary("neg", lax.neg, elementwise(lambda x: -x), ulps=(0, 0)),
    unary("abs", lax.abs, elementwise(abs), ulps=(0, 0)),
    Case(
        "clamp",
        ("clamp",),
        lax.clamp,
        elementwise(lambda a, x, b: min(max(a, x), b)),
        (Float(reach=9.0),) * 3,
        (0, 0),
    ),
    unary("same_mul", lambda x: x * x, elementwise(lambda x: x * x), rule="same:mul"),
    unary(
        "same_sub",
        lambda x: x - x,
        elementwise(lambda x: x * 0),
        rule="same:sub",
        ulps=(0, 0),
    ),
    unary("square", lax.square, elementwise(lambda x: x * x)),
]


def power(n):
    return elementwise(lambda x: None if n < 0 and x == 0 else x**n)


def rounded(exponent_bits, mantissa_bits):
    """To nearest even, overflow to an infinity, underflow to zero."""
    bias = 2 ** (exponent_bits - 1) - 1

    def at(x):
        if x == 0:
            return x
        size = abs(x)
        exponent = math.frexp(float(size))[1] - 1 if float(size) else -1080
        unit = Fraction(2) ** (exponent - mantissa_bits)
        size = round(size / unit) * unit  # Fraction rounds half to even
        if size >= Fraction(2) ** (bias + 1):
            return math.copysign(INF, x)
        size = 0 if size < Fraction(2) ** (1 - bias) else size
        return size if x > 0 else -size

    return elementwise(at)


def real_power(x, y):
    if x == 0:
        return Fraction(0) if y > 0 else Fraction(1) if y == 0 else None
    if x < 0 and y.denominator > 1:
        return None
    size = (ball(y) * abs(ball(x)).log()).exp()
    return -size if x < 0 and y % 2 == 1 else size


POWERS = [
    Case(
        "pow",
        ("pow",),
        lax.pow,
        elementwise(real_power),
        (Float(least=0.0), Float(reach=9.0)),
        TIGHT,
    ),
    Case(
        "pow_signed",
        ("pow",),
        lax.pow,
        elementwise(real_power),
        (Float(reach=9.0), Float(reach=3.0)),
    ),
    *(
        Case(
            f"pow_{y}",
            ("pow",),
            lambda x, y=y: lax.pow(x, jnp.full_like(x, y)),
            elementwise(lambda x, y=y: real_power(x, Fraction(y))),
            (Float(reach=1e6),),
            TIGHT if y > 0 else None,
        )
        for y in (2.0, 3.0, 2.5, -2.0, -1.0, 0.5)
    ),
    Case(
        "pow_integer",
        ("pow",),
        lax.pow,
        elementwise(lambda x, i: real_power(x, Fraction(i))),
        (Float(reach=9.0), Int()),
    ),
    unary(
        "one_minus_square",
        None,
        elementwise(lambda x: 1 - x * x),
        direct="one_minus_square",
        reach=1e10,
    ),
    Case(
        "polynomial",
        ("polynomial",),
        None,
        elementwise(lambda x, a, b, c: a + b * x + c * x * x),
        (Float(reach=9.0),) * 4,
        None,
        "polynomial",
    ),
    *(
        unary(
            f"power_{n}",
            lambda x, n=n: lax.integer_pow(x, n),
            power(n),
            rule="integer_pow",
            ulps=TIGHT if n >= 0 else None,
            reach=1e10,
        )
        for n in (3, 0, 1, 4, 7, 8, -1, -2, -3)
    ),
    unary(
        "power_-2_moderate",
        lambda x: lax.integer_pow(x, -2),
        power(-2),
        rule="integer_pow",
        ulps=TIGHT,
        least=1e-9,
        reach=1e9,
    ),
    unary(
        "reduce_precision_bf16",
        lambda x: lax.reduce_precision(x, 8, 7),
        rounded(8, 7),
        rule="reduce_precision",
        ulps=None,
        reach=1e37,
    ),
    unary(
        "reduce_precision_half",
        lambda x: lax.reduce_precision(x, 5, 10),
        rounded(5, 10),
        rule="reduce_precision",
        ulps=None,
        reach=1e5,
    ),
    unary(
        "floor", lax.floor, elementwise(lambda x: Fraction(math.floor(x))), ulps=(0, 0)
    ),
    unary("ceil", lax.ceil, elementwise(lambda x: Fraction(math.ceil(x))), ulps=None),
    unary(
        "round",
        lax.round,
        elementwise(
            lambda x: (
                Fraction(math.floor(abs(x) + Fraction(1, 2))) * (1 if x > 0 else -1)
            )
        ),
        ulps=(0, 0),
    ),
    unary(
        "sign", lax.sign, elementwise(lambda x: Fraction((x > 0) - (x < 0))), ulps=None
    ),
]


COMPARISONS = [
    *(
        Case(name, (name,), f, elementwise(g), (Float(), Float()))
        for name, f, g in [
            ("lt", lax.lt, lambda x, y: x < y),
            ("le", lax.le, lambda x, y: x <= y),
            ("gt", lax.gt, lambda x, y: x > y),
            ("ge", lax.ge, lambda x, y: x >= y),
            ("eq", lax.eq, lambda x, y: x == y),
            ("ne", lax.ne, lambda x, y: x != y),
            ("lt_to", lax.lt_to_p.bind, lambda x, y: x < y),
        ]
    ),
    Case(
        "le_to",
        ("le_to",),
        None,
        elementwise(lambda x, y: x <= y),
        (Float(), Float()),
        direct="le_to",
    ),
    *(
        Case(
            f"same_{name}",
            (f"same:{name}",),
            lambda x, f=f: f(x, x),
            elementwise(lambda x, e=e: e),
            (Float(),),
        )
        for name, f, e in [
            ("eq", lax.eq, True),
            ("le", lax.le, True),
            ("ge", lax.ge, True),
            ("ne", lax.ne, False),
            ("lt", lax.lt, False),
            ("gt", lax.gt, False),
        ]
    ),
    Case(
        "is_finite",
        ("is_finite",),
        lax.is_finite,
        elementwise(lambda x: True),
        (Float(),),
    ),
    Case(
        "where",
        ("select_n", "lt"),
        lambda x, y: jnp.where(x < y, x, -y),
        elementwise(lambda x, y: x if x < y else -y),
        (Float(), Float()),
    ),
    Case(
        "select_three",
        ("select_n",),
        lambda x: lax.select_n((x > 0).astype(jnp.int32) + (x > 1), x, 2 * x, -x),
        elementwise(lambda x: -x if x > 1 else 2 * x if x > 0 else x),
        (Float(reach=9.0),),
    ),
]


CASES = [*ARITHMETIC, *POWERS, *COMPARISONS]
