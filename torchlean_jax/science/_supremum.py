"""The largest magnitude of a function on a box, by cutting the box where it matters.

The loop is here; what encloses a function on many boxes at once is given. A cell is
done when its bound is within the tolerance of the best value met at a point; the others
are cut along every axis. The answer is the largest bound of any cell, so neither the
points, nor the order, nor the end of the time can make it wrong.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError


@dataclass(frozen=True)
class Supremum:
    """A bound of |g| on a box, and how close points come to it.

    bound: proved, inf if nothing is. sampled: the largest |g| at a point, in float64,
    and `at`, that point. attained: what |g| is at least there, proved, so that no bound
    can be below it. cell: (lo, hi) of the cell with the largest bound. cells: how
    many were bounded. finished: whether every cell is within the tolerance of `sampled`
    (otherwise the time was up first).
    """

    bound: float
    sampled: float
    at: np.ndarray
    attained: float
    cell: tuple[np.ndarray, np.ndarray]
    cells: int
    finished: bool
    seconds: float

    @property
    def excess(self) -> float:
        """(bound - sampled) / sampled."""
        return self.bound / self.sampled - 1 if self.sampled else np.inf


def search(
    enclose: Callable,
    evaluate: Callable,
    lo,
    hi,
    *,
    tolerance: float,
    seconds: float,
    enough: float = 0.0,
    batch: int = 256,
    start: int = 8,
    watch: Callable[[float, float, int], None] = lambda *_: None,
) -> Supremum:
    """enclose(lo, hi) encloses g on one box; evaluate(x) is g at a point.

    Both are traced in float64. tolerance: of the bound above the sampled maximum,
    relative; enough: a bound that needs no improvement. watch: called after each batch
    with (bound, sampled, open cells). Every first cell is bounded, whatever the time.
    """
    lo, hi = (np.atleast_1d(np.asarray(end, np.float64)) for end in (lo, hi))
    if not (np.isfinite(lo).all() and np.isfinite(hi).all() and (lo < hi).all()):
        raise InputError(f"a box needs finite lo < hi; got {lo} and {hi}")
    if not tolerance > 0 or not seconds > 0:
        raise InputError("tolerance and seconds must be positive")
    began = time.perf_counter()
    with jax.enable_x64(True):
        many = jax.jit(jax.vmap(enclose))
        values = jax.jit(jax.vmap(evaluate))
        state = _Search(lo, hi, start, len(lo))
        points = _grid_points(lo, hi, start)
        for k in range(0, len(points), batch):  # one shape, one compilation
            state.meet(_filled(points[k : k + batch], batch), values)
        first = len(state.lows)
        late = lambda: time.perf_counter() - began > seconds  # noqa: E731
        while len(state.lows) and (state.cells < first or not late()):
            state.step(many, values, tolerance, enough, batch)
            watch(state.bound, state.sampled, len(state.lows))
        attained = _at_least(many, state.at, batch)
    return Supremum(
        state.bound,
        state.sampled,
        state.at,
        attained,
        state.worst(),
        state.cells,
        not len(state.lows),
        time.perf_counter() - began,
    )


def _at_least(many, point, batch) -> float:
    """What |g| is at least at a point, by its enclosure of that point alone: as many
    times as a batch has cells, which is compiled already."""
    points = jnp.asarray(np.tile(point, (batch, 1)))
    found = many(points, points)
    lo, hi = float(found.lo[0]), float(found.hi[0])
    return max(lo, -hi, 0.0) if lo <= hi else 0.0


def _grid_points(lo, hi, start):
    places = np.argwhere(np.ones((start * 2,) * len(lo), bool))
    return lo + (places + 0.5) / (start * 2) * (hi - lo)


def _filled(rows, count):
    """So many rows, by repetition."""
    return rows[np.resize(np.arange(len(rows)), count)]


class _Search:
    def __init__(self, lo, hi, start, size):
        edges = [np.linspace(a, b, start + 1) for a, b in zip(lo, hi, strict=True)]
        places = np.argwhere(np.ones((start,) * size, bool))
        self.lows = np.stack([e[p] for e, p in zip(edges, places.T, strict=True)], -1)
        self.highs = np.stack(
            [e[p + 1] for e, p in zip(edges, places.T, strict=True)], -1
        )
        self.bounds = np.full(len(places), np.inf)
        self.sampled, self.at, self.cells = 0.0, (lo + hi) / 2, 0
        self.done, self.done_cell = 0.0, (lo, hi)

    @property
    def bound(self) -> float:
        return float(max(self.done, self.bounds.max(initial=0.0)))

    def worst(self):
        if len(self.bounds) and self.bounds.max() >= self.done:
            k = int(self.bounds.argmax())
            return self.lows[k], self.highs[k]
        return self.done_cell

    def meet(self, points, values):
        found = np.abs(np.asarray(values(jnp.asarray(points))))
        k = int(np.nanargmax(np.where(np.isfinite(found), found, -1)))
        if found[k] > self.sampled:
            self.sampled, self.at = float(found[k]), points[k]

    def step(self, many, values, tolerance, enough, batch):
        """Bound the worst cells, keep what is done, cut the rest."""
        order = np.argsort(-self.bounds, kind="stable")
        chosen, rest = order[:batch], order[batch:]
        low, high = self.lows[chosen], self.highs[chosen]
        old = self.bounds[chosen]
        self.lows, self.highs, self.bounds = (
            a[rest] for a in (self.lows, self.highs, self.bounds)
        )
        found = many(
            jnp.asarray(_filled(low, batch)), jnp.asarray(_filled(high, batch))
        )
        most = np.maximum(np.abs(found.lo), np.abs(found.hi))[: len(low)]
        most = np.fmin(np.where(np.isnan(most), np.inf, most), old)
        self.cells += len(low)
        self.meet(_filled(low + (high - low) / 2, batch), values)
        close = most <= max(self.sampled * (1 + tolerance), enough)
        if close.any() and most[close].max() >= self.done:
            k = int(np.flatnonzero(close)[most[close].argmax()])
            self.done, self.done_cell = float(most[k]), (low[k], high[k])
        self._cut(low[~close], high[~close], most[~close])

    def _cut(self, low, high, most):
        """Into halves along every axis; halves share the cut bit for bit."""
        middle = low + (high - low) / 2
        lows, highs = [], []
        for upper in itertools.product((False, True), repeat=low.shape[1]):
            lows.append(np.where(upper, middle, low))
            highs.append(np.where(upper, high, middle))
        parts = 2 ** low.shape[1]
        self.lows = np.concatenate([self.lows, *lows])
        self.highs = np.concatenate([self.highs, *highs])
        self.bounds = np.concatenate([self.bounds, np.tile(most, parts)])
