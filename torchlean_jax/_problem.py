"""A model with its sets of inputs: traced once, flattened once, compiled once per
method."""

import functools
import itertools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax import _long_programs
from torchlean_jax._constants import kept, wide
from torchlean_jax._snapshot import Snapshot
from torchlean_jax._trace import as_function, aval_of, trace
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.affine.relaxations import parameters
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.interpreters._affine_forward import enclose_forward
from torchlean_jax.interpreters._alpha import initial_slopes, optimise
from torchlean_jax.interpreters._ascent import Choices, ascend, halved
from torchlean_jax.interpreters._backward import about, below
from torchlean_jax.interpreters._chunk import in_chunks
from torchlean_jax.interpreters._complex_parts import in_real_parts
from torchlean_jax.interpreters._crown import crown, enclose, lowered, raised
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._integers import over_reals
from torchlean_jax.interpreters._looseness import losses
from torchlean_jax.interpreters._missing import require_rules
from torchlean_jax.interpreters._multiplied import subtract
from torchlean_jax.interpreters._own_slopes import by_own_slopes
from torchlean_jax.interpreters._patterns import recognise
from torchlean_jax.interpreters._refine import members_at_once
from torchlean_jax.interpreters._zonotope_forward import enclose_by_zonotopes

DEFAULT_MEMORY = 2**31


@dataclass(frozen=True)
class How:
    """A bound method and its options; hashable, so compiled work can be found again."""

    method: str
    memory: int = DEFAULT_MEMORY
    iterations: int = 20


def is_set(x) -> bool:
    """Whether an argument is a set of inputs: a box or a ball."""
    return isinstance(x, (Interval, Ball))


@functools.lru_cache(maxsize=16)
def _problem_of_snapshot(model):
    return Problem(model)


def problem_of(model) -> "Problem":
    """The problem of a model. Only a snapshot, which cannot change, keeps what was
    compiled."""
    return (
        _problem_of_snapshot(model) if isinstance(model, Snapshot) else Problem(model)
    )


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
            jax.config.read("jax_enable_x64"),
        )
        task = self._tasks.get(key)
        if task is None:
            task = Task(self.function, leaves, tree)
            # tracers belong to the jit of a caller
            if not is_tracer(*jax.tree.leaves(task.consts)):
                self._tasks[key] = task
        return task


def is_traced(task: "Task", leaves) -> bool:
    """Whether a caller's transformation is at work: on the arguments, on what the model
    captured, or on everything that is computed now."""
    if is_tracer(*jax.tree.leaves((leaves, task.consts))):
        return True
    return is_tracer(jax.lax.add(0, 0))


