"""What each elementwise primitive equals, by mpmath, and where to try it."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
from jax import lax

from tests.domains.real.agreement import mp_elementwise

# Whole numbers, halves, neighbours of 1, tiny, subnormal and huge ones.
WHOLE = [0, 1, -1, 2, -2, 3, 0.5, -0.5, 1 + 2**-23, 1 - 2**-24, 2**-20, -(2**-20)]
EXTREME = [1e-30, 1e-40, 1.4e-45, 100, 1e8, 3e38]
TRAPS = np.array([*WHOLE, *EXTREME, *(-x for x in EXTREME)], np.float32)


@dataclass(frozen=True)
class Function:
    """A primitive on floats of [least, most], uniform and of every exponent, and traps.

    within: where it has a value; `None` is expected elsewhere.
    """

    name: str
    f: object
    exact: object
    least: float = -3.4e38
    most: float = 3.4e38
    count: int = 1
    within: object = field(default=lambda *xs: True)
    is_complex: bool = False

    def __str__(self):
        return self.name

    def inputs(self, seed):
        rng = np.random.default_rng(seed)
        points = [self._points(rng) for _ in range(self.count)]
        if self.is_complex:
            return [(points[0] + 1j * self._points(rng)).astype(np.complex64)]
        return points

    def _points(self, rng):
        uniform = rng.uniform(max(self.least, -4), min(self.most, 4), 12)
        spread = rng.choice([-1, 1], 12) * 2.0 ** rng.uniform(-60, 10, 12)
        points = np.concatenate([uniform, spread, rng.permutation(TRAPS)])
        points = points.astype(np.float32)
        inside = (points >= self.least) & (points <= self.most)
        return np.where(inside, points, uniform[0].astype(np.float32))

    def expected(self, *inputs):
        def value(*xs):
            if not self.within(*xs):
                return None
            return self.exact(*xs)

        return mp_elementwise(value)(*inputs)


def lgamma(x):
    if x <= 0 and x == mp.floor(x):
        return float("inf")
    return mp.log(abs(mp.gamma(x)))


def round_even(x):
    return mp.nint(x)


def round_away(x):
    return mp.sign(x) * mp.floor(abs(x) + mp.mpf(1) / 2)


def remainder(x, y):
    return mp.sign(x) * mp.fmod(abs(x), abs(y))


def bessel(order):
    return lambda x: mp.exp(-abs(x)) * mp.besseli(order, x)


def log_add_exp(x, y):
    return mp.log(mp.exp(x) + mp.exp(y))


def swapped(z):
    return mp.mpc(z.imag, z.real)


def not_pole(x):
    return x > 0 or x != mp.floor(x)


def at_zero(limit, function):
    return lambda x: limit if x == 0 else function(x)


NINF, INF = float("-inf"), float("inf")
TO_EVEN, AWAY = lax.RoundingMethod.TO_NEAREST_EVEN, lax.RoundingMethod.AWAY_FROM_ZERO

REAL = [
    Function("exp", lax.exp, mp.exp, -1e4, 1e4),
    Function("exp2", lax.exp2, lambda x: mp.power(2, x), -1e4, 1e4),
    Function("expm1", lax.expm1, mp.expm1, -1e4, 1e4),
    Function("log", lax.log, at_zero(NINF, mp.log), within=lambda x: x >= 0),
    Function("log1p", lax.log1p, lambda x: NINF if x == -1 else mp.log1p(x), -0.9, 1e9),
    Function("log1p_edge", lax.log1p, lambda x: NINF, -1, -1),
    Function("logistic", lax.logistic, lambda x: 1 / (1 + mp.exp(-x)), -1e4, 1e4),
    Function("tanh", lax.tanh, mp.tanh, -1e3, 1e3),
    Function("sqrt", lax.sqrt, mp.sqrt, within=lambda x: x >= 0),
    Function(
        "rsqrt",
        lax.rsqrt,
        at_zero(INF, lambda x: 1 / mp.sqrt(x)),
        within=lambda x: x >= 0,
    ),
    Function("cbrt", lax.cbrt, lambda x: mp.sign(x) * mp.cbrt(abs(x))),
    Function("erf", lax.erf, mp.erf, -20, 20),
    Function("erfc", lax.erfc, mp.erfc, -20, 20),
    Function("erf_inv", lax.erf_inv, mp.erfinv, -0.999, 0.999),
    Function("asin", lax.asin, mp.asin, within=lambda x: abs(x) <= 1),
    Function("acos", lax.acos, mp.acos, within=lambda x: abs(x) <= 1),
    Function("atan", lax.atan, mp.atan),
    Function("asinh", lax.asinh, mp.asinh),
    Function("acosh", lax.acosh, mp.acosh, within=lambda x: x >= 1),
    Function("atanh", lax.atanh, mp.atanh, -0.999, 0.999),
    Function("sinh", lax.sinh, mp.sinh, -1e4, 1e4),
    Function("cosh", lax.cosh, mp.cosh, -1e4, 1e4),
    Function("sin", lax.sin, mp.sin),
    Function("cos", lax.cos, mp.cos),
    Function("tan", lax.tan, mp.tan, -1e10, 1e10),
    Function("floor", lax.floor, mp.floor),
    Function("ceil", lax.ceil, mp.ceil),
    Function("round", lambda x: lax.round(x, TO_EVEN), round_even),
    Function("round_away", lambda x: lax.round(x, AWAY), round_away),
    Function("sign", lax.sign, mp.sign),
    Function("abs", lax.abs, abs),
    Function("neg", lax.neg, lambda x: -x),
    Function("square", lax.square, lambda x: x * x),
    Function("cube", lambda x: lax.integer_pow(x, 3), lambda x: x**3),
    Function(
        "inverse_square",
        lambda x: lax.integer_pow(x, -2),
        lambda x: 1 / (x * x),
        within=lambda x: x != 0,
    ),
    Function("lgamma", lax.lgamma, lgamma, -1e3, 1e4),
    Function("digamma", lax.digamma, mp.digamma, -1e3, 1e9, within=not_pole),
    Function(
        "polygamma", lambda x: lax.polygamma(2.0, x), lambda x: mp.polygamma(2, x), 0.1
    ),
    Function("bessel_i0e", lax.bessel_i0e, bessel(0), -9, 9),
    Function("bessel_i1e", lax.bessel_i1e, bessel(1), -9, 9),
    Function("softplus", jax.nn.softplus, lambda x: mp.log1p(mp.exp(x)), -99, 99),
    Function("silu", jax.nn.silu, lambda x: x / (1 + mp.exp(-x)), -99, 99),
    Function("log2", jnp.log2, lambda x: mp.log(x) / mp.log(2), 1e-30),
]

BINARY = [
    Function("add", lax.add, lambda x, y: x + y, count=2),
    Function("sub", lax.sub, lambda x, y: x - y, count=2),
    Function("mul", lax.mul, lambda x, y: x * y, count=2),
    Function("div", lax.div, lambda x, y: x / y, count=2, within=lambda x, y: y != 0),
    Function("max", lax.max, max, count=2),
    Function("min", lax.min, min, count=2),
    Function("rem", lax.rem, remainder, count=2, within=lambda x, y: y != 0),
    Function(
        "pow",
        lax.pow,
        lambda x, y: x**y,
        -12,
        12,
        count=2,
        within=lambda x, y: y >= 0 if x == 0 else x > 0 or y == mp.floor(y),
    ),
    Function(
        "atan2",
        lax.atan2,
        mp.atan2,
        count=2,
        within=lambda y, x: x != 0 or y != 0,
    ),
    Function("logaddexp", jnp.logaddexp, log_add_exp, -99, 99, 2),
    Function("igamma", lax.igamma, lambda a, x: mp.gammainc(a, 0, x, True), 0.1, 9, 2),
    Function(
        "igammac", lax.igammac, lambda a, x: mp.gammainc(a, x, mp.inf, True), 0.1, 9, 2
    ),
    Function("zeta", lax.zeta, mp.zeta, 1.1, 30, 2),
]
TERNARY = [
    Function("clamp", lax.clamp, lambda a, x, b: min(max(a, x), b), count=3),
    Function(
        "regularized_incomplete_beta",
        lax.betainc,
        lambda a, b, x: mp.betainc(a, b, 0, x, True),
        0.1,
        0.9,
        3,
    ),
]

PARTS = lambda z: (z.real, z.imag)


def complex_function(name, f, exact, least=-50, most=50):
    return Function(f"complex_{name}", f, exact, least, most, is_complex=True)


COMPLEX = [
    complex_function("exp", lax.exp, mp.exp),
    complex_function("log", lambda z: lax.log(z + 1e-3), lambda z: mp.log(z + MILLI)),
    complex_function("sin", lax.sin, mp.sin),
    complex_function("cos", lax.cos, mp.cos),
    complex_function("tanh", lambda z: lax.tanh(z / 8), lambda z: mp.tanh(z / 8)),
    complex_function("sqrt", lax.sqrt, mp.sqrt),
    complex_function("square", lax.square, lambda z: z * z),
    complex_function("cube", lambda z: lax.integer_pow(z, 3), lambda z: z**3),
    complex_function("neg", lax.neg, lambda z: -z),
    complex_function("conj", lax.conj, mp.conj),
    complex_function("abs", lax.abs, abs),
    complex_function("product", lambda z: z * (z + 2), lambda z: z * (z + 2)),
    complex_function("quotient", lambda z: z / (z + 0.25j), lambda z: z / (z + 0.25j)),
    complex_function("swap", lambda z: lax.complex(z.imag, z.real), swapped),
    complex_function("sign", lax.sign, lambda z: z / abs(z) if z else mp.mpc(0)),
]
MILLI = mp.mpf(float(np.float32(1e-3)))

FUNCTIONS = [*REAL, *BINARY, *TERNARY, *COMPLEX]
