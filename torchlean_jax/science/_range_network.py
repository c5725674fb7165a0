"""Networks whose interval bounds are the range of a function, on every box.

A network close to f at points may have useless interval bounds. This one is a stack of
steps of height delta, at the levels t_k = t_0 + k delta, with t_0 below f:

    N = t_0 + delta sum_k (1 - relu(1 - sum_i bump(x, a_ki, b_ki))),
    bump(x, a, b) = relu(1 - relu(s (a - x)) - relu(s (x - b))),

where the [a_ki, b_ki] are the runs of neighbouring cells of a grid on which f may reach
t_k, and a ramp is no wider than any cell, 1 / s <= h. Interval arithmetic, in which 1 -
relu(..) - relu(..) takes both ends for independent, gives on a box B:

* a bump is 1 below, if B lies in [a, b]. If f >= t_k on B, then f may reach t_k on
  every cell that B meets, so B lies in one run. Hence at least delta for every level up
  to min f(B): the lower bound exceeds min f(B) - delta.
* a bump is 0 above, unless B comes within a ramp of [a, b], thus meets one of its cells
  or a neighbour of one, where f >= t_k - omega, with omega the most by which enclosures
  of f differ between neighbouring cells. Hence at most delta for every level up to max
  f(B) + omega: the upper bound is at most that.

On points N is within delta below and omega above f, therefore the bounds cannot be
inside of the range by more than that either. Only the second of the three bounds rests
on the enclosures of f, on finitely many cells; nothing is sampled.

Source: the theorem is that of Baader, Mirman and Vechev 2020 (arXiv:1909.13846) in one
dimension; the construction by runs is simpler than theirs, which serves all dimensions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from torchlean_jax._interpret import interpret
from torchlean_jax.domains._errors import InputError, UndecidedError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science._approximate import _batched, _checked, _scalar
from torchlean_jax.science._smooth import name_of

MOST_CELLS = 2**16


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RangeNetwork:
    """x -> base + step sum_k (1 - relu(1 - sum of the bumps of level k at x)).

    left, right: [runs], the ends where bumps begin to fall; slope: how steeply. levels:
    [levels, runs], 1 where a run belongs to a level, else 0. Parameters are float64
    numbers, and what is proved holds of exactly these.
    """

    base: Float[Array, ""]
    step: Float[Array, ""]
    slope: Float[Array, ""]
    left: Float[Array, " runs"]
    right: Float[Array, " runs"]
    levels: Float[Array, "levels runs"]

    def __call__(self, x):
        relu = jax.nn.relu
        fall = relu(self.slope * (self.left - x)), relu(self.slope * (x - self.right))
        bumps = relu(1.0 - fall[0] - fall[1])
        return self.base + self.step * jnp.sum(1.0 - relu(1.0 - self.levels @ bumps))


@dataclass(frozen=True)
class RangeApproximation:
    """A network, and how far its interval bounds are from the range of f, at most.

    On every box B within [lo, hi], interval arithmetic without rounding takes the
    network to [l, u] with min f(B) - below < l <= min f(B) + above, and max f(B) -
    below < u <= max f(B) + above. cells: of the grid.
    """

    network: RangeNetwork
    lo: float
    hi: float
    below: float
    above: float
    cells: int


def approximate_range(f: Callable, lo: Any, hi: Any, eps: float) -> RangeApproximation:
    """A ReLU network whose interval bounds on every box are the range of f within eps.

    f: a JAX function of a scalar that returns a scalar and is continuous on [lo, hi],
        traced in float64. Its continuity is seen only in that its enclosures come close
        to each other, which is all that the proof uses.

    The network is one in float64, for use with x64 on. `tl.bounds(network,
    method="ibp")` rounds outward, and so may be wider by what that takes (some units in
    the last place for every level).

    Raises InputError for a degenerate interval, eps <= 0, or an eps that takes more
    than 65,536 cells or 4,096 levels; UndecidedError where f has no finite enclosure.

    >>> import jax.numpy as jnp
    >>> from torchlean_jax.science import approximate_range
    >>> found = approximate_range(jnp.sin, 0.0, 3.0, 0.25)
    >>> max(found.below, found.above) <= 0.25
    True
    """
    lo_hi = _checked(lo, hi, eps)
    if lo_hi[0].ndim:
        raise InputError("lo and hi are scalars: this is for functions of one input")
    with jax.enable_x64(True):
        enclosed = _batched(interpret(_scalar(f, lo_hi[0]), domain=Interval), ())
        cells = 16
        while True:
            edges = np.linspace(lo, hi, cells + 1)
            found = enclosed(edges[:-1, None], edges[1:, None])
            low, high = (np.asarray(end, np.float64) for end in (found.lo, found.hi))
            _require_finite(low, high, edges, f)
            most = np.maximum(high[:-1], high[1:]) - np.minimum(low[:-1], low[1:])
            above = float(np.nextafter(most.max(), np.inf))
            if above <= eps:
                break
            cells *= 2
            if cells > MOST_CELLS:
                raise InputError(f"eps = {eps} takes more than {MOST_CELLS} cells")
        network, below = _stack(edges, low, high, eps)
    return RangeApproximation(network, float(lo), float(hi), below, above, cells)


def _require_finite(low, high, edges, f) -> None:
    bad = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if len(bad):
        raise UndecidedError(
            f"`{name_of(f)}` has no finite enclosure on the cell from "
            f"{edges[bad[0]]} to {edges[bad[0] + 1]}; choose an interval away from it"
        )


def _stack(edges, low, high, eps) -> tuple[RangeNetwork, float]:
    """The network of all levels, and the height of a step."""
    # powers of two, so that levels and slopes are exact
    step = 2.0 ** (math.frexp(eps)[1] - 1)
    base = math.floor(low.min() / step) * step
    count = math.floor((high.max() - base) / step)
    if count > 4096 or abs(base) > 2.0**40 * step:
        raise InputError(f"eps = {eps} takes too many levels for values of this size")
    narrowest = float(np.nextafter(np.diff(edges).min(), 0))
    if narrowest <= 0:
        raise InputError("[lo, hi] holds too few float64 numbers for a grid")
    # not by log2, which rounds: a ramp must be no wider than any cell
    slope = 2.0 ** (1 - math.frexp(narrowest)[1])
    ends, owners = [], []
    for k in range(1, count + 1):
        reached = np.concatenate([[0], high >= base + k * step, [0]])
        turns = np.flatnonzero(np.diff(reached))  # where runs begin and end, in turn
        ends += [(edges[a], edges[b]) for a, b in turns.reshape(-1, 2)]
        owners += [k - 1] * (len(turns) // 2)
    left, right = np.array(ends).reshape(-1, 2).T
    levels = np.zeros((count, len(ends)))
    levels[owners, np.arange(len(ends))] = 1.0
    scalars = (jnp.asarray(number, jnp.float64) for number in (base, step, slope))
    return RangeNetwork(*scalars, *map(jnp.asarray, (left, right, levels))), step
