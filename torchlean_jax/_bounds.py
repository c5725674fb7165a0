"""`bounds`: an enclosure of everything a model can return on a set of inputs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._trace import as_function, aval_of, trace
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import exact_cast, is_tracer, narrowed
from torchlean_jax.interpreters._crown import METHODS, enclose
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._missing import require_rules

DEFAULT_MEMORY = 2**31


def bounds(model, *, method: str = "crown", memory: int = DEFAULT_MEMORY):
    """An enclosure of everything `model` can return on a box.

    `bounds(f)(box)` contains `f(x)` for every real `x` in `box`, rounding of the computation
    included. Arguments of `f` that are boxes (`tl.box`) are sets; all others are concrete.

    method: `"ibp"` (interval arithmetic), `"crown-ibp"` (one backward pass from the outputs, on
        interval enclosures) or `"crown"` (a backward pass from every nonlinearity's operand).
    memory: bytes that the rows of one backward pass may take; larger passes run in chunks.

    Called on arrays, it computes in float64, compiles once per shape, and rounds endpoints
    outward to the dtype of each output. Under `jit`, `vmap` or `grad` it computes in the user's
    precision and is differentiable.

    Returns an Interval for each leaf of the model's output. Raises MissingRuleError, listing every
    primitive that has no interval rule, and InputError for an unknown method.

    Source: Zhang et al. 2018 (arXiv:1811.00866), Xu et al. 2020 (arXiv:2002.12920); rounding as
    in `interpreters/_steps.py`.

    >>> import jax, torchlean_jax as tl
    >>> f = lambda x: jax.nn.relu(x) - 0.5 * x
    >>> y = tl.bounds(f)(tl.box(-1.0, 2.0))
    >>> bool(y.contains(0.0)) and float(y.hi) < 1.01
    True
    """
    problem = problem_of(model)
    _check_method(method)

    @functools.wraps(problem.function, updated=())
    def bounded(*args, **kwargs):
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_set)
        task = problem.at(leaves, tree)
        if is_tracer(*jax.tree.leaves(leaves)):
            return task.unflatten(task.output_bounds(method, memory, task.consts, leaves))
        with jax.enable_x64(True):
            outputs = task.compiled("bounds", method, memory)(task.wide_consts, leaves)
        outputs = [narrowed(y, aval.dtype) for y, aval in zip(outputs, task.out_avals, strict=True)]
        return task.unflatten(outputs)

    return bounded


def row_bounds(function, args, rows, offset, *, method, memory=DEFAULT_MEMORY) -> np.ndarray:
    """Lower bounds, in float64, of `rows @ outputs - offset` over the sets among `args`.

    rows: float64[R, n] over the flattened, concatenated outputs; offset: float64[R]. Compiled once
    per function, shapes, method and R.
    """
    _check_method(method)
    leaves, tree = jax.tree.flatten((tuple(args), {}), is_leaf=is_set)
    task = problem_of(function).at(leaves, tree)
    with jax.enable_x64(True):
        compiled = task.compiled("rows", method, memory)
        return np.asarray(compiled(task.wide_consts, leaves, jnp.asarray(rows, jnp.float64), jnp.asarray(offset, jnp.float64)))


def is_set(x) -> bool:
    return isinstance(x, Interval)


def _check_method(method):
    if method not in METHODS:
        raise InputError(f"unknown bound method {method!r}; choose from {', '.join(METHODS)}")


@functools.lru_cache(maxsize=256)
def _cached_problem(model):
    return Problem(model)


def problem_of(model) -> "Problem":
    """The problem of a model; the same object again for the same model, so that it stays compiled."""
    try:
        return _cached_problem(model)
    except TypeError:  # unhashable: a pair (module, variables)
        return Problem(model)


class Problem:
    """A model with what has been traced and compiled for it, by argument shapes."""

    def __init__(self, model):
        self.function = as_function(model)
        self._tasks = {}

    def at(self, leaves, tree) -> "Task":
        key = (
            tree,
            tuple(map(is_set, leaves)),
            tuple(str(aval_of(leaf)) for leaf in leaves),
            jax.config.jax_enable_x64,
        )
        if key not in self._tasks:
            self._tasks[key] = Task(self.function, leaves, tree)
        return self._tasks[key]


class Task:
    """One model at fixed argument shapes: its flat graph, and what is compiled from it."""

    def __init__(self, function, leaves, tree):
        args, kwargs = jax.tree.unflatten(tree, leaves)
        traced = trace(function, args, kwargs, is_set)
        name = getattr(function, "__name__", type(function).__name__)
        self.sets = tuple(map(is_set, leaves))
        require_rules(traced.jaxpr, self.sets, Interval, what=f"`{name}`")
        self.out_tree, self.out_avals = traced.out_tree, traced.out_avals
        self.graph = flatten(traced.jaxpr, traced.consts)
        self.consts = self.graph.constants
        self._compiled = {}

    @functools.cached_property
    def wide_consts(self):
        """The constants as float64, cast once and exactly (call it with x64 enabled)."""
        return {
            number: exact_cast(c, jnp.float64) if jnp.issubdtype(jnp.result_type(c), jnp.floating) else jnp.asarray(c)
            for number, c in self.consts.items()
        }

    def unflatten(self, outputs):
        return jax.tree.unflatten(self.out_tree, outputs)

    def compiled(self, what, method, memory):
        key = what, method, memory
        if key not in self._compiled:
            run = {"bounds": self.output_bounds, "rows": self.lower_rows}[what]
            self._compiled[key] = jax.jit(functools.partial(run, method, memory))
        return self._compiled[key]

    def enclosed(self, method, memory, consts, leaves):
        numbers = self.graph.inputs
        sets = {n: Interval.lift(x) for n, x, s in zip(numbers, leaves, self.sets, strict=True) if s}
        operands = {n: x for n, x, s in zip(numbers, leaves, self.sets, strict=True) if not s}
        return enclose(self.graph, {**consts, **operands}, sets, method=method, memory=memory)

    def output_bounds(self, method, memory, consts, leaves):
        """Intervals around each output."""
        result = self.enclosed(method, memory, consts, leaves)
        outputs = []
        for number in self.graph.outputs:
            if method != "ibp" and number in result.abstract:
                result.refine(number)
            outputs.append(Interval.lift(result.values[number]))
        return outputs

    def lower_rows(self, method, memory, consts, leaves, rows, offset):
        """Lower bounds of rows @ outputs - offset: the better of intervals and back-substitution."""
        result = self.enclosed(method, memory, consts, leaves)
        return result.rows_below(self.graph.outputs, rows, offset, backward=method != "ibp")
