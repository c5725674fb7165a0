"""Taylor series in time, with their derivatives by where they start: a domain.

A value is a function of time t and of n numbers s, known by enclosures of the
coefficients of t^0 .. t^K, and of the coefficients of its derivatives by each s.
Walking the jaxpr of a vector field over series gives the coefficients of its solutions.
Sums of products obey Cauchy's rule and Leibniz's; the arithmetic of coefficients is in
`_coefficients`.

Source: Moore 1966; Nedialkov, Jackson and Corliss 1999. Only analytic primitives have
rules, and JAX's own derivatives (custom rules, that is) are not consulted.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax._interpret import interpret
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains._registry import BoundRules, RuleTable
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science._coefficients import (
    FUNCTIONS,
    cauchy,
    integral,
    minus,
    negative,
    plus,
    rule,
    solved,
    times,
)

rules = RuleTable("Series")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Series:
    """parts: Interval[1 + starts, K + 1, *shape], the function and its derivatives."""

    parts: Interval

    @property
    def shape(self):
        return self.parts.shape[2:]

    @property
    def dtype(self):
        return self.parts.dtype


class Taylor:
    """The domain of series up to t^order, with derivatives by so many starts."""

    def __init__(self, order: int, starts: int):
        self.order, self.starts = order, starts
        self.rules: Any = BoundRules(rules, self)

    def is_value(self, x) -> bool:
        return isinstance(x, Series)

    def lift(self, x) -> Series:
        if isinstance(x, Series):
            return x
        x = Interval.lift(jnp.asarray(x, jnp.float64))
        return Series(self.constant(x))

    def constant(self, x: Interval) -> Interval:
        """Parts of a value that depends on neither time nor start."""
        zeros = jnp.zeros((1 + self.starts, self.order + 1, *x.shape))
        return Interval(zeros.at[0, 0].set(x.lo), zeros.at[0, 0].set(x.hi))

    def time(self, t: Interval) -> Series:
        parts = self.constant(t)
        if not self.order:
            return Series(parts)
        return Series(jax.tree.map(lambda end: end.at[0, 1].set(1.0), parts))

    def join(self, values, possible):
        raise InputError("no series says which branch of a function is taken")

    def unknown(self, shape, dtype) -> Series:
        nothing = jnp.full((1 + self.starts, self.order + 1, *shape), jnp.nan)
        return Series(Interval(nothing, nothing))

    def settle(self, value):
        return value


def solution(domain: Taylor, field: Callable, t: Interval, start: Interval) -> Interval:
    """Parts of the solution of y' = field(t, y) that is `start` at time t.

    Of every solution that starts in the box, as are the derivatives by the start:
    the identity to begin with.
    """
    first = domain.constant(start)
    unit = jnp.eye(domain.starts)
    first = jax.tree.map(lambda end: end.at[1:, 0].set(unit), first)
    walk = interpret(field, domain=domain)
    time = domain.time(t)

    def again(_, parts):
        rate = walk(time, Series(parts)).parts
        integrated = jax.vmap(integral)(rate)
        return jax.tree.map(lambda a, b: a.at[:, 1:].set(b[:, 1:]), first, integrated)

    return lax.fori_loop(0, domain.order, again, first)


def _product(bilinear: Callable, x: Series, y: Series) -> Series:
    """Leibniz: x y, and x' y + x y' by each start, as one batch of Cauchy products."""
    starts = x.parts.shape[0] - 1
    again = lambda end, times: jnp.repeat(end[:1], times, 0)  # noqa: E731
    left = jax.tree.map(lambda e: jnp.concatenate([e, again(e, starts)]), x.parts)
    right = jax.tree.map(
        lambda e: jnp.concatenate([again(e, starts + 1), e[1:]]), y.parts
    )
    found = jax.vmap(functools.partial(cauchy, bilinear))(left, right)
    value, lefts, rights = found[0], found[1 : starts + 1], found[starts + 1 :]
    return Series(_stacked(value, plus(lefts, rights)))


def _stacked(value: Interval, derivatives: Interval) -> Interval:
    join = lambda v, d: jnp.concatenate([v[None], d])  # noqa: E731
    return jax.tree.map(join, value, derivatives)


def _each(f: Callable, *series: Series) -> Series:
    """A linear function of the values, for every coefficient of every part."""
    return Series(jax.vmap(jax.vmap(f))(*[s.parts for s in series]))


@rules.define("add", "add_any")
def _add(domain, x, y):
    return _each(plus, *_same_shape(x, y))


@rules.define("sub")
def _sub(domain, x, y):
    return _each(minus, *_same_shape(x, y))


def _same_shape(*series: Series) -> list[Series]:
    shape = jnp.broadcast_shapes(*[s.shape for s in series])
    return [_each(lambda v: _endpointwise(_spread(shape), v), s) for s in series]


def _spread(shape):
    return lambda end: jnp.broadcast_to(end, shape)


def _endpointwise(f, *values: Interval) -> Interval:
    return jax.tree.map(f, *values)


@rules.define("neg")
def _neg(domain, x):
    return _each(negative, x)


@rules.define_op("mul", "same:mul")
def _mul(domain, operation, x, y):
    x, y = _same_shape(domain.lift(x), domain.lift(y))
    return _product(rule("mul"), x, y)


@rules.define_op("dot_general")
def _dot_general(domain, operation, x, y):
    dot = functools.partial(rule("dot_general"), operation)
    if isinstance(x, Series) and isinstance(y, Series):
        return _product(dot, x, y)
    if isinstance(y, Series):
        return _each(lambda v: dot(x, v), y)
    return _each(lambda v: dot(v, y), x)


@rules.define("square")
def _square(domain, x):
    return _product(rule("mul"), x, x)


@rules.define("integer_pow")
def _integer_pow(domain, x, *, y):
    if y == 0:
        return domain.lift(jnp.ones(x.shape))
    base = x if y > 0 else _function(domain, "reciprocal", x)
    powers = [base] * abs(y)
    return functools.reduce(functools.partial(_product, rule("mul")), powers)


@rules.define("div")
def _div(domain, x, y):
    x, inverse = _same_shape(x, _function(domain, "reciprocal", y))
    return _product(rule("mul"), x, inverse)


@rules.define_op("reduce_sum")
def _reduce_sum(domain, operation, x):
    return _each(functools.partial(rule("reduce_sum"), operation), domain.lift(x))


@rules.define_op("broadcast_in_dim", "reshape", "squeeze", "transpose", "slice", "rev",
                 "concatenate", "expand_dims", "copy", "stack", "tile")  # fmt: skip
def _layout(domain, operation, *operands):
    lifted = [domain.lift(x) for x in operands]
    return _each(lambda *values: _endpointwise(operation, *values), *lifted)


@rules.define_op("convert_element_type")
def _convert(domain, operation, x):
    """Over the reals a cast between floats is none; one to integers is a stair."""
    new = operation.params["new_dtype"]
    if not jnp.issubdtype(new, jnp.floating):
        raise InputError(f"a cast to {new} is a step function: it has no derivatives")
    return domain.lift(x)


def _function(domain: Taylor, name: str, x: Series) -> Series:
    value, rate = solved(name, x.parts[0])
    return Series(_stacked(value, jax.vmap(lambda dx: times(rate, dx))(x.parts[1:])))


for _name in FUNCTIONS.keys() - {"reciprocal"}:
    rules.define(_name)(lambda domain, x, name=_name, **_: _function(domain, name, x))
