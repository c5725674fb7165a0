"""Containment cases for elementwise rules on floats."""

import math
from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
from jax import lax

from tests.domains.interval.cases import Case, Float, Int
from tests.domains.interval.exact import ball, elementwise

# The promise. The reciprocal of a power falls short of the 8 and says so in its row.
TIGHT = (8, 2)
INF = math.inf


def arb(method, defined=lambda x: True, limit=None):
    """The Arb function of that name; None where undefined, `limit` for poles."""

    def at(x):
        if limit is not None and limit(x) is not None:
            return limit(x)
        if not defined(x):
            return None
        return (
            getattr(ball(x), method)() if isinstance(method, str) else method(ball(x))
        )

    return elementwise(at)


def unary(name, f, exact, *, rule=None, ulps=TIGHT, direct=None, **input_kw):
    return Case(name, (rule or name,), f, exact, (Float(**input_kw),), ulps, direct)


def sign_root(x):
    root = abs(x).root(3)
    return root if x > 0 else -root if x < 0 else x


def sinh_ratio(x):
    return 1 / (1 + (-x).exp())


def log_gamma_pole(x):
    """+inf at 0, -1, -2...; elsewhere below 0 the log of |gamma|."""
    return INF if x <= 0 and x == math.floor(x) else None


def log_abs_gamma(x):
    if x > 0:
        return x.lgamma()
    reflected = (flint.arb.pi() / abs(x.sin_pi())).log()
    return reflected - (1 - x).lgamma()


POLE_AT_0 = dict(limit=lambda x: -INF if x == 0 else None)
LIBRARY = [
    unary("exp", jnp.exp, arb("exp")),
    unary("exp2", jnp.exp2, arb(lambda x: (x * flint.arb.const_log2()).exp()), reach=2e4),
    unary("expm1", jnp.expm1, arb("expm1")),
    unary("log", jnp.log, arb("log", lambda x: x > 0, **POLE_AT_0)),
    unary("log_positive", jnp.log, arb("log"), rule="log", least=1e-37),
    unary("log2", None, arb(lambda x: x.log() / flint.arb.const_log2(),
                                lambda x: x > 0, **POLE_AT_0), direct="log2"),
    unary("log2_program", jnp.log2, arb(lambda x: x.log() / flint.arb.const_log2(),
                                        lambda x: x > 0), rule="log", ulps=None, least=1e-30),
    unary("log1p", lax.log1p, arb("log1p", lambda x: x > -1,
                                  limit=lambda x: -INF if x == -1 else None)),
    unary("logistic", jax.nn.sigmoid, arb(sinh_ratio), reach=1e4),
    unary("tanh", jnp.tanh, arb("tanh")),
    unary("sqrt", jnp.sqrt, arb("sqrt", lambda x: x >= 0)),
    unary("sqrt_positive", jnp.sqrt, arb("sqrt"), rule="sqrt", least=0.0),
    unary("rsqrt", lax.rsqrt, arb("rsqrt", lambda x: x > 0,
                                  limit=lambda x: INF if x == 0 else None)),
    unary("rsqrt_positive", lax.rsqrt, arb("rsqrt"), rule="rsqrt", least=1e-37),
    unary("cbrt", jnp.cbrt, arb(sign_root)),
    unary("erf", lax.erf, arb("erf")),
    unary("erf_inv", lax.erf_inv, arb("erfinv", lambda x: abs(x) < 1,
          limit=lambda x: math.copysign(INF, x) if abs(x) == 1 else None), reach=1.2),
    unary("lgamma", lax.lgamma, arb(log_abs_gamma, limit=log_gamma_pole), ulps=None,
          reach=1e30),
    unary("lgamma_positive", lax.lgamma, arb("lgamma"), rule="lgamma", least=1e-30,
          reach=1e30, ulps=None),
    unary("digamma", lax.digamma, arb("digamma", lambda x: x > 0 or x.denominator > 1),
          reach=1e30, ulps=None),
    unary("digamma_positive", lax.digamma, arb("digamma"), rule="digamma", least=1e-30,
          reach=1e30, ulps=None),
    unary("erfc", lax.erfc, arb("erfc"), reach=1e4),
    unary("asin", jnp.arcsin, arb("asin", lambda x: abs(x) <= 1), reach=1.2),
    unary("acos", jnp.arccos, arb("acos", lambda x: abs(x) <= 1), reach=1.2),
    unary("atan", jnp.arctan, arb("atan")),
    unary("asinh", jnp.arcsinh, arb("asinh")),
    unary("acosh", jnp.arccosh, arb("acosh", lambda x: x >= 1)),
    unary("atanh", jnp.arctanh, arb("atanh", lambda x: abs(x) < 1,
          limit=lambda x: math.copysign(INF, x) if abs(x) == 1 else None), reach=1.2),
    unary("sinh", jnp.sinh, arb("sinh"), reach=1e4),
    unary("cosh", jnp.cosh, arb("cosh"), reach=1e4),
    unary("sin", jnp.sin, arb("sin"), reach=1e3),
    unary("sin_far", jnp.sin, arb("sin"), rule="sin", ulps=None, reach=1e30),
    unary("cos", jnp.cos, arb("cos"), reach=1e3),
    unary("cos_far", jnp.cos, arb("cos"), rule="cos", ulps=None, reach=1e30),
    unary("tan", jnp.tan, arb("tan"), reach=20.0),
]  # fmt: skip


