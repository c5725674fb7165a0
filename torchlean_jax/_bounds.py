"""`bounds`: an enclosure of everything a model can return on a set of inputs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._problem import DEFAULT_MEMORY, How, is_set, is_traced, problem_of
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval._exact import narrowed
from torchlean_jax.interpreters._crown import METHODS


def bounds(
    model, *, method: str = "crown", memory: int = DEFAULT_MEMORY, iterations: int = 20
):
    """An enclosure of everything `model` can return on a box.

    `bounds(f)(box)` contains `f(x)` for every real `x` in `box`, rounding of the
    computation included. Arguments of `f` that are boxes (`tl.box`) are sets; all
    others are concrete.

    method: `"ibp"` (interval arithmetic), `"crown-ibp"` (one backward pass from the
    outputs, on
        interval enclosures), `"crown"` (a backward pass from every nonlinearity's
        operand) or `"alpha-crown"` (the same with relaxation slopes optimised for the
        result).
    memory: bytes that the rows of one backward pass may take; larger passes run in
    chunks.

    iterations: optimisation steps of `"alpha-crown"`.

    Called on arrays, it computes in float64, compiles once per shape, and rounds
    endpoints outward to the dtype of each output. Under `jit`, `vmap` or `grad` it
    computes in the user's precision and is differentiable.

    Returns an Interval for each leaf of the model's output. Raises MissingRuleError,
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
    chosen = how(method, memory, iterations)
    problem = problem_of(model)

    @functools.wraps(problem.function, updated=())
    def bounded(*args, **kwargs):
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_set)
        task = problem.at(leaves, tree)
        if is_traced(task, leaves):
            outputs = task.compiled("output_bounds", chosen, ())(task.consts, leaves)
            return task.unflatten(outputs)
        with jax.enable_x64(True):
            picks = _picks(task, chosen, leaves)
            outputs = task.compiled("output_bounds", chosen, picks)(
                task.wide_consts, leaves
            )
        outputs = [
            narrowed(y, aval.dtype)
            for y, aval in zip(outputs, task.out_avals, strict=True)
        ]
        return task.unflatten(outputs)

    return bounded


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


def row_bounds_and_slopes(function, args, rows, offset, chosen: How):
    """`row_bounds`, and the slopes behind them where optimised ones did better than the
    rules'."""
    leaves, tree = jax.tree.flatten((tuple(args), {}), is_leaf=is_set)
    task = problem_of(function).at(leaves, tree)
    with jax.enable_x64(True):
        picks = _picks(task, chosen, leaves)
        rows, offset = jnp.asarray(rows, jnp.float64), jnp.asarray(offset, jnp.float64)
        compiled = task.compiled("lower_rows", chosen, picks)
        lower, slopes = compiled(task.wide_consts, leaves, rows, offset)
    if slopes is not None:
        slopes, helped = slopes
        slopes = jax.tree.map(np.asarray, slopes) if helped else None
    return np.asarray(lower), slopes


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
