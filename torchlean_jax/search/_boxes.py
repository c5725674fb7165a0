"""Parts of boxes of inputs: the kind of sub-problem for inputs of few elements.

All boxes among the arguments of a model, laid end to end, are one box; a part of it is
cut across one coordinate. Corners are float64 numbers, taken as exact, and the halves
of a part share the cut bit for bit.
"""

import functools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax import _execution, _kept_programs
from torchlean_jax._constants import wide
from torchlean_jax._long_programs import options_of_search
from torchlean_jax._problem import How, Task, is_set, problem_of
from torchlean_jax._snapshot import Snapshot
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.fp32 import FP32, ErrorModel
from torchlean_jax.domains.interval import Interval
from torchlean_jax.search import _trims
from torchlean_jax.search._branch import Bounded, Trim
from torchlean_jax.search._frontier import Rows
from torchlean_jax.search._hints import InputCut
from torchlean_jax.search._tree import Splits
from torchlean_jax.spec import Formula, combine

_TOGETHER = 32  # parts in one vmap: what belongs to all of them stays in the cache
_TRIED = 4  # points of one batch that may be looked at rigorously
_ROWS = 4  # rows of a property are filled up to a multiple: fewer programs to compile
# Of the steepest slope, for any coordinate: chosen on instances of ACAS Xu (0 timed out
# where this takes 475 to 1,015 parts). Any choice is sound.
_LEAST = 1 / 32
_TINY = float(np.finfo(np.float64).smallest_normal)


