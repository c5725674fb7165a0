"""A model with its sets of inputs: traced once, flattened once, compiled once per method."""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax._trace import as_function, aval_of, trace
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import exact_cast
from torchlean_jax.interpreters._crown import enclose
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._missing import require_rules

DEFAULT_MEMORY = 2**31


def is_set(x) -> bool:
    return isinstance(x, Interval)


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