def softplus(x):
    return (x.exp() + 1).log() if x < 100 else x + (-x).exp().log1p()


def silu(x):
    return x / (1 + (-x).exp())


def log_add_exp(a, b):
    high, low = max(a, b), min(a, b)
    return ball(high) + (ball(low) - ball(high)).exp().log1p()


def same_name_as_softplus():
    """A function that is only called softplus: it must be walked, not believed."""

    @jax.jit
    def softplus(x):
        return 2 * x

    return softplus


ACTIVATIONS = [
    unary("softplus", jax.nn.softplus, arb(softplus), rule="call:softplus", reach=1e4),
    unary("silu", jax.nn.silu, arb(silu), rule="call:silu", reach=60.0),
    unary("relu", jax.nn.relu, elementwise(lambda x: max(x, 0)), rule="max", ulps=(0, 0)),
    Case("logaddexp", ("call:logaddexp",), jnp.logaddexp, elementwise(log_add_exp),
         (Float(reach=1e4), Float(reach=1e4)), None),
    unary("not_softplus", same_name_as_softplus(), elementwise(lambda x: 2 * x), rule="mul"),
]  # fmt: skip


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
    binary("add_any", lambda x, y: jax.vjp(lambda x: (x * y, x), x)[1]((x, y))[0],
           lambda x, y: x * y + y, ulps=None, rules=("add_any",), reach=1e15),
    binary("sub", lax.sub, lambda x, y: x - y),
    binary("mul", lax.mul, lambda x, y: x * y),
    binary("mul_small", lax.mul, lambda x, y: x * y, rules=("mul",), reach=100.0),
    binary("div", lax.div, quotient),
    binary("div_small", lax.div, quotient, rules=("div",), reach=100.0),
    binary("rem", lax.rem, remainder, ulps=None),
    binary("rem_small", lax.rem, remainder, ulps=None, rules=("rem",), reach=20.0),
    binary("atan2", jnp.arctan2, angle, ulps=None),
    Case("atan2_right", ("atan2",), jnp.arctan2, elementwise(angle),
         (Float(), Float(least=1e-30)), TIGHT),
    binary("max", lax.max, max, ulps=(0, 0)),
    binary("min", lax.min, min, ulps=(0, 0)),
    unary("neg", lax.neg, elementwise(lambda x: -x), ulps=(0, 0)),
    unary("abs", lax.abs, elementwise(abs), ulps=(0, 0)),
    Case("clamp", ("clamp",), lax.clamp, elementwise(lambda a, x, b: min(max(a, x), b)),
         (Float(reach=9.0),) * 3, (0, 0)),
    unary("same_mul", lambda x: x * x, elementwise(lambda x: x * x), rule="same:mul"),
    unary("same_sub", lambda x: x - x, elementwise(lambda x: x * 0), rule="same:sub",
          ulps=(0, 0)),
    unary("square", lax.square, elementwise(lambda x: x * x)),
]  # fmt: skip


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
    Case("pow", ("pow",), lax.pow, elementwise(real_power),
         (Float(least=0.0), Float(reach=9.0)), TIGHT),
    Case("pow_signed", ("pow",), lax.pow, elementwise(real_power),
         (Float(reach=9.0), Float(reach=3.0))),
    *(
        Case(f"pow_{y}", ("pow",), lambda x, y=y: lax.pow(x, jnp.full_like(x, y)),
             elementwise(lambda x, y=y: real_power(x, Fraction(y))), (Float(reach=1e6),),
             TIGHT if y > 0 else None)
        for y in (2.0, 3.0, 2.5, -2.0, -1.0, 0.5)
    ),
    Case("pow_integer", ("pow",), lambda x, i: lax.pow(x, i),
         elementwise(lambda x, i: real_power(x, Fraction(i))), (Float(reach=9.0), Int())),
    unary("one_minus_square", None, elementwise(lambda x: 1 - x * x),
          direct="one_minus_square", reach=1e10),
    Case("polynomial", ("polynomial",), None,
         elementwise(lambda x, a, b, c: a + b * x + c * x * x),
         (Float(reach=9.0),) * 4, None, "polynomial"),
    *(
        unary(f"power_{n}", lambda x, n=n: lax.integer_pow(x, n), power(n),
              rule="integer_pow", ulps=TIGHT if n >= 0 else None, reach=1e10)
        for n in (3, 0, 1, 4, 7, 8, -1, -2, -3)
    ),
    unary("power_-2_moderate", lambda x: lax.integer_pow(x, -2), power(-2),
          rule="integer_pow", ulps=(9, 2), least=1e-9, reach=1e9),
    unary("reduce_precision_bf16", lambda x: lax.reduce_precision(x, 8, 7), rounded(8, 7),
          rule="reduce_precision", ulps=None, reach=1e37),
    unary("reduce_precision_half", lambda x: lax.reduce_precision(x, 5, 10),
          rounded(5, 10), rule="reduce_precision", ulps=None, reach=1e5),
    unary("floor", lax.floor, elementwise(lambda x: Fraction(math.floor(x))), ulps=(0, 0)),
    unary("ceil", lax.ceil, elementwise(lambda x: Fraction(math.ceil(x))), ulps=None),
    unary("round", lax.round, elementwise(lambda x: Fraction(math.floor(abs(x) + Fraction(1, 2)))
                                          * (1 if x > 0 else -1)), ulps=(0, 0)),
    unary("sign", lax.sign, elementwise(lambda x: Fraction((x > 0) - (x < 0))), ulps=None),
]  # fmt: skip

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
            ("lt_to", lambda x, y: lax.lt_to_p.bind(x, y), lambda x, y: x < y),
        ]
    ),
    Case("le_to", ("le_to",), None, elementwise(lambda x, y: x <= y), (Float(), Float()),
         direct="le_to"),
    *(
        Case(f"same_{name}", (f"same:{name}",), lambda x, f=f: f(x, x),
             elementwise(lambda x, e=e: e), (Float(),))
        for name, f, e in [
            ("eq", lax.eq, True), ("le", lax.le, True), ("ge", lax.ge, True),
            ("ne", lax.ne, False), ("lt", lax.lt, False), ("gt", lax.gt, False),
        ]
    ),
    Case("is_finite", ("is_finite",), lax.is_finite, elementwise(lambda x: True), (Float(),)),
    Case("where", ("select_n", "lt"), lambda x, y: jnp.where(x < y, x, -y),
         elementwise(lambda x, y: x if x < y else -y), (Float(), Float())),
    Case("select_three", ("select_n",),
         lambda x: lax.select_n((x > 0).astype(jnp.int32) + (x > 1), x, 2 * x, -x),
         elementwise(lambda x: -x if x > 1 else 2 * x if x > 0 else x), (Float(reach=9.0),)),
]  # fmt: skip

CASES = [*LIBRARY, *ACTIVATIONS, *ARITHMETIC, *POWERS, *COMPARISONS]
