"""The exact values of elementary functions, by two libraries that are not ours, and
hard points.

Arb and `mpmath.iv` both return an interval that contains the exact value of f at a
binary float; where both know the function their intervals must overlap. The points are
random bit patterns of every exponent and the neighbours of whatever is special: 0, 1,
multiples of ln 2 and pi/2, thresholds of overflow, underflow and of the kernels'
branches, subnormal numbers, infinities, NaN.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, ctx
from mpmath import iv

PRECISION = 160
# Enough to reduce the largest double modulo pi/2, or to see that exp of it is not 0.
HIGH_PRECISION = 1400
iv.prec = PRECISION
ctx.prec = max(ctx.prec, PRECISION)  # for the ends of balls, and comparisons with them


def _cbrt(x):
    return x.root(3) if x >= 0 else -((-x).root(3))


# f as Arb sees it, and as mpmath.iv does where it can.
FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "exp": (arb.exp, iv.exp),
    "exp2": (lambda x: arb(2) ** x, lambda x: iv.exp(x * iv.log(2))),
    "expm1": (arb.expm1, lambda x: iv.exp(x) - 1),
    "log": (arb.log, iv.log),
    "log2": (lambda x: x.log() / arb(2).log(), lambda x: iv.log(x) / iv.log(2)),
    "log1p": (arb.log1p, lambda x: iv.log(1 + x)),
    "logistic": (lambda x: 1 / (1 + (-x).exp()), lambda x: 1 / (1 + iv.exp(-x))),
    "tanh": (arb.tanh, lambda x: 1 - 2 / (1 + iv.exp(2 * x))),
    "softplus": (lambda x: x.exp().log1p(), lambda x: iv.log(1 + iv.exp(x))),
    "sqrt": (arb.sqrt, iv.sqrt),
    "rsqrt": (arb.rsqrt, lambda x: 1 / iv.sqrt(x)),
    "reciprocal": (lambda x: 1 / x, lambda x: 1 / x),
    "cbrt": (_cbrt, None),
    "sin": (arb.sin, iv.sin),
    "cos": (arb.cos, iv.cos),
    "tan": (arb.tan, iv.tan),
    "sinh": (arb.sinh, lambda x: (iv.exp(x) - iv.exp(-x)) / 2),
    "cosh": (arb.cosh, lambda x: (iv.exp(x) + iv.exp(-x)) / 2),
    "asinh": (arb.asinh, None),
    "acosh": (arb.acosh, None),
    "atanh": (arb.atanh, lambda x: iv.log((1 + x) / (1 - x)) / 2),
    "asin": (arb.asin, None),
    "acos": (arb.acos, None),
    "atan": (arb.atan, None),
    "erf": (arb.erf, None),
    "erfc": (arb.erfc, None),
    "erf_inv": (arb.erfinv, None),
    "lgamma": (arb.lgamma, None),
    "digamma": (arb.digamma, None),
}

TWO_ARGUMENTS: dict[str, Any] = {
    "divide": lambda a, b: a / b,
    "pow": lambda a, b: (b * a.log()).exp(),
    "atan2": arb.atan2,
}

# Where the functions have poles, or where the enclosure answers with the whole line.
WHOLE_LINE = {"lgamma": lambda x: x <= 0, "digamma": lambda x: x <= 0}


@dataclass(frozen=True)
class Exact:
    """An interval that contains f(x); `None` where f(x) is not a finite real number."""

    lower: arb
    upper: arb


def as_arb(x):
    """A binary float, exactly."""
    return arb(float(x))


@functools.cache
def exact(name, x):
    """f(x) for a finite float x."""
    by_arb, by_mpmath = FUNCTIONS[name]
    if WHOLE_LINE.get(name, lambda _: False)(x):
        return None
    y = _evaluate(by_arb, as_arb(x))
    if not y.is_finite():
        return None
    # mpmath.iv is slow on huge arguments and says nothing next to a pole.
    if by_mpmath is not None and 1e-12 < abs(x) < 100:
        z = by_mpmath(iv.mpf(float(x)))
        assert _meets(y, z), f"the oracles disagree about {name}({x!r}): {y} and {z}"
    return Exact(y.lower(), y.upper())


def _evaluate(f, *x):
    """A ball of at least 60 bits, but for values (0, or below any double) that have
    none.
    """
    saved = ctx.prec
    try:
        for precision in (PRECISION, HIGH_PRECISION):
            ctx.prec = precision
            y = f(*x)
            if y.is_exact() or y.rel_accuracy_bits() > 60:
                break
        return y
    finally:
        ctx.prec = saved


def exact2(name, a, b):
    """f(a, b) for finite floats."""
    y = _evaluate(TWO_ARGUMENTS[name], as_arb(a), as_arb(b))
    return Exact(y.lower(), y.upper()) if y.is_finite() else None


def _meets(y, z):
    low, high = (_dyadic(edge) for edge in z._mpi_)
    return y.lower() <= high and low <= y.upper()


def _dyadic(edge):
    """One end of an mpmath interval, exactly."""
    sign, mantissa, exponent, _ = edge
    return arb(-int(mantissa) if sign else int(mantissa)) * arb(2) ** int(exponent)


def points(dtype, count=200, seed=0):
    """Hard arguments for any of the functions, as an array of `dtype`."""
    rng = np.random.default_rng(seed)
    kind = np.finfo(dtype)
    unsigned = np.uint32 if dtype == "float32" else np.uint64
    bits = rng.integers(0, np.iinfo(unsigned).max, count, dtype=unsigned).view(dtype)
    moderate = rng.normal(size=count) * np.exp2(rng.uniform(-12, 7, count))
    turns = rng.integers(-4000, 4000, count // 4) * (np.pi / 2)
    doublings = rng.integers(-1000, 1000, count // 4) * np.log(2)
    special = _near(np.concatenate([_SPECIAL, -_SPECIAL]), dtype)
    edges = [0.0, kind.tiny, kind.tiny * 1.5, kind.max, np.inf]
    subnormal = np.array(
        [1, 2, 3, 1 << (kind.nmant - 1), (1 << kind.nmant) - 1], unsigned
    )
    with np.errstate(over="ignore"):
        parts = [
            np.asarray(part, dtype) for part in (moderate, turns, doublings, edges)
        ]
    parts += [bits, special, subnormal.view(dtype)]
    x = np.concatenate(parts)
    x = np.concatenate([x, -x[-40:], np.asarray([np.nan], dtype)])
    # A multiple of 8, for tests that work on rows.
    return np.resize(x, -(-x.size // 8) * 8)


# Branch points of the kernels, thresholds of overflow and underflow, zeros and poles.
_SPECIAL = np.array(
    """
    0.25 0.35 0.4142135 0.5 0.70710678 0.75 1 1.41421356 1.4616321 2 4 8
    9.2 9.625 10.05 26.5 27 87.33654 88.0296 88.72283 89.4159 103.97 126 128
    149 708.39641 709.78271 710.4758 745.13 1022 1024 1074 6432 6433 1.05e8
    1.1e8 1073741824 2147483648 9.22e18 1.2676506e30 4.08e36 2.55e305
    0.34657359 0.69314718 1.03972077 0.78539816 1.57079633 3.14159265 4.71238898
    """.split(),
    float,
)


def _near(values, dtype, steps=2):
    """Each value and its neighbours."""
    with np.errstate(over="ignore"):
        centre = np.asarray(values, dtype)
    rows, up, down = [centre], centre, centre
    for _ in range(steps):
        up = np.nextafter(up, np.asarray(np.inf, dtype))
        down = np.nextafter(down, np.asarray(-np.inf, dtype))
        rows += [up, down]
    return np.concatenate(rows)
