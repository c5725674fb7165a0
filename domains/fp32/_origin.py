"""How a value came about, as far as one look back helps; and what a choice turns on.

`where(x > 0, x, 0.1 * x)` is continuous: a run that decides otherwise than the reals
does so next to x = 0, where both cases are small. To see that, a value remembers the
elementwise rule and the operands that it came from, and a boolean remembers what was
compared. `across` evaluates the cases again where the decisions can part.

The memory is no part of the pytree: a value that passes through `scan` or `jit` has
forgotten, and then the bound is the plain one.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains.fp32._format import format_of
from torchlean_jax.domains.fp32._upward import total
from torchlean_jax.domains.fp32._value import FP32Value, apart
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._rounding import round_down, round_up

# So many rules back a case is evaluated again.
_DEPTH = 6


@dataclass(frozen=True)
class Read:
    """An input or a constant: a run holds just this float, or 0 for a subnormal."""


@dataclass(frozen=True)
class Applied:
    """The result of an elementwise rule."""

    rule: Callable[..., FP32Value]
    operands: tuple[FP32Value, ...]


@dataclass(frozen=True)
class Decided:
    """A boolean that depends on the order of these pairs, element by element."""

    pairs: tuple[tuple[FP32Value, FP32Value], ...]


READ = Read()


def remember(value: FP32Value, origin) -> FP32Value:
    return dataclasses.replace(value, origin=origin)


def decided_by(operands) -> Decided | None:
    """What the logical operation on these booleans turns on; None if one forgot.

    Constants turn on nothing.
    """
    origins = [v.origin for v in operands if v.origin is not READ]
    if not all(isinstance(o, Decided) for o in origins):
        return None
    return Decided(tuple(pair for o in origins for pair in o.pairs))


def orders_alike(x: FP32Value, y: FP32Value):
    """Where floats that are read as they are compare as the reals do.

    Only a subnormal one can be read as 0, and that changes its order only with another
    number that small.
    """
    if x.origin is not READ or y.origin is not READ:
        return jnp.zeros((), bool)
    tiny = format_of(x.dtype).tiny
    return _is_normal(x, tiny) | _is_normal(y, tiny)


def _is_normal(x, tiny):
    return (x.lo >= tiny) | (x.hi <= -tiny)


def across(which: FP32Value, cases) -> Any:
    """A bound on |case that a run takes - case that the reals take| where they differ.

    Infinite where it is not known what the choice turns on.
    """
    if not isinstance(which.origin, Decided):
        return jnp.full(which.shape, jnp.inf)
    parts = [_across_pair(x, y, cases) for x, y in which.origin.pairs]
    result = parts[0]
    for part in parts[1:]:
        result = jnp.maximum(result, part)
    return result


def _across_pair(x, y, cases):
    """Where x' < y' and x < y are decided differently, |x - y| is at most ex + ey:
    x - y and x' - y' have opposite signs and are so far apart.

    The cases may read x once more, rounded differently: at most 2 (ex + ey) from y'.
    """
    reach = total(x.error, y.error)
    near_x, possible = _near(x, y, reach)
    near_y, _ = _near(y, x, reach)
    known = {id(x): near_x, id(y): near_y}
    again = [_evaluated(case, known, _DEPTH) for case in cases]
    far = jnp.zeros((), again[0].error.dtype)
    for a in again:
        for b in again:
            if a is not b:
                far = jnp.maximum(far, apart(a.real, b.execution))
    return jnp.where(possible, far, 0)


def _near(x, y, reach):
    """(`x` where it is within `reach` of `y`, where that is possible)."""
    real, some = _meet(x.real, y.real, reach)
    run, others = _meet(x.execution, y.execution, total(reach, reach))
    return dataclasses.replace(x, real=real, execution=run, origin=None), some & others


def _meet(x, y, reach):
    lo = jnp.maximum(x.lo, round_down(y.lo - reach))
    hi = jnp.minimum(x.hi, round_up(y.hi + reach))
    empty = lo > hi
    unsure = jnp.isnan(lo) | jnp.isnan(hi) | jnp.isnan(reach)
    keep = empty | unsure
    met = Interval(jnp.where(keep, x.lo, lo), jnp.where(keep, x.hi, hi))
    return met, ~empty | unsure


def _evaluated(value, known, depth):
    """`value` with the values of `known` (by identity) in place of those it came
    from."""
    if id(value) in known:
        return known[id(value)]
    if depth == 0 or not isinstance(value.origin, Applied):
        return value
    operands = [_evaluated(v, known, depth - 1) for v in value.origin.operands]
    if all(a is b for a, b in zip(operands, value.origin.operands, strict=True)):
        return value
    result = value.origin.rule(*operands)
    known[id(value)] = result
    return result