class Boxes:
    """Parts of the boxes among `args`, bounded by a bound method: see `Kind`.

    batch: how many parts are bounded together, at most. errors: of executions, where
    the property is about these: the bounds of a part are lowered by what is rounded on
    that part. Raises InputError if there is a ball among the sets.
    """

    def __init__(
        self,
        model: Snapshot,
        args: tuple,
        formula: Formula,
        how: How,
        batch,
        errors: ErrorModel | None = None,
        trims: bool = False,
    ):
        leaves, tree = jax.tree.flatten((args, {}), is_leaf=is_set)
        boxes = [leaf for leaf in leaves if is_set(leaf)]
        if not all(isinstance(box, Interval) for box in boxes):
            raise InputError("a search by parts takes boxes: half a ball is no ball")
        self._formula, self._trims = formula, trims
        self._room = -(-batch // _TOGETHER) * _TOGETHER
        self._leaves = leaves
        self._shapes = [box.shape for box in boxes]
        ends = [_flat([box.lo for box in boxes]), _flat([box.hi for box in boxes])]
        self._lo, self._hi = ends
        sizes = [math.prod(shape) for shape in self._shapes]
        self._value = np.repeat(np.arange(len(boxes)), sizes)
        self._index = np.concatenate([np.arange(size) for size in sizes])
        self._task = problem_of(model).at(leaves, tree)
        key = "boxes", how, errors, tree, tuple(map(is_set, leaves))
        program = _program(self._task, model, tree, leaves, how, errors)
        options = options_of_search(model.trace.jaxpr, errors is not None)

        def name():
            return f"{key} {model.digest()}"

        self._bounded = model.once(
            key, lambda: _kept_programs.jit(program, name, options)
        )
        with jax.enable_x64(True):
            self._wide = [None if is_set(x) else wide(x) for x in leaves]
        self._given = [None if is_set(x) else x for x in leaves]

    def root(self) -> Rows:
        return {"lo": self._lo[None], "hi": self._hi[None]}

    def bound(self, rows: Rows) -> Bounded:
        count = len(rows["lo"])
        corners = [_filled(rows[end], self._room) for end in ("lo", "hi")]
        padded = -(-len(self._formula.offset) // _ROWS) * _ROWS
        spec = [
            _filled(a, padded, 0) for a in (self._formula.rows, self._formula.offset)
        ]
        with jax.enable_x64(True):
            found = self._bounded(
                self._task.wide_consts,
                self._wide,
                self._given,
                np.asarray(count),
                *corners,
                *spec,
            )
        lower, forms, least, error, points, values = jax.tree.map(np.asarray, found)
        used = len(self._formula.offset)
        error = error[:count]
        lower, least = (self._below(x[:count, :used], error) for x in (lower, least))
        forms = forms[:count, :used]
        open_rows = (lower <= 0)[:, :, None]
        slopes = np.where(open_rows, np.abs(forms), 0).sum(1)
        tried = self._tried(points, values, count, used)
        extra = {"slopes": slopes, "forms": forms, "least": least}
        return Bounded(self._robustness(lower), tried, extra)

    def _below(self, lower, error):
        if error.size:
            return _execution.lowered_by(error, lower, self._formula.rows)
        return np.where(np.isnan(lower), -np.inf, lower)

    def _robustness(self, values):
        """Of rows along the last axis."""
        return combine(self._formula.shape, np.moveaxis(values, -1, 0), _least, _most)

    def _tried(self, points, values, count, used):
        """Points at which the model, as it runs, is at or beyond the edge."""
        losses = self._robustness(values[:count, :, :used]).ravel()
        worst = np.argsort(losses, kind="stable")[:_TRIED]
        worst = worst[losses[worst] <= 0]
        flat = [p[:count].reshape(-1, *p.shape[2:]) for p in points]
        return [self._mixed([p[k] for p in flat]) for k in worst]

    def _mixed(self, point):
        parts = iter(point)
        return [next(parts) if is_set(leaf) else leaf for leaf in self._leaves]

    def trimmed(self, rows: Rows, extra: Rows):
        """Ends of boxes at which linear forms below the rows are positive."""
        for axis in range(rows["lo"].shape[1] if self._trims else 0):
            for open_side in (0, 1):
                ends = _trims.ends(self._formula.shape, rows, extra, axis, open_side)
                which, at, margin = ends
                if len(which):
                    rows["lo" if open_side else "hi"][which, axis] = at
                    value, index = (
                        np.full(len(at), x[axis]) for x in (self._value, self._index)
                    )
                    yield Trim(which, Splits(value, index, at), open_side, margin)

    def split(self, rows: Rows, extra: Rows) -> tuple[np.ndarray, Splits, Rows, Rows]:
        """Across the coordinate on which the open rows depend most.

        No coordinate counts as less than a share of the steepest: where the linear
        forms are nearly flat, what is lost is lost in the relaxations, whose width
        depends on the other coordinates as well. (Without it, ACAS Xu network 1_1 with
        property 4 was cut 109 times along one path; with it, 13.)
        """
        lo, hi = rows["lo"], rows["hi"]
        middle = lo + 0.5 * (hi - lo)
        # XLA would read a subnormal corner as 0
        middle = np.where(np.abs(middle) < _TINY, 0.0, middle)
        inside = (lo < middle) & (middle < hi)
        width = hi - lo
        slopes = np.where(np.isfinite(extra["slopes"]), extra["slopes"], 0)
        least = _LEAST * slopes.max(1, keepdims=True)
        reach = np.maximum(slopes, least) * width
        whole = np.where(self._hi > self._lo, self._hi - self._lo, 1)
        # where no coordinate matters to the bound, the relatively widest one
        reach = np.where(reach.max(1, keepdims=True) > 0, reach, width / whole)
        axis = np.argmax(np.where(inside, reach, -1), axis=1)
        every = np.arange(len(lo))
        can = inside[every, axis]
        every, axis = every[can], axis[can]
        at = middle[every, axis]
        lower, upper = ({"lo": lo[can], "hi": hi[can]} for _ in range(2))
        lower["hi"][np.arange(len(at)), axis] = at
        upper["lo"][np.arange(len(at)), axis] = at
        return can, Splits(self._value[axis], self._index[axis], at), lower, upper

    def part(self, path) -> Rows:
        """The part to which cuts lead: see `Kind`."""
        rows = {name: array.copy() for name, array in self.root().items()}
        for value, index, at, is_upper in path:
            axis = (self._value == value) & (self._index == index)
            rows["lo" if is_upper else "hi"][0, axis] = at
        return rows

    def halved(self, rows: Rows) -> tuple[np.ndarray, Splits, Rows, Rows]:
        """As `split` does where no row depends on the inputs."""
        return self.split(rows, {"slopes": np.zeros_like(rows["lo"])})

    def halves(self, rows: Rows, cut) -> tuple[Splits, Rows, Rows] | None:
        """One part cut where a hint says so; None if that does not cut it in two."""
        if not isinstance(cut, InputCut) or cut.axis >= rows["lo"].shape[1]:
            return None
        axis, at = cut
        # XLA would read a subnormal corner as 0
        if 0 < abs(at) < _TINY or not rows["lo"][0, axis] < at < rows["hi"][0, axis]:
            return None
        lower, upper = ({n: a.copy() for n, a in rows.items()} for _ in range(2))
        lower["hi"][0, axis] = upper["lo"][0, axis] = at
        value, index = self._value[[axis]], self._index[[axis]]
        return Splits(value, index, np.array([at])), lower, upper

    def shares(self, rows: Rows) -> np.ndarray:
        wide_ones = self._hi > self._lo
        whole = (self._hi - self._lo)[wide_ones]
        return np.prod((rows["hi"] - rows["lo"])[:, wide_ones] / whole, axis=1)

    def share(self, rows: Rows) -> Fraction:
        wide_ones = self._hi > self._lo
        ends = [rows["lo"], rows["hi"], self._lo[None], self._hi[None]]
        lo, hi, *whole = _integers([end[:, wide_ones] for end in ends])
        parts = sum(math.prod(row) for row in (hi - lo).tolist())
        return Fraction(parts, math.prod((whole[1] - whole[0])[0].tolist()))


def _program(task: Task, model: Snapshot, tree, leaves, how: How, errors):
    """The function that bounds a batch of boxes, `_TOGETHER` at a time, and no more
    chunks than there are.

    It returns lower bounds of the rows, linear forms behind them, how far executions
    are from the reals (nothing without `errors`), and points with the values of the
    rows there, by the model as it runs.
    """
    shapes = [(leaf.shape, leaf.dtype) for leaf in leaves if is_set(leaf)]

    def one(consts, fixed, given, lo, hi, rows, offset):
        pairs = zip(_parts(lo, shapes), _parts(hi, shapes), strict=True)
        boxes = [Interval(*pair) for pair in pairs]
        left = iter(boxes)
        mixed = [next(left) if x is None else x for x in fixed]
        found = task.lower_rows_and_forms(how, consts, mixed, rows, offset)
        lower, forms, least, enclosed = found
        forms = jnp.concatenate([f.reshape(len(rows), -1) for f in forms], axis=1)
        points = _candidates(lo, hi, forms)

        def at(point):
            inputs = [
                p.astype(dtype) for p, (_, dtype) in zip(point, shapes, strict=True)
            ]
            left = iter(inputs)
            mixed = [next(left) if x is None else x for x in given]
            args, kwargs = jax.tree.unflatten(tree, mixed)
            outputs = jax.tree.leaves(model(*args, **kwargs))
            y = jnp.concatenate([jnp.ravel(y).astype(rows.dtype) for y in outputs])
            return inputs, rows @ y - offset

        points, values = jax.vmap(lambda p: at(_parts(p, shapes)))(points)
        return lower, forms, least, rounded(boxes, given, enclosed), points, values

    def rounded(boxes, given, enclosed):
        if errors is None:
            return jnp.zeros(0)
        typed = zip(boxes, shapes, strict=True)
        left = (FP32(errors).inputs(box, dtype) for box, (_, dtype) in typed)
        mixed = [next(left) if x is None else x for x in given]
        found = _execution.traced_errors(model, task, enclosed, mixed, errors)
        return jnp.concatenate([jnp.ravel(e) for e in found])

    @functools.partial(jax.jit, inline=True)  # traced once, for its shapes and the loop
    def together(consts, fixed, given, lo, hi, rows, offset):
        return jax.vmap(lambda a, b: one(consts, fixed, given, a, b, rows, offset))(
            lo, hi
        )

    def program(consts, fixed, given, count, lo, hi, rows, offset):
        def chunk(k, ends):
            return [lax.dynamic_slice_in_dim(e, k * _TOGETHER, _TOGETHER) for e in ends]

        def body(k, results):
            low, high = chunk(k, (lo, hi))
            found = together(consts, fixed, given, low, high, rows, offset)
            return jax.tree.map(
                lambda all_of_them, new: lax.dynamic_update_slice_in_dim(
                    all_of_them, new, k * _TOGETHER, 0
                ),
                results,
                found,
            )

        low, high = chunk(0, (lo, hi))
        like = jax.eval_shape(together, consts, fixed, given, low, high, rows, offset)
        empty = jax.tree.map(
            lambda x: jnp.zeros((len(lo), *x.shape[1:]), x.dtype), like
        )
        chunks = (count + _TOGETHER - 1) // _TOGETHER
        return lax.fori_loop(0, chunks, body, empty)

    return program


def _candidates(lo, hi, forms):
    """The middle, and the corners where the forms and their sum are least."""
    directions = jnp.concatenate([forms, forms.sum(0, keepdims=True)])
    corners = jnp.where(directions > 0, lo, hi)
    return jnp.concatenate([(lo + 0.5 * (hi - lo))[None], corners])


def _parts(flat, shapes):
    """A flat array in the shapes of the boxes."""
    found, at = [], 0
    for shape, _ in shapes:
        size = math.prod(shape)
        found.append(flat[at : at + size].reshape(shape))
        at += size
    return found


def _flat(arrays):
    return np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays])


def _filled(array, size, value=None):
    """`array` with more rows: of its first one, or of a number."""
    more = size - len(array)
    fill = array[:1] if value is None else np.full_like(array[:1], value)
    return np.concatenate([array, np.repeat(fill, more, axis=0)])


def _integers(arrays):
    """Arrays of floats times one power of two that makes all of them integers."""
    pairs = [np.frexp(array) for array in arrays]
    least = min((int(e[m != 0].min()) for m, e in pairs if (m != 0).any()), default=0)
    found = []
    for mantissa, exponent in pairs:
        whole = (mantissa * 2.0**53).astype(np.int64).astype(object)
        shifts = np.where(mantissa != 0, exponent - least, 0).astype(object)
        found.append(np.left_shift(whole, shifts))
    return found


def _least(parts):
    return np.min(np.stack(list(parts)), axis=0)


def _most(parts):
    return np.max(np.stack(list(parts)), axis=0)
