"""Projected gradient descent on a spec's robustness, in the model's own arithmetic.

It proposes points of the input boxes where the spec is likely to fail. Rounding is not
accounted for here: `_confirm` decides what a proposal is worth.

Source: Madry et al. 2018 (arXiv:1706.06083), with the momentum of Dong et al. 2018
(arXiv:1710.06081); the first full step from the centre is FGSM (Goodfellow et al.
2015).
"""

import functools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax._snapshot import Snapshot
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.spec import Formula, combine

_FIRST_STEP = 0.5  # of a box's width: reaches a corner from the centre
_LAST_STEP = 0.01
_FOCUS = 2.0**-10  # makes a row the least one, unless others are nearly violated


@dataclass(frozen=True)
class Attack:
    """How hard `tl.verify` looks for a counterexample.

    restarts: starting points (the centre, the two extreme corners, random corners,
        random points), improved together in one batch.
    steps: of each restart. momentum: how much of the last direction is kept, in [0, 1).
    candidates: how many of the best points are evaluated rigorously.
    """

    restarts: int = 32
    steps: int = 40
    momentum: float = 0.75
    candidates: int = 4

    def __post_init__(self):
        counts = self.restarts, self.steps, self.candidates
        if not all(isinstance(n, int) and n >= 1 for n in counts):
            raise InputError(
                f"restarts, steps and candidates are positive integers; got {counts}"
            )
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum lies in [0, 1); got {self.momentum}")

    def __str__(self):
        return f"{self.restarts} restarts x {self.steps} steps"


@dataclass(frozen=True)
class Proposals:
    """What an attack found, best first.

    points: the leaves of the model's arguments, each box replaced by a numpy array.
    losses: the robustness there as computed by the attack; nothing rigorous.
    used_gradient: False if the model has none, and the search was a random one.
    """

    points: list[list[np.ndarray]]
    losses: list[float]
    used_gradient: bool


def propose(
    model: Snapshot, args: tuple, formula: Formula, options: Attack, seed: int
) -> Proposals:
    """Points of the boxes in `args` at which `formula` seems least true.

    Deterministic by seed.
    """
    leaves, tree = jax.tree.flatten(args, is_leaf=Interval.is_value)
    where = tuple(i for i, leaf in enumerate(leaves) if Interval.is_value(leaf))
    boxes = [(leaves[i].lo, leaves[i].hi) for i in where]
    others = [None if i in where else leaf for i, leaf in enumerate(leaves)]

    def build():
        def outputs_at(points, others):
            mixed = list(others)
            for i, point in zip(where, points, strict=True):
                mixed[i] = point
            return jax.tree.leaves(model(*jax.tree.unflatten(tree, mixed)))

        return _compile(outputs_at, formula.shape, options, boxes, others)

    key = "attack", where, formula.shape, options
    descend, used_gradient = model.once(key, build)
    if descend is None:
        return Proposals([], [], False)
    dtype = _dtype(model.trace.out_avals)
    rows, offset = jnp.asarray(formula.rows, dtype), jnp.asarray(formula.offset, dtype)
    shares = _shares(boxes, options.restarts, seed)
    batch, losses = descend(shares, boxes, others, rows, offset)
    losses = np.asarray(losses, np.float64)
    order = np.argsort(losses, kind="stable")[: options.candidates]
    found = [np.asarray(points) for points in batch]
    points = [
        [_into_box(points[k], *box) for points, box in zip(found, boxes, strict=True)]
        for k in order
    ]
    mixed = [_mix(leaves, where, point) for point in points]
    return Proposals(mixed, losses[order].tolist(), used_gradient)


def _mix(leaves, where, point):
    mixed = list(leaves)
    for i, x in zip(where, point, strict=True):
        mixed[i] = x
    return mixed


def _into_box(x, lo, hi):
    """Clipped by comparisons that, unlike XLA's, tell a subnormal from zero."""
    lo, hi = np.asarray(lo), np.asarray(hi)
    x = np.where(np.isnan(x), lo, x)
    return np.where(x < lo, lo, np.where(x > hi, hi, x))


def _compile(outputs_at, shape, options, boxes, others):
    """(the jitted descent, whether it follows gradients), or (None, False)."""

    def rows_at(points, others, rows, offset):
        y = jnp.concatenate(
            [jnp.ravel(y).astype(rows.dtype) for y in outputs_at(points, others)]
        )
        return jnp.matmul(rows, y, precision=lax.Precision.HIGHEST) - offset

    def robustness(values):
        return combine(shape, values, _jnp_min, _jnp_max)

    def loss(points, others, rows, offset, weights):
        values = rows_at(points, others, rows, offset)
        return robustness(values * weights), (robustness(values), values)

    def without_slopes(points, *rest):
        return loss(points, *rest), jax.tree.map(jnp.zeros_like, points)

    with_slopes = jax.value_and_grad(loss, has_aux=True)
    for step, used_gradient in ((with_slopes, True), (without_slopes, False)):
        for batch in (_by_vmap, _by_map):
            descend = functools.partial(_descend, step, batch(step), options)
            if _traces(descend, outputs_at, shape, options, boxes, others):
                return jax.jit(descend), used_gradient
    return None, False


