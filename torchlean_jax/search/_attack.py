"""Projected gradient descent on a spec's robustness, in the model's own arithmetic.

It proposes points of the input sets where the spec is likely to fail. How points move
in a set is in `_regions`. Rounding is not accounted for here: `_inside` and `_confirm`
decide what a proposal is worth.

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

from torchlean_jax._halfspaces import Halfspaces
from torchlean_jax._problem import is_set
from torchlean_jax._snapshot import Snapshot
from torchlean_jax.domains._errors import InputError
from torchlean_jax.search import _regions
from torchlean_jax.search._inside import brought_inside
from torchlean_jax.spec import Formula, combine

_FIRST_STEP = 0.5  # of a set's width: reaches a corner from the centre
_LAST_STEP = 0.01
_FOCUS = 2.0**-10  # makes a row the least one, unless others are nearly violated


@dataclass(frozen=True)
class Attack:
    """How hard `tl.verify` looks for a counterexample.

    restarts: starting points (the centre, the two extreme corners of a box, random
        extreme points, random points), improved together in one batch. A search by
        parts of boxes that stays open tries once more with 128 times as many, or as
        many as have 2**20 elements.
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

    points: the leaves of the model's arguments, each set replaced by a numpy array.
    losses: the robustness there as computed by the attack; nothing rigorous.
    used_gradient: False if the model has none, and the search was a random one.
    """

    points: list[list[np.ndarray]]
    losses: list[float]
    used_gradient: bool


def propose(
    model: Snapshot,
    args: tuple,
    formula: Formula,
    options: Attack,
    seed: int,
    where: Halfspaces | None = None,
) -> Proposals:
    """Points of the sets in `args`, and of `where`, at which `formula` seems least
    true.

    Deterministic by seed.
    """
    leaves, tree = jax.tree.flatten(args, is_leaf=is_set)
    places = tuple(i for i, leaf in enumerate(leaves) if is_set(leaf))
    regions = [leaves[i] for i in places]
    others = [None if i in places else leaf for i, leaf in enumerate(leaves)]
    dtype = _dtype(model.trace.out_avals)
    faces = None if where is None else _faces(where, regions, dtype)

    def build():
        def outputs_at(points, others):
            mixed = list(others)
            for i, point in zip(places, points, strict=True):
                mixed[i] = point
            return jax.tree.leaves(model(*jax.tree.unflatten(tree, mixed)))

        return _compile(outputs_at, formula.shape, options, regions, others, faces)

    kinds = tuple(getattr(region, "norm", None) for region in regions)
    key = "attack", places, kinds, faces is None, formula.shape, options
    descend, used_gradient = model.once(key, build)
    if descend is None:
        return Proposals([], [], False)
    rows, offset = jnp.asarray(formula.rows, dtype), jnp.asarray(formula.offset, dtype)
    shares = _shares(regions, options.restarts, seed)
    batch, losses = descend(shares, regions, others, rows, offset, faces)
    losses = np.asarray(losses, np.float64)
    order = np.argsort(losses, kind="stable")[: options.candidates]
    found = [np.asarray(points) for points in batch]
    mixed = [_mix(leaves, places, [points[k] for points in found]) for k in order]
    points = [brought_inside(leaves, point, where) for point in mixed]
    return Proposals(points, losses[order].tolist(), used_gradient)


def _faces(where, regions, dtype):
    """The constraints, each row scaled to length 1 so that none outweighs another."""
    size = np.linalg.norm(where.A, axis=1)
    unit = np.where(size > 0, size, 1)
    normals = where.parts([region.shape for region in regions])
    scaled = [n / unit.reshape(-1, *[1] * (n.ndim - 1)) for n in normals]
    return _regions.Faces(
        [jnp.asarray(n, dtype) for n in scaled], jnp.asarray(where.b / unit, dtype)
    )


def _mix(leaves, places, point):
    mixed = list(leaves)
    for i, x in zip(places, point, strict=True):
        mixed[i] = x
    return mixed


def _compile(outputs_at, shape, options, regions, others, faces):
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
            if _traces(descend, outputs_at, shape, options, regions, others, faces):
                return jax.jit(descend), used_gradient
    return None, False


def _traces(descend, outputs_at, shape, options, regions, others, faces):
    """Whether the model has the derivative and the batching that are asked for."""
    inputs = [jax.ShapeDtypeStruct(r.shape, r.dtype) for r in regions]
    outputs = jax.eval_shape(outputs_at, inputs, others)
    dtype, count = _dtype(outputs), _count(shape)
    rows = jnp.zeros((count, sum(math.prod(y.shape) for y in outputs)), dtype)
    try:
        shares = _shares(regions, options.restarts, 0)
        jax.eval_shape(descend, shares, regions, others, rows, rows[:, 0], faces)
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


def _descend(step, batched, options, shares, regions, others, rows, offset, faces):
    """(best points of each restart, their robustness)."""

    def starts(turn):
        pairs = zip(shares, regions, strict=True)
        points = [_regions.start(share, region, turn) for share, region in pairs]
        return _regions.onto(points, regions, faces)

    points = starts(0)
    centre = [x[0] for x in points]
    (_, (_, values)), _ = step(centre, others, rows, offset, jnp.ones_like(offset))
    weights = _weights(values, options.restarts)

    def advance(state, inputs):
        points, speeds, best_points, best = state
        size, turn = inputs
        (_, (robustness, _)), slopes = batched(points, others, rows, offset, weights)
        better = robustness < best  # false at a NaN
        if faces is not None:
            better &= _is_near(points, faces)
        best = jnp.where(better, robustness, best)
        best_points = _choose(better, points, best_points)
        stuck = functools.reduce(jnp.logical_and, map(_is_flat, slopes))
        speeds = jax.tree.map(
            lambda v, g: options.momentum * v + _normalised(g), speeds, slopes
        )
        moved = [
            _regions.moved(x, v, region, size)
            for x, v, region in zip(points, speeds, regions, strict=True)
        ]
        moved = _regions.onto(moved, regions, faces)
        # with nothing to follow, try somewhere else
        points = _choose(stuck, starts(turn), moved)
        return (points, speeds, best_points, best), None

    sizes = np.geomspace(_FIRST_STEP, _LAST_STEP, options.steps)
    inputs = jnp.asarray(sizes, rows.dtype), jnp.arange(1, options.steps + 1)
    best = jnp.full(options.restarts, jnp.inf, rows.dtype)
    state = points, jax.tree.map(jnp.zeros_like, points), points, best
    (_, _, best_points, best), _ = lax.scan(advance, state, inputs)
    return best_points, best


def _shares(regions, count, seed):
    """Random numbers in [0, 1), one for each coordinate of each restart in each set."""
    random = np.random.default_rng(abs(2 * seed + (seed < 0)))
    return [random.random((count, *region.shape), np.float32) for region in regions]


def _is_near(points, faces):
    """Whether the constraints hold up to what rounding may have moved a point by."""
    reach = functools.reduce(
        jnp.maximum, [jnp.max(jnp.abs(x), axis=_regions.axes(x)) for x in points]
    )
    room = 64 * float(jnp.finfo(faces.level.dtype).eps) * (1 + reach)
    return jnp.max(_regions.shortfall(points, faces), axis=1) <= room


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
