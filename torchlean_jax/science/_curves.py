"""Elementary functions with all their derivatives, over intervals.

`derivatives(x, count)` of a curve encloses the first of them over the interval x. The
derivatives of tanh are polynomials p_k in t = tanh(x), p_k+1 = p_k' (1 - t^2), and
those of the logistic function in its own value, p_k+1 = p_k' s (1 - s). A polynomial on
an interval takes its extremes at the ends or where its own derivative is 0.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.polynomial import polynomial

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.science._forms import SLACK

# A value of Horner with d steps is off by gamma_2d sum |c_j| |t|^j, and |t| <= 1; the
# slope times the error of a rounded critical point is of second order.
_HORNER = 64 * 2.0**-53


@dataclass(frozen=True)
class Curve:
    """A function of one value.

    known(x): what its derivatives over x are made of, computed once for all of them.
    kth(known, k): the k-th.
    """

    known: Callable[[Interval], Any]
    kth: Callable[[Any, int], Interval]

    def derivatives(self, x: Interval, count: int) -> list[Interval]:
        """Enclosures over x of the function and its first count - 1 derivatives."""
        known = self.known(x)
        return [self.kth(known, k) for k in range(count)]


@functools.lru_cache(64)
def _polynomial(k: int, kind: str) -> tuple[int, ...]:
    """Coefficients, constant first, of the k-th derivative in the function's value."""
    factor = {"tanh": [1, 0, -1], "logistic": [0, 1, -1]}[kind]
    p = np.array([0, 1])
    for _ in range(k):
        p = polynomial.polymul(polynomial.polyder(p), factor)
    return tuple(round(float(c)) for c in p)


@functools.lru_cache(64)
def _critical(p: tuple[int, ...]) -> tuple[float, ...]:
    """Where the derivative of a polynomial may be 0, between -1 and 1.

    The roots are simple or computed to half of the digits, which is enough: the value
    at a rounded critical point differs by the square of its error.
    """
    slope = polynomial.polyder(np.array(p, float))
    roots = np.roots(np.trim_zeros(slope, "b")[::-1])
    return tuple(sorted({float(r.real) for r in roots if abs(r.imag) < 1e-6}))


def _range(p: tuple[int, ...], t: Interval) -> Interval:
    """The polynomial over t, which lies within [-1, 1]."""
    if len(p) == 1:
        return Interval(jnp.full_like(t.lo, p[0]), jnp.full_like(t.lo, p[0]))
    ends = [_horner(p, t.lo), _horner(p, t.hi)]
    lo, hi = jnp.minimum(*ends), jnp.maximum(*ends)
    for root in _critical(p):
        inside = (t.lo - 1e-6 <= root) & (root <= t.hi + 1e-6)
        at = float(polynomial.polyval(root, p))
        lo = jnp.where(inside, jnp.minimum(lo, at), lo)
        hi = jnp.where(inside, jnp.maximum(hi, at), hi)
    slack = _HORNER * len(p) * sum(map(abs, p))
    return Interval(lo - slack, hi + slack)


def _horner(p, t):
    total = jnp.full_like(t, p[-1])
    for c in reversed(p[:-1]):
        total = total * t + c
    return total


def _between(bounds: Callable) -> Callable[[Interval], Interval]:
    """An increasing function over an interval, from its bounds at a point."""
    return lambda x: Interval(bounds(x.lo)[0], bounds(x.hi)[1])


def _own(kind: str) -> Callable[[Interval, int], Interval]:
    """Derivatives that are polynomials in the function's own value."""
    return lambda value, k: _range(_polynomial(k, kind), value) if k else value


def _softplus(known, k: int) -> Interval:
    value, slope = known
    return _own("logistic")(slope, k - 1) if k else value


def _turn(known, k: int) -> Interval:
    """sin, cos, -sin, -cos, and round again."""
    found = known[k % 2]
    return Interval(-found.hi, -found.lo) if k % 4 >= 2 else found


def _sin_cos(x: Interval) -> tuple[Interval, Interval]:
    return _rule("sin", x), _rule("cos", x)


def power(n: int) -> Curve:
    """x**n for n >= 0; its derivatives are powers too."""

    def derivative(x: Interval, k: int) -> Interval:
        if k > n:
            return Interval(jnp.zeros_like(x.lo), jnp.zeros_like(x.lo))
        return _multiple(_rule("integer_pow", x, y=n - k), math.perm(n, k))

    return Curve(lambda x: x, derivative)


def _rule(name: str, x: Interval, **params) -> Interval:
    rule = Interval.rules.find(name)
    assert rule is not None
    return rule.function(x, **params)


def _reciprocal(x: Interval, k: int) -> Interval:
    """(-1)^k k! x^-(k + 1); the whole line where x holds 0."""
    return _multiple(_rule("integer_pow", x, y=-(k + 1)), (-1) ** k * math.factorial(k))


def _log(x: Interval, k: int) -> Interval:
    """Of positive numbers; elsewhere there is none, though the slopes would exist."""
    found = _reciprocal(x, k - 1) if k else _rule("log", x)
    positive = x.lo > 0
    return Interval(*(jnp.where(positive, e, jnp.nan) for e in (found.lo, found.hi)))


def _multiple(x: Interval, factor: int) -> Interval:
    slack = SLACK * abs(factor) * jnp.maximum(jnp.abs(x.lo), jnp.abs(x.hi))
    lo, hi = (x.lo, x.hi) if factor >= 0 else (x.hi, x.lo)
    return Interval(lo * factor - slack, hi * factor + slack)


RECIPROCAL = Curve(lambda x: x, _reciprocal)
_tanh, _logistic = _between(f.tanh_bounds), _between(f.logistic_bounds)
_softplus_value = _between(f.softplus_bounds)
CURVES = {
    "tanh": Curve(_tanh, _own("tanh")),
    "logistic": Curve(_logistic, _own("logistic")),
    "sin": Curve(_sin_cos, _turn),
    "cos": Curve(_sin_cos, lambda known, k: _turn(known, k + 1)),
    "exp": Curve(_between(f.exp_bounds), lambda value, _: value),
    "log": Curve(lambda x: x, _log),
    "call:softplus": Curve(lambda x: (_softplus_value(x), _logistic(x)), _softplus),
}