def _traces(descend, outputs_at, shape, options, boxes, others):
    """Whether the model has the derivative and the batching that are asked for."""
    lows = [lo for lo, _ in boxes]
    outputs = jax.eval_shape(outputs_at, lows, others)
    dtype, count = _dtype(outputs), _count(shape)
    rows = jnp.zeros((count, sum(math.prod(y.shape) for y in outputs)), dtype)
    try:
        shares = _shares(boxes, options.restarts, 0)
        jax.eval_shape(descend, shares, boxes, others, rows, rows[:, 0])
    except Exception:  # anything: a primitive raises what it likes
        return False
    return True


def _by_vmap(step):
    return jax.vmap(step, in_axes=(0, None, None, None, 0))


def _by_map(step):
    def batched(points, others, rows, offset, weights):
        def one(each):
            return step(each[0], others, rows, offset, each[1])

        return lax.map(one, (points, weights))

    return batched


def _dtype(outputs):
    return jnp.result_type(jnp.float32, *[y.dtype for y in outputs])


def _count(shape):
    kind, *rest = shape
    return rest[1] if kind == "rows" else max(map(_count, rest[0]))


def _jnp_min(values):
    return jnp.min(jnp.stack(list(values)))


def _jnp_max(values):
    return jnp.max(jnp.stack(list(values)))


def _descend(step, batched, options, shares, boxes, others, rows, offset):
    """(best points of each restart, their robustness)."""
    points = _points(shares, boxes)
    centre = [x[0] for x in points]
    (_, (_, values)), _ = step(centre, others, rows, offset, jnp.ones_like(offset))
    weights = _weights(values, options.restarts)

    def advance(state, inputs):
        points, speeds, best_points, best = state
        size, turn = inputs
        (_, (robustness, _)), slopes = batched(points, others, rows, offset, weights)
        better = robustness < best  # false at a NaN
        best = jnp.where(better, robustness, best)
        best_points = _choose(better, points, best_points)
        stuck = functools.reduce(jnp.logical_and, map(_is_flat, slopes))
        speeds = jax.tree.map(
            lambda v, g: options.momentum * v + _normalised(g), speeds, slopes
        )
        moved = [
            _moved(x, v, box, size)
            for x, v, box in zip(points, speeds, boxes, strict=True)
        ]
        # with nothing to follow, try somewhere else
        points = _choose(stuck, _points(shares, boxes, turn), moved)
        return (points, speeds, best_points, best), None

    sizes = np.geomspace(_FIRST_STEP, _LAST_STEP, options.steps)
    inputs = jnp.asarray(sizes, rows.dtype), jnp.arange(1, options.steps + 1)
    best = jnp.full(options.restarts, jnp.inf, rows.dtype)
    state = points, jax.tree.map(jnp.zeros_like, points), points, best
    (_, _, best_points, best), _ = lax.scan(advance, state, inputs)
    return best_points, best


def _shares(boxes, count, seed):
    """Random numbers in [0, 1), one for each coordinate of each restart in each box."""
    random = np.random.default_rng(abs(2 * seed + (seed < 0)))
    return [random.random((count, *jnp.shape(lo)), np.float32) for lo, _ in boxes]


def _points(shares, boxes, turn=0):
    """Random points, every other one a corner; in turn 0 first centre, lowest, highest.

    The multiples of the golden ratio by which turns differ are equidistributed modulo
    1.
    """
    points = []
    for share, (lo, hi) in zip(shares, boxes, strict=True):
        number = jnp.arange(len(share)).reshape(-1, *[1] * jnp.ndim(lo))
        share = (share + 0.618034 * turn) % 1
        share = jnp.where(number % 2 == 1, jnp.round(share), share)
        first = jnp.where(turn == 0, number, 3)
        share = jnp.select([first == 0, first == 1, first == 2], [0.5, 0.0, 1.0], share)
        share = share.astype(lo.dtype)
        # not lo + share * (hi - lo), whose width can overflow
        points.append(jnp.clip(lo * (1 - share) + hi * share, lo, hi))
    return points


def _weights(values, restarts):
    """Odd restarts aim at one row each, nearest to violation first; even ones at all.

    Positive weights leave the sign of the robustness alone.
    """
    index = jnp.arange(len(values))
    less = values < values[:, None]
    tied = (values == values[:, None]) & (index < index[:, None])
    rank = jnp.sum(less | tied, axis=1)  # a sort takes longer to compile
    number = jnp.arange(restarts)[:, None]
    aims = (number % 2 == 1) & (rank == number // 2 % len(values))
    return jnp.where(aims, _FOCUS, 1.0).astype(values.dtype)


def _choose(flags, xs, ys):
    def choose(x, y):
        return jnp.where(flags.reshape(-1, *[1] * (x.ndim - 1)), x, y)

    return jax.tree.map(choose, xs, ys)


def _is_flat(slopes):
    axes = tuple(range(1, slopes.ndim))
    return jnp.all((slopes == 0) | ~jnp.isfinite(slopes), axis=axes)


def _normalised(slopes):
    axes = tuple(range(1, slopes.ndim))
    slopes = jnp.where(jnp.isfinite(slopes), slopes, 0)
    size = jnp.mean(jnp.abs(slopes), axis=axes, keepdims=True)
    return slopes / jnp.where(size == 0, 1, size)


def _moved(x, speed, box, size):
    lo, hi = box
    half = hi * 0.5 - lo * 0.5
    step = (2 * size).astype(x.dtype) * half * jnp.sign(speed)
    return jnp.clip(x - step, lo, hi)
