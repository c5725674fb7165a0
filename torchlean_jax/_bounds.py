"""`bounds`: an enclosure of everything a model can return on a set of inputs."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._constants import kept
from torchlean_jax._explain import Explanation, explain
from torchlean_jax._halfspaces import Halfspaces
from torchlean_jax._problem import DEFAULT_MEMORY, How, is_set, is_traced, problem_of
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval._exact import narrowed
from torchlean_jax.interpreters._crown import METHODS
from torchlean_jax.interpreters._multiplied import Multiplied
from torchlean_jax.search import _multipliers


def bounds(
    model, *, method: str = "crown", memory: int = DEFAULT_MEMORY, iterations: int = 20
):
    """An enclosure of everything `model` can return on a box.

    `bounds(f)(box)` contains `f(x)` for every real `x` in `box`, rounding of the
    computation included. Arguments of `f` that are boxes (`tl.box`) are sets; all
    others are concrete.

    method: `"ibp"` (interval arithmetic), `"forward"` (linear forms in the inputs from
        front to back: for inputs of few elements), `"zonotope"` (linear forms in the
        inputs and in the error of each nonlinear step, from front to back: for deep
        networks, compiled by kinds of equations), `"crown-ibp"` (one backward pass from
        the outputs, on interval enclosures), `"crown"` (a backward pass from every
        nonlinearity's operand) or `"alpha-crown"` (the same with relaxation slopes
        optimised for each element on either side).
    memory: bytes that the rows of one backward pass may take; larger passes run in
        chunks. `"forward"` and `"zonotope"` raise InputError if their forms need more.

    iterations: optimisation steps of `"alpha-crown"`, for each element.

    Called on arrays, it computes in float64, compiles once per shape, and rounds
    endpoints outward to the dtype of each output. Under `jit`, `vmap` or `grad` it
    computes in the user's precision and is differentiable.

    Returns an Interval for each leaf of the model's output; `bounds(f).explain(box)`
    says which source lines make them wide. Raises MissingRuleError,
    listing every primitive that has no interval rule, and InputError for an unknown
    method.

    Source: Zhang et al. 2018 (arXiv:1811.00866), Xu et al. 2020 (arXiv:2002.12920);
    rounding as in `interpreters/_steps.py`.

    >>> import jax, torchlean_jax as tl
    >>> f = lambda x: jax.nn.relu(x) - 0.5 * x
    >>> y = tl.bounds(f)(tl.box(-1.0, 2.0))
    >>> bool(y.contains(0.0)) and float(y.hi) < 1.01
    True
    """
    return Bounded(model, how(method, memory, iterations))


class Bounded:
    """A model as a function from sets of inputs to enclosures: see `bounds`."""

    def __init__(self, model, chosen: How):
        self._problem, self._how = problem_of(model), chosen
        functools.update_wrapper(self, self._problem.function, updated=())

    def __call__(self, *args, **kwargs):
        task, leaves = self._task(args, kwargs)
        if is_traced(task, leaves):
            leaves = [x if is_set(x) else kept(x) for x in leaves]
            outputs = task.compiled("output_bounds", self._how)(task.consts, leaves)
            return task.unflatten(outputs)
        with jax.enable_x64(True):
            compiled = task.compiled("output_bounds", self._how)
            outputs = compiled(task.wide_consts, leaves)
        outputs = [
            narrowed(y, aval.dtype)
            for y, aval in zip(outputs, task.out_avals, strict=True)
        ]
        return task.unflatten(outputs)

    def explain(self, *args, **kwargs) -> Explanation:
        """Which source lines of the model make these bounds wide, most first.

        Takes the arguments of the bounds themselves, concrete ones. For the methods
        `"crown-ibp"` and `"crown"`: each step of the final backward pass gives
        something away at the points where the bounds are taken, and these losses add up
        to what the width exceeds the range between those points by. Exact relaxations
        could win back that much at most.

        Raises InputError under a transformation and for other methods.

        >>> import jax, torchlean_jax as tl
        >>> report = tl.bounds(jax.nn.relu).explain(tl.box(-1.0, 2.0))
        >>> round(report.width, 9), report.reached, report.losses[0].primitives
        (3.0, 2.0, ('max',))
        """
        task, leaves = self._task(args, kwargs)
        if is_traced(task, leaves):
            raise InputError("explain takes concrete arguments: call it outside of jit")
        return explain(task, self._how, leaves)

    def _task(self, args, kwargs):
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_set)
        return self._problem.at(leaves, tree), leaves


def row_bounds(
    function, args, rows, offset, *, method, memory=DEFAULT_MEMORY, iterations=20
) -> np.ndarray:
    """Lower bounds, in float64, of `rows @ outputs - offset` over the sets among
    `args`.

    rows: float64[R, n] over the flattened, concatenated outputs; offset: float64[R].
    Compiled once per function, shapes, method and R.
    """
    return row_bounds_and_slopes(
        function, args, rows, offset, how(method, memory, iterations)
    )[0]


def row_bounds_and_slopes(function, args, rows, offset, chosen: How, hinted=()):
    """`row_bounds`, and the slopes behind them where optimised ones did better than the
    rules'.

    hinted: flat slopes of each layer, at which alpha-CROWN begins."""
    leaves, tree = jax.tree.flatten((tuple(args), {}), is_leaf=is_set)
    task = problem_of(function).at(leaves, tree)
    with jax.enable_x64(True):
        picks = _picks(task, chosen, leaves)
        rows, offset = jnp.asarray(rows, jnp.float64), jnp.asarray(offset, jnp.float64)
        compiled = task.compiled("lower_rows", chosen, picks)
        given = task.wide_consts, leaves, rows, offset, None, hinted
        lower, slopes = compiled(*given)
    return np.asarray(lower), _kept(slopes)


@dataclasses.dataclass(frozen=True)
class Constrained:
    """Lower bounds of rows where constraints on the inputs hold, and what they rest on.

    lower: float64[R]. slopes: as from `row_bounds_and_slopes`. multipliers: float64[R,
    m], of the constraints. method: by which they were computed. empty: whether no input
    satisfies the constraints; then every row is as large as one likes.
    """

    lower: np.ndarray
    slopes: dict | None
    multipliers: np.ndarray
    method: str
    empty: bool


def constrained_row_bounds(
    function, args, rows, offset, chosen: How, where: Halfspaces, hinted=()
) -> Constrained:
    """Bounds of `rows @ outputs - offset` over the inputs that satisfy `where`.

    Intervals keep no linear forms, so `"ibp"` uses the constraints only if they
    contradict each other.
    """
    leaves, tree = jax.tree.flatten((tuple(args), {}), is_leaf=is_set)
    task = problem_of(function).at(leaves, tree)
    regions = [leaf for leaf in leaves if is_set(leaf)]
    normals = where.parts([region.shape for region in regions])
    empty = _multipliers.contradiction(regions, where)
    if empty is not None and chosen.method == "ibp":
        chosen = dataclasses.replace(chosen, method="crown-ibp")
    with jax.enable_x64(True):
        picks = _picks(task, chosen, leaves)
        rows, offset = jnp.asarray(rows, jnp.float64), jnp.asarray(offset, jnp.float64)
        found = task.compiled("input_forms", chosen)(
            task.wide_consts, leaves, rows, offset
        )
        forms, constants = jax.tree.map(np.asarray, found)
        if empty is None:
            weights = _multipliers.multipliers(forms, constants, regions, where)
        else:
            weights = _multipliers.enough(empty, forms, constants, regions)
        taken = Multiplied(*jax.tree.map(jnp.asarray, (weights, normals, where.b)))
        compiled = task.compiled("lower_rows", chosen, picks)
        given = task.wide_consts, leaves, rows, offset, taken, hinted
        lower, slopes = compiled(*given)
    return Constrained(
        np.asarray(lower), _kept(slopes), weights, chosen.method, empty is not None
    )


def _kept(slopes):
    if slopes is None:
        return None
    slopes, helped = slopes
    return jax.tree.map(np.asarray, slopes) if helped else None


def how(method, memory=DEFAULT_MEMORY, iterations=20) -> How:
    """The checked options of a bound method."""
    if method not in METHODS:
        raise InputError(
            f"unknown bound method {method!r}; choose from {', '.join(METHODS)}"
        )
    if memory <= 0 or iterations <= 0:
        raise InputError(
            f"memory ({memory}) and iterations ({iterations}) must be positive"
        )
    return How(method, memory, iterations)


def _picks(task, chosen, leaves):
    """How many elements of each value alpha-CROWN refines: the undecided ones, rounded
    up.

    Rounding to quarters keeps the number of programs to compile small.
    """
    if chosen.method != "alpha-crown":
        return ()
    counts = task.compiled("undecided", chosen)(task.wide_consts, leaves)
    return tuple(
        (number, _to_quarter(int(count), task.graph.avals[number].size))
        for number, count in counts.items()
    )


def _to_quarter(count, size):
    quarter = -(-size // 4)
    return min(-(-count // quarter) * quarter, size)
