"""The table of containment cases: what runs, on which boxes, and what it equals
exactly.

The rows are in `cases_*.py`; `CASES` of `all_cases.py` is all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from tests.domains.interval import boxes, exact


@dataclass(frozen=True)
class Float:
    """An input box of floats, of magnitude up to `reach`, within [least, most]."""

    shape: tuple = (48,)
    reach: float = np.inf
    least: float = -np.inf
    most: float = np.inf

    def draw(self, rng, dtype):
        return boxes.box(rng, self.shape, dtype, self.reach, self.least, self.most)


@dataclass(frozen=True)
class Int:
    """Integers of [least, most]; with `extremes`, many are next to where int32 ends."""

    shape: tuple = (48,)
    least: int = -6
    most: int = 6
    extremes: bool = False

    def draw(self, rng, dtype):
        lo, hi = boxes.integers(rng, self.shape, self.least, self.most)
        if not self.extremes:
            return lo, hi
        kind = np.iinfo(np.int32)
        shift = rng.choice(
            [0, kind.min + 6, kind.max - 6], self.shape, p=[0.4, 0.3, 0.3]
        )
        return (lo + shift).astype(np.int32), (hi + shift).astype(np.int32)


@dataclass(frozen=True)
class Bool:
    shape: tuple = (48,)

    def draw(self, rng, dtype):
        return boxes.booleans(rng, self.shape)


@dataclass(frozen=True)
class Case:
    """One row: `f` runs over boxes of `inputs`, `exact` on object arrays of exact
    numbers.

    rules: the rules that it is about, `"mul"` or `"mul/integer"` where kinds differ.
    ulps: how far (in binary32 units, with float32 and with float64 endpoints) an
    endpoint may be from the exact result when the inputs are points; None where the
    width is not promised.
    """

    name: str
    rules: tuple[str, ...]
    f: Callable
    exact: Callable
    inputs: tuple
    ulps: tuple[float, float] | None = None
    direct: str | None = None  # call the rule itself: this JAX has no such primitive
    batched: bool = True  # whether JAX has a batching rule for it

    def program(self):
        """The function from boxes to intervals that is under test."""
        if self.direct is None:
            return tl.interpret(self.f, domain=tl.Interval)
        rule = tl.Interval.rules.find(self.direct)
        return lambda *values: rule.function(*map(tl.Interval.lift, values))

    def __str__(self):
        return self.name

    def draw(self, seed, dtype, batch):
        """`batch` boxes per input, as (lo, hi) arrays with a leading axis."""
        rng = np.random.default_rng(seed)
        drawn = [[i.draw(rng, dtype) for _ in range(batch)] for i in self.inputs]
        return [tuple(np.stack(side) for side in zip(*d, strict=True)) for d in drawn]


def leaves(result):
    """The (lo, hi) numpy pairs of a result, real and imaginary parts apart."""

    def is_pair(x):
        return hasattr(x, "lo") or not isinstance(x, tuple | list)

    for leaf in jax.tree.leaves(result, is_leaf=is_pair):
        lo, hi = (leaf.lo, leaf.hi) if hasattr(leaf, "lo") else (leaf, leaf)
        lo, hi = np.asarray(lo), np.asarray(hi)
        if np.iscomplexobj(lo):
            yield from ((lo.real, hi.real), (lo.imag, hi.imag))
        else:
            yield lo, hi


def exact_leaves(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def violations(result, exact_result):
    """Every element of `exact_result` that the intervals of `result` do not hold."""
    found = []
    for (lo, hi), values in zip(
        leaves(result), exact_leaves(exact_result), strict=True
    ):
        values = np.asarray(values, object)
        assert lo.shape == hi.shape == values.shape, (lo.shape, values.shape)
        found += [_subnormal(e) for e in (lo, hi) if _subnormal(e)]
        for index in np.ndindex(values.shape):
            why = exact.outside(lo[index], hi[index], values[index])
            if why:
                found.append(f"{index}: {why}")
    return found


def _subnormal(x):
    if not np.issubdtype(x.dtype, np.floating):
        return None
    with np.errstate(all="ignore"):
        bad = (x != 0) & (np.abs(x) < np.finfo(x.dtype).tiny)
    return f"subnormal endpoint {x[bad][0]!r}" if bad.any() else None


def numpy_twin(g):
    """(f, exact) from one function of arrays on which numpy and jax.numpy agree."""
    return (lambda *a: g(jnp, *a)), (lambda *a: g(np, *a))


INF = np.inf  # a sum that cancels has any number of ulps
MATRIX = Float((3, 4))
CALM = Float((3, 4), reach=50.0)


def twin(name, rules, g, inputs=(MATRIX,), ulps=(0, 0)):
    """A case whose program and oracle are one function of `np` or `jnp`."""
    return Case(name, rules, *numpy_twin(g), inputs, ulps)


# The promise for elementwise functions.
TIGHT = (8, 2)


def unary(name, f, exact, *, rule=None, ulps=TIGHT, direct=None, **input_kw):
    return Case(name, (rule or name,), f, exact, (Float(**input_kw),), ulps, direct)