class Task:
    """One model at fixed argument shapes: its flat graph, and what is compiled from
    it."""

    def __init__(self, function, leaves, tree):
        args, kwargs = jax.tree.unflatten(tree, leaves)
        traced = trace(function, args, kwargs, is_set)
        name = getattr(function, "__name__", type(function).__name__)
        self.sets = tuple(map(is_set, leaves))
        require_rules(traced.jaxpr, self.sets, Interval, what=f"`{name}`")
        self.out_tree, self.out_avals = traced.out_tree, traced.out_avals
        self.plain_graph = flatten(traced.jaxpr, traced.consts)
        self.graph = recognise(over_reals(in_real_parts(self.plain_graph)))
        self.consts = {n: kept(c) for n, c in self.graph.constants.items()}
        self._compiled = {}

    @functools.cached_property
    def wide_consts(self):
        """The constants as float64, cast once and exactly (call it with x64
        enabled)."""
        return {number: wide(c) for number, c in self.graph.constants.items()}

    def unflatten(self, outputs):
        return jax.tree.unflatten(self.out_tree, outputs)

    def compiled(self, what, *options):
        """The jitted method `what` with leading `options`, compiled once. (Zonotopes
        are compiled by pieces, on the way.)"""
        key = what, options
        if key not in self._compiled:
            method = functools.partial(getattr(self, what), *options)
            if options[0].method == "zonotope":
                return method
            if what == "output_bounds":
                method = in_chunks(method, members_at_once(options[0].memory))
            self._compiled[key] = _long_programs.jit(method)
        return self._compiled[key]

    def enclosed(self, how, consts, leaves, refine=None):
        """The graph with enclosures refined as the method of `how` asks, or by
        `refine`."""
        numbers = zip(self.graph.inputs, leaves, self.sets, strict=True)
        sets, operands = {}, {}
        for number, leaf, is_a_set in numbers:
            if not is_a_set:
                operands[number] = leaf
            else:
                sets[number] = (
                    leaf.lift() if isinstance(leaf, Ball) else leaf.lift(leaf)
                )
        if how.method == "forward":
            return enclose_forward(
                self.graph, operands, sets, memory=how.memory, consts=consts
            )
        if how.method == "zonotope":
            return enclose_by_zonotopes(
                self.graph, operands, sets, memory=how.memory, consts=consts
            )
        if refine is None and how.method in ("crown", "alpha-crown"):
            refine = crown
        return enclose(
            self.graph, operands, sets, memory=how.memory, consts=consts, refine=refine
        )

    def output_bounds(self, how, consts, leaves):
        """Intervals around each output."""
        own = by_own_slopes(how.iterations) if how.method == "alpha-crown" else None
        result = self.enclosed(how, consts, leaves, own)
        moving = [n for n in dict.fromkeys(self.graph.outputs) if n in result.abstract]
        if how.method in ("crown-ibp", "crown", "alpha-crown"):
            for number in moving:
                result.refine(number)
        if own and moving:
            self._optimise_outputs(result, moving, how.iterations)
        return [Interval.lift(result.values[number]) for number in self.graph.outputs]

    def _optimise_outputs(self, result, moving, iterations):
        sizes = [result.values[n].size for n in moving]
        unit = jnp.eye(sum(sizes), dtype=result.values[moving[0]].dtype)
        rows = jnp.concatenate([unit, -unit])
        start, _ = result.start(moving, rows)  # no value twice: nothing is lost
        zero = jnp.zeros(len(rows), rows.dtype)
        quick = [*halved((result.values, result.sets, start, zero))]

        def guess(choices):
            equations = self.graph.equations[: len(result.steps)]
            return about(equations, result.steps, *quick, slopes=choices.slopes)

        first = Choices(initial_slopes(result, len(rows)), {})
        slopes = ascend(guess, first, iterations).slopes
        lower, upper = jnp.split(result.lower(start, zero, slopes=slopes), 2)
        for number, lo, hi in zip(
            moving, _split(lower, sizes), _split(-upper, sizes), strict=True
        ):
            old = result.values[number]
            result.values[number] = Interval(
                raised(old.lo, lo.reshape(old.shape)),
                lowered(old.hi, hi.reshape(old.shape)),
            )

    def lower_rows(
        self, how, picks, consts, leaves, rows, offset, taken=None, hinted=()
    ):
        """Lower bounds of rows @ outputs - offset, and the slopes behind them (or
        None).

        taken: a Multiplied, where the inputs satisfy constraints. hinted: flat slopes
        of each layer, to begin with."""
        result = self.enclosed(how, consts, leaves)
        outputs = self.graph.outputs
        lower = result.rows_below(outputs, rows, offset, backward=how.method != "ibp")
        if taken is None and how.method != "alpha-crown":
            return lower, None
        start, lost = result.start(outputs, rows)
        constant = -offset
        if taken is not None:
            numbers = [n for n in self.graph.inputs if n in result.sets]
            constant, lost = subtract(
                taken, numbers, result.values, start, constant, lost
            )
            lower = raised(lower, result.lower(start, constant, error=lost))
        if how.method != "alpha-crown":
            return lower, None
        best = optimise(
            result,
            start,
            constant,
            dict(picks),
            iterations=how.iterations,
            error=lost,
            hinted=hinted,
        )
        # slopes that do not beat the rules' own are not worth storing
        helped = best.score > lower.min()
        return raised(lower, best.lower), (
            _by_value(self.graph, best.slopes),
            helped,
        )

    def input_forms(self, how, consts, leaves, rows, offset):
        """(rows on each input set, constants) of linear forms below rows @ outputs -
        offset, but for rounding."""
        result = self.enclosed(how, consts, leaves)
        return self._forms(result, how, rows, offset)

    def lower_rows_and_forms(self, how, consts, leaves, rows, offset):
        """(lower bounds of rows @ outputs - offset; the rows on the input sets of forms
        below it; what bound these forms give: of them alone, and so of any part; the
        enclosures of values behind them)."""
        result = self.enclosed(how, consts, leaves)
        outputs = self.graph.outputs
        lower = result.rows_below(outputs, rows, offset, backward=False)
        if how.method == "ibp":
            nothing = jnp.full_like(lower, -jnp.inf)
            forms, _ = self._forms(result, how, rows, offset)
            return lower, forms, nothing, result.values
        start, lost = result.start(outputs, rows)
        # the forms that are handed out are those of the bound, bit for bit
        left = result.substituted(start, -offset)
        left, constant, error = lax.optimization_barrier(left)
        count = len(result.steps)
        least = below(left, constant, error + lost, result.sets, result.values, count)
        forms = [
            left.get(n, jnp.zeros((len(rows), *result.values[n].shape), rows.dtype))
            for n in self.graph.inputs
            if n in result.sets
        ]
        return raised(lower, least), forms, least, result.values

    def _forms(self, result, how, rows, offset):
        start, _ = result.start(self.graph.outputs, rows)
        if how.method == "ibp":
            left, constant = start, -offset
        else:
            left, constant, _ = result.substituted(start, -offset)
        forms = []
        for number in self.graph.inputs:
            if number in result.sets:
                shape = rows.shape[0], *result.values[number].shape
                forms.append(left.pop(number, jnp.zeros(shape, rows.dtype)))
        for number, part in left.items():
            constant += minimum_over(part, Interval.lift(result.values[number]))[0]
        return forms, constant

    def losses(self, how, consts, leaves, chosen):
        """What each step gives away (by position), the distances reached, and the
        widths, over the rows `chosen` of [1; -1] @ outputs; beyond these rows are 0."""
        result = self.enclosed(how, consts, leaves)
        outputs = [n for n in self.graph.outputs if n in result.abstract]
        sizes = [result.values[n].size for n in outputs]
        dtype = jnp.float64
        index, sign = chosen % sum(sizes), jnp.where(chosen < sum(sizes), 1.0, -1.0)
        sign = jnp.where(chosen < 2 * sum(sizes), sign, 0)
        rows = (index[:, None] == jnp.arange(sum(sizes))) * sign[:, None].astype(dtype)
        start, _ = result.start(outputs, rows)
        found = losses(result, start, jnp.zeros(len(chosen), dtype))
        # the lower bound of -y is minus the upper bound of y
        lost, reached, bounds = jax.tree.map(jnp.sum, found)
        return lost, -reached, -bounds

    def undecided(self, how, consts, leaves):
        """How many elements of each intermediate value CROWN found worth refining."""
        result = self.enclosed(how, consts, leaves)
        return {number: wanted.sum() for number, wanted in result.wanted.items()}


def _by_value(graph, slopes):
    """Slopes of the one-parameter rules by the value they bound, without the group
    axis."""
    named = {"refining": {}, "final": {}}
    for part, arrays in slopes.items():
        for position, array in arrays.items():
            equation = graph.equations[position]
            if parameters(equation.name) == 1:
                number = equation.outputs[0]
                named[part][number] = array[0] if part == "refining" else array
    return named


def _split(flat, sizes):
    return jnp.split(flat, list(itertools.accumulate(sizes))[:-1])
