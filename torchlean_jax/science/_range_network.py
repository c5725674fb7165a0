"""Networks whose interval bounds are the range of a function, on every box.

A network close to f at points may have useless interval bounds. This one is a stack of
steps of height delta, at the levels t_k = t_0 + k delta, with t_0 below f:

    N = t_0 + delta sum_k (1 - relu(1 - sum_i bump(x, A_ki))),
    bump(x, [a, b]) = relu(1 - sum_j (relu(s_j (a_j - x_j)) + relu(s_j (x_j - b_j)))),

where the A_ki are all largest boxes made of cells of a grid on which f may reach t_k
(`_blocks`), and along axis j a ramp is no wider than any cell, 1 / s_j <= h_j. Interval
arithmetic, which takes both ramps and all axes for independent, gives on a box B:

* a bump is 1 below, if B lies in [a, b]. If f >= t_k on B, then f may reach t_k on
  every cell that B meets. These are a box of cells, thus lie in a largest one, and so
  does B. Hence at least delta for every level up to min f(B): the lower bound exceeds
  min f(B) - delta.
* a bump is 0 above, unless B comes within a ramp of [a, b] along every axis, thus meets
  one of its cells or a neighbour of one, over a corner too, where f >= t_k - omega,
  with omega the most by which enclosures of f differ between neighbouring cells. Hence
  at most delta for every level up to max f(B) + omega: the upper bound is at most that.

On points N is within delta below and omega above f, therefore the bounds cannot be
inside of the range by more than that either. Only the second of the three bounds rests
on the enclosures of f, on finitely many cells; nothing is sampled.

Source: the theorem is that of Baader, Mirman and Vechev 2020 (arXiv:1909.13846); the
construction by largest boxes is simpler than theirs.
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
from torchlean_jax.science._blocks import largest_blocks, most_nearby
from torchlean_jax.science._smooth import name_of

MOST_CELLS, MOST_BUMPS = 2**16, 2**14
_FIRST = {1: 16, 2: 8, 3: 4}  # cells along each axis, to begin with


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RangeNetwork:
    """x -> base + step sum_k (1 - relu(1 - sum of the bumps of level k at x)).

    x: of shape () or (d,). left, right: [bumps, d], the box on which a bump is 1.
    slope: [d], how steeply it falls along each axis. levels: [levels, bumps], 1 where a
    bump belongs to a level, else 0. Parameters are float64 numbers, and what is proved
    holds of exactly these.
    """

    base: Float[Array, ""]
    step: Float[Array, ""]
    slope: Float[Array, " d"]
    left: Float[Array, "bumps d"]
    right: Float[Array, "bumps d"]
    levels: Float[Array, "levels bumps"]

    def __call__(self, x):
        relu, x = jax.nn.relu, jnp.reshape(x, (-1,))
        fall = relu(self.slope * (self.left - x)), relu(self.slope * (x - self.right))
        bumps = relu(1.0 - fall[0].sum(1) - fall[1].sum(1))
        return self.base + self.step * jnp.sum(1.0 - relu(1.0 - self.levels @ bumps))


@dataclass(frozen=True)
class RangeApproximation:
    """A network, and how far its interval bounds are from the range of f, at most.

    On every box B within [lo, hi], interval arithmetic without rounding takes the
    network to [l, u] with min f(B) - below < l <= min f(B) + above, and max f(B) -
    below < u <= max f(B) + above. cells: of the grid, along each axis.
    """

    network: RangeNetwork
    lo: np.ndarray
    hi: np.ndarray
    below: float
    above: float
    cells: tuple[int, ...]


def approximate_range(f: Callable, lo: Any, hi: Any, eps: float) -> RangeApproximation:
    """A ReLU network whose interval bounds on every box are the range of f within eps.

    f: a JAX function of an array of the shape of `lo`, () or (d,) with d at most 3,
        that returns a scalar and is continuous on [lo, hi]; traced in float64. Its
        continuity is seen only in that its enclosures come close to each other, which
        is all that the proof uses.

    The network is one in float64, for use with x64 on. `tl.bounds(network,
    method="ibp")` rounds outward, and so may be wider by what that takes (some units in
    the last place for every level).

    Raises InputError for a degenerate box, eps <= 0, or an eps that takes more than
    65,536 cells, 16,384 bumps or 4,096 levels; UndecidedError where f has no finite
    enclosure.

    >>> import jax.numpy as jnp
    >>> from torchlean_jax.science import approximate_range
    >>> found = approximate_range(jnp.sin, 0.0, 3.0, 0.25)
    >>> max(found.below, found.above) <= 0.25
    True
    """
    lo, hi = _checked(lo, hi, eps)
    with jax.enable_x64(True):
        enclosed = _batched(interpret(_scalar(f, lo), domain=Interval), lo.shape)
        counts = [_FIRST[lo.size]] * lo.size
        while True:
            edges = [
                np.linspace(a, b, n + 1)
                for a, b, n in zip(lo.ravel(), hi.ravel(), counts, strict=True)
            ]
            low, high = _enclosures(enclosed, edges, f)
            above = _difference(low, high, range(lo.size))
            if above <= eps:
                break
            along = [_difference(low, high, [axis]) for axis in range(lo.size)]
            counts[int(np.argmax(along))] *= 2
            if math.prod(counts) > MOST_CELLS:
                raise InputError(f"eps = {eps} takes more than {MOST_CELLS} cells")
        network, below = _stack(edges, low, high, eps)
    return RangeApproximation(network, lo, hi, below, above, tuple(counts))


def _enclosures(enclosed, edges, f):
    """Least and largest values of f, as far as is known, on each cell."""
    ends = [
        np.stack(np.meshgrid(*side, indexing="ij"), -1).reshape(-1, len(edges))
        for side in ([e[:-1] for e in edges], [e[1:] for e in edges])
    ]
    found = enclosed(*ends)
    low, high = (np.asarray(end, np.float64) for end in (found.lo, found.hi))
    bad = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if len(bad):
        shown = [end[bad[0]].tolist() for end in ends]
        raise UndecidedError(
            f"`{name_of(f)}` has no finite enclosure on the cell from {shown[0]} to "
            f"{shown[1]}; choose a box away from it"
        )
    shape = [len(e) - 1 for e in edges]
    return low.reshape(shape), high.reshape(shape)


def _difference(low, high, axes) -> float:
    """The most by which enclosures differ between neighbours along some axes."""
    most = most_nearby(high, axes) + most_nearby(-low, axes)
    return float(np.nextafter(most.max(), np.inf))


def _stack(edges, low, high, eps) -> tuple[RangeNetwork, float]:
    """The network of all levels, and the height of a step."""
    # powers of two, so that levels and slopes are exact
    step = 2.0 ** (math.frexp(eps)[1] - 1)
    base = math.floor(low.min() / step) * step
    count = math.floor((high.max() - base) / step)
    if count > 4096 or abs(base) > 2.0**40 * step:
        raise InputError(f"eps = {eps} takes too many levels for values of this size")
    slope = [_slope(e) for e in edges]
    corners, owners = [], []
    for k in range(1, count + 1):
        blocks = largest_blocks(high >= base + k * step)
        corners += blocks
        owners += [k - 1] * len(blocks)
        if len(corners) > MOST_BUMPS:
            raise InputError(f"eps = {eps} takes more than {MOST_BUMPS} bumps")
    places = np.array(corners, int).reshape(-1, len(edges), 2)
    left, right = (
        np.stack([e[places[:, j, end]] for j, e in enumerate(edges)], 1)
        for end in (0, 1)
    )
    levels = np.zeros((count, len(corners)))
    levels[owners, np.arange(len(corners))] = 1.0
    ramps = [jnp.asarray(number, jnp.float64) for number in (base, step, slope)]
    bumps = [jnp.asarray(array) for array in (left, right, levels)]
    return RangeNetwork(*ramps, *bumps), step


def _slope(edges) -> float:
    narrowest = float(np.nextafter(np.diff(edges).min(), 0))
    if narrowest <= 0:
        raise InputError("[lo, hi] holds too few float64 numbers for a grid")
    # not by log2, which rounds: a ramp must be no wider than any cell
    return 2.0 ** (1 - math.frexp(narrowest)[1])
