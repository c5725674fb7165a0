"""What a proposed counterexample is worth: the model evaluated there, rigorously.

A point of floats is a point of exact reals, so "does the spec fail there?" has an
answer over the reals that rounding must not touch. It is first sought by intervals with
float64 endpoints, whose width is a few ulps; where these leave the sign open, as they
always do at a tie, by exact rational numbers. What the compiled model returns there is
reported beside it and decides nothing: `(x + 2**24) - 2**24` is x, and in float32 it is
not.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._snapshot import Snapshot
from torchlean_jax.domains._errors import MissingRuleError, UndecidedError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.search import _rational
from torchlean_jax.spec import Formula


@dataclass(frozen=True)
class Confirmation:
    """The robustness of a formula at one point, over the reals: between `lo` and `hi`.

    lo, hi: exact rationals, or infinities. how: by which arithmetic.
    """

    lo: Any
    hi: Any
    how: str

    @property
    def violated(self) -> bool:
        """Certainly not positive: a spec is strict, and a tie violates it."""
        return self.hi <= 0

    @property
    def undecided(self) -> bool:
        return self.lo <= 0 < self.hi


def over_reals(model: Snapshot, point: list, where: tuple, formula: Formula):
    """The robustness at `point`, whose leaves at the positions `where` are inputs.

    First by intervals, then, if they leave its sign open, exactly if the model allows.
    """
    lo, hi = _interval_outputs(model, point, where)
    rows = [_row_bounds(row, d, lo, hi) for row, d in _rows(formula)]
    least = formula.robustness([low for low, _ in rows])
    greatest = formula.robustness([high for _, high in rows])
    by_intervals = Confirmation(least, greatest, "intervals with float64 endpoints")
    if not by_intervals.undecided:
        return by_intervals
    try:
        y = _rational.evaluate(model.trace, point, where)
    except (MissingRuleError, UndecidedError):
        return by_intervals
    exact = formula.robustness(row_values(formula, y))
    return Confirmation(exact, exact, "exact rational arithmetic")


def _interval_outputs(model, point, where):
    def build():
        traced = model.trace

        def outputs(leaves):
            values = [
                Interval.lift(x) if i in where else x for i, x in enumerate(leaves)
            ]
            found = walk(traced.jaxpr, traced.consts, values, Interval)
            found = [Interval.lift(y) for y in found]
            return [
                jnp.concatenate([jnp.ravel(e) for e in ends]) for ends in _ends(found)
            ]

        return jax.jit(outputs)

    with jax.enable_x64(True):
        lo, hi = model.once(("confirm", where), build)(point)
        return np.asarray(lo, np.float64), np.asarray(hi, np.float64)


def _ends(intervals):
    return [y.lo for y in intervals], [y.hi for y in intervals]


def _row_bounds(row, offset, lo, hi):
    """Exact bounds of `row @ y - offset`, lo <= y <= hi; infinite if y is unknown."""
    used = np.flatnonzero(row)
    if not (np.isfinite(lo[used]).all() and np.isfinite(hi[used]).all()):
        return -math.inf, math.inf
    least = greatest = -Fraction(float(offset))
    for i in used:
        ends = [
            Fraction(float(row[i])) * Fraction(float(end)) for end in (lo[i], hi[i])
        ]
        least, greatest = least + min(ends), greatest + max(ends)
    return least, greatest


def _rows(formula):
    return zip(formula.rows, formula.offset, strict=True)


def row_values(formula, y):
    """The exact values of the rows at exact outputs `y`."""
    return [
        sum(
            (Fraction(float(row[i])) * y[i] for i in np.flatnonzero(row)),
            -Fraction(float(d)),
        )
        for row, d in _rows(formula)
    ]


def by_runtime(model: Snapshot, args: tuple, formula: Formula) -> str:
    """Whether `jax.jit` of the model agrees at `args`, and what it returns: a text."""
    compiled = model.once("runtime", lambda: jax.jit(model))
    outputs = [
        np.asarray(y).astype(np.float64) for y in jax.tree.leaves(compiled(*args))
    ]
    y = np.concatenate([np.ravel(y) for y in outputs])
    place = f"jax.jit on {jax.default_backend()}"
    if not np.isfinite(y).all():
        return f"{place} returns a value that is not a finite number"
    value = formula.robustness(row_values(formula, [Fraction(float(v)) for v in y]))
    agrees = "agrees" if value <= 0 else "differs, by rounding"
    return f"{place} {agrees}: its outputs have margin {float(value):.6g}"
