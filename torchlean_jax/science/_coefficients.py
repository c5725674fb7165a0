"""Coefficients of power series over intervals: products, integrals, functions of one.

Axis 0 counts the powers of t. Nothing here knows of derivatives by the start; that is
`_series`. A function of one value solves a differential equation of its own, r' =
rate(r) a', and each pass of Picard's iteration gets one more coefficient right:
enclosures of the former ones stay enclosures.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax._interpret import interpret
from torchlean_jax.domains.interval import Interval


def _on_intervals(f):
    return interpret(f, domain=Interval)


def rule(name: str) -> Callable:
    rule = Interval.rules.find(name)
    assert rule is not None
    return rule.function


plus = _on_intervals(lambda a, b: a + b)
minus = _on_intervals(lambda a, b: a - b)
negative = _on_intervals(lambda a: -a)
_half = _on_intervals(lambda a: 0.5 * a)
_total = _on_intervals(lambda terms: terms.sum(0))


def _ladder(coefficients: Interval) -> jax.Array:
    """0, 1 .. K beside the coefficients of a series."""
    count = coefficients.shape[0]
    return jnp.arange(count, dtype=jnp.float64).reshape(
        -1, *[1] * (coefficients.ndim - 1)
    )


def integral(c: Interval) -> Interval:
    """From 0, in t."""
    found = _on_intervals(lambda a, k: a / k)(c, _ladder(c) + 1)
    return jax.tree.map(lambda e: jnp.roll(e, 1, 0).at[0].set(0.0), found)


def _slope(c: Interval) -> Interval:
    found = _on_intervals(lambda a, k: a * k)(c, _ladder(c))
    return jax.tree.map(lambda e: jnp.roll(e, -1, 0).at[-1].set(0.0), found)


def cauchy(bilinear: Callable, a: Interval, b: Interval) -> Interval:
    """sum over j of bilinear(a_(k - j), b_j), for every k."""
    steps = jnp.arange(a.shape[0])

    def coefficient(k):
        within = (steps <= k).reshape(-1, *[1] * (a.ndim - 1))
        turned = jax.tree.map(
            lambda end: jnp.where(within, end[jnp.maximum(k - steps, 0)], 0.0), a
        )
        return _total(jax.vmap(bilinear)(turned, b))

    return jax.vmap(coefficient)(steps)


times = functools.partial(cauchy, _on_intervals(lambda a, b: a * b))


@dataclass(frozen=True)
class _Equation:
    """Functions that solve r' = rate(r) a' together: the first is the one wanted.

    starts: their values over an interval, by name of the rule, or as a function.
    """

    starts: tuple[Callable[[Interval], Interval], ...]
    rates: Callable[..., tuple[Interval, ...]]


def _named(name: str, **params) -> Callable[[Interval], Interval]:
    return lambda x: rule(name)(x, **params)


def _one_less(c: Interval) -> Interval:
    """1 - c, for a series."""
    return minus(_unit(c), c)


def _unit(c: Interval) -> Interval:
    one = jnp.zeros_like(c.lo).at[0].set(1.0)
    return Interval(one, one)


def _cubed_half(q):
    return negative(_half(times(q, times(q, q))))


def _logistic_rate(s):
    return minus(s, times(s, s))


_RECIPROCAL = _on_intervals(lambda a: 1 / a)
FUNCTIONS = {
    "exp": _Equation((_named("exp"),), lambda e: (e,)),
    "expm1": _Equation((_named("expm1"),), lambda e: (plus(e, _unit(e)),)),
    "tanh": _Equation((_named("tanh"),), lambda t: (_one_less(times(t, t)),)),
    "logistic": _Equation((_named("logistic"),), lambda s: (_logistic_rate(s),)),
    "call:softplus": _Equation(
        (_named("call:softplus"), _named("logistic")),
        lambda p, s: (s, _logistic_rate(s)),
    ),
    "sin": _Equation((_named("sin"), _named("cos")), lambda s, c: (c, negative(s))),
    "cos": _Equation((_named("cos"), _named("sin")), lambda c, s: (negative(s), c)),
    "sinh": _Equation((_named("sinh"), _named("cosh")), lambda s, c: (c, s)),
    "cosh": _Equation((_named("cosh"), _named("sinh")), lambda c, s: (s, c)),
    "reciprocal": _Equation((_RECIPROCAL,), lambda r: (negative(times(r, r)),)),
    "log": _Equation(
        (_named("log"), _RECIPROCAL), lambda v, r: (r, negative(times(r, r)))
    ),
    "sqrt": _Equation(
        (_named("sqrt"), _named("rsqrt")), lambda s, q: (_half(q), _cubed_half(q))
    ),
    "rsqrt": _Equation((_named("rsqrt"),), lambda q: (_cubed_half(q),)),
}


def solved(name: str, a: Interval) -> tuple[Interval, Interval]:
    """The coefficients of a function of a series, and those of its derivative there."""
    equation = FUNCTIONS[name]
    moved, first = _slope(a), [start(a[0]) for start in equation.starts]

    def from_start(start, rate):
        found = integral(times(rate, moved))
        return jax.tree.map(lambda e, s: e.at[0].set(s), found, start)

    def again(_, functions):
        return tuple(map(from_start, first, equation.rates(*functions)))

    nothing = Interval(jnp.zeros_like(a.lo), jnp.zeros_like(a.lo))
    begun = tuple(
        jax.tree.map(lambda e, s: e.at[0].set(s), nothing, start) for start in first
    )
    functions = lax.fori_loop(0, a.shape[0] - 1, again, begun)
    return functions[0], equation.rates(*functions)[0]
