"""Bound methods on a graph: which enclosures are refined by back-substitution, and
when.

`ibp` refines nothing; `crown-ibp` refines only the outputs; `crown` also every operand
of a nonlinear equation, in order, since relaxations are the tighter the narrower they
are built. (`forward` is in `_affine_forward`.)
"""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains.affine import relaxations, undecided
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.interval import Interval, _monotone
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.interpreters import (
    _extremes,
    _forward,
    _linear,
    _products,
    _steps,
)
from torchlean_jax.interpreters._backward import lower_bounds, substituted
from torchlean_jax.interpreters._refine import element_bounds

METHODS = ("ibp", "forward", "zonotope", "crown-ibp", "crown", "alpha-crown")


@dataclass
class Enclosed:
    """A graph with an enclosure of each value and a backward step for each equation.

    `wanted[i]` says which elements of a refined value were worth it.
    """

    graph: Any
    sets: dict[int, Interval]
    memory: int
    values: dict[int, Any] = field(default_factory=dict)
    abstract: frozenset = frozenset()
    producer: dict[int, Any] = field(default_factory=dict)
    steps: list[Any] = field(default_factory=list)
    wanted: dict[int, Any] = field(default_factory=dict)

    def lower(self, start, offset, *, slopes=None, error=0):
        """Lower bounds of rows of linear forms in any values."""
        equations = self.graph.equations[: len(self.steps)]
        return lower_bounds(
            equations, self.steps, self.values, self.sets, start, offset, slopes, error
        )

    def substituted(self, start, offset, observe=None):
        """Rows on inputs, an offset and its error: see `substituted` of `_backward`."""
        equations = self.graph.equations[: len(self.steps)]
        return substituted(
            equations, self.steps, self.values, start, offset, observe=observe
        )

    def refine(self, number: int, *, before: int | None = None, wanted=None):
        """Intersect the enclosure of a value with what back-substitution gives for it.

        wanted: bool[*shape], the elements that are worth it (default: all).
        """
        value = self.values[number]
        if wanted is None:
            wanted = jnp.ones(value.shape, bool)
        self.wanted[number] = wanted
        stop = len(self.steps) if before is None else before
        lo, hi = element_bounds(
            self.graph.equations[:stop],
            self.steps,
            self.values,
            self.sets,
            number,
            wanted.reshape(-1),
            memory=self.memory,
        )
        lo, hi = lo.reshape(value.shape), hi.reshape(value.shape)
        self.values[number] = both(value, Interval(lo, hi))

    def rows_below(self, outputs, rows, offset, *, backward: bool):
        """Lower bounds of rows @ (flattened, concatenated outputs) - offset."""
        at = 0
        interval, error = -offset, jnp.zeros_like(offset)
        for number in outputs:
            value = Interval.lift(self.values[number])
            part = rows[:, at : at + value.size].reshape(-1, *value.shape)
            at += value.size
            total, lost = minimum_over(part, value)
            interval, error = _steps.add(interval, total, error + lost)
        best = round_down(interval - round_up(error, ulps=4), ulps=2)
        if not backward:
            return best
        start, lost = self.start(outputs, rows)
        return raised(best, self.lower(start, -offset, error=lost))

    def start(self, outputs, rows) -> tuple[dict, Any]:
        """(`rows` over the flattened, concatenated outputs, as rows on each output
        value; the error of adding them where a value is returned twice)."""
        start, at, lost = {}, 0, 0
        for number in outputs:
            value = Interval.lift(self.values[number])
            part = rows[:, at : at + value.size].reshape(-1, *value.shape)
            at += value.size
            size = magnitude(value)
            lost = lost + _steps.accumulate(start, number, part, size)
        return start, lost


def crown(result, number, position, wanted):
    """The refinement of CROWN: back-substitution with the rules' own slopes."""
    result.refine(number, before=position, wanted=wanted)


def enclose(
    graph, operands, sets, *, memory: int, consts=None, refine=None, before=None
) -> Enclosed:
    """Run the graph forward over intervals, refining operands of nonlinear equations.

    operands: input number -> concrete array, for the inputs that are not in `sets`.
    consts: the graph's constants, perhaps in a wider dtype. refine(result, number,
    position, wanted), if given, improves `result.values[number]` before the equation at
    `position` uses it. before: value number -> what is known of it already, to be
    intersected with.
    """
    result = Enclosed(graph, sets, memory)
    before = before or {}
    result.abstract = frozenset(graph.dependents(sets))
    result.producer = graph.producer()
    values = result.values
    values.update(graph.constants if consts is None else consts)
    values.update(operands)
    hulls = {n: s.hull if isinstance(s, Ball) else s for n, s in sets.items()}
    values.update(hulls)
    # images of boxes: see `_track`; a ball is more than its hull
    mixings = {n: 0 for n, s in sets.items() if not isinstance(s, Ball)}
    refined, followed = set(), set()  # `followed`: element by element from `refined`
    for position, equation in enumerate(graph.equations):
        moving = [i for i in equation.inputs if i in result.abstract]
        nonlinear = bool(moving) and not _linear.is_linear(
            equation, values, result.abstract
        )
        if nonlinear and refine is not None and has_step(equation):
            for number in dict.fromkeys(moving):
                known = number in mixings or number in refined
                # where a stair bends, its lines are the same on any enclosure
                known |= equation.name in _STAIRS and number in followed
                if not known and _is_float(values[number]):
                    wanted = undecided_elements(equation, number, values)
                    refine(result, number, position, wanted)
                    refined.add(number)
        outputs = _forward.apply(
            equation.eqn, [values[i] for i in equation.inputs], Interval
        )
        values.update(zip(equation.outputs, outputs, strict=True))
        for number in before.keys() & set(equation.outputs):
            # a choice that is decided everywhere may have left an array
            values[number] = both(Interval.lift(values[number]), before[number])
        step = step_of(equation, result)
        result.steps.append(step)
        prepare = getattr(step, "prepare", None)
        if (refine is not None or before) and prepare is not None:
            values[_steps.prepared_key(equation)] = prepare(values)
        if len(moving) == 1 and (not nonlinear or equation.name in _ELEMENTWISE):
            _track(equation, moving[0], mixings)
            if moving[0] in refined | followed and not _linear.meets(equation):
                followed.update(equation.outputs)
    return result


# Functions of one element, of which interval arithmetic gives the range.
_ELEMENTWISE = frozenset(
    (
        *_monotone.INCREASING,
        *_monotone.DECREASING,
        *"abs square max min clamp floor ceil round sign".split(),
        *"call:rounded_shift call:table call:leaky_relu call:elu".split(),
    )
)
_STAIRS = frozenset(("floor", "ceil", "round", "call:rounded_shift"))


def _track(equation, source, mixings):
    """Interval arithmetic is exact on an image of a box until elements meet twice.

    `mixings` counts how often elements of the inputs were combined or duplicated on the
    way to a value, by linear steps and functions of one element; up to one such step
    the interval enclosure is already the best, and no backward pass can improve it.
    """
    if source not in mixings:
        return
    count = mixings[source] + _linear.meets(equation)
    if count <= 1:
        mixings.update(dict.fromkeys(equation.outputs, count))


def undecided_elements(equation, number, values):
    """The elements of an operand whose relaxation would gain from a tighter
    enclosure."""
    value = values[number]
    rule = undecided.find(equation.name)
    if rule is None:
        return value.lo < value.hi
    operands = [values[i] for i in equation.inputs]
    return jnp.broadcast_to(rule.function(equation.operation, *operands), value.shape)


def has_step(equation) -> bool:
    """Whether a nonlinear equation of this kind has linear bounds."""
    if _linear.is_bilinear(equation) or _extremes.step_for(equation) is not None:
        return True
    return relaxations.find(equation.name) is not None


def step_of(equation, result):
    """What an equation does to linear forms, or None if it has only concrete
    operands."""
    abstract = result.abstract
    if not any(i in abstract for i in equation.inputs):
        return None
    if not any(_is_float(v.aval) for v in equation.eqn.outvars):
        return _steps.Cut(equation)  # integers, whose rules alone know how they wrap
    if any(_is_complex(result.graph.avals[i]) for i in equation.inputs):
        return _steps.Cut(equation)  # lines are of real numbers: |z| is no |x|
    nonlinear = not _linear.is_linear(equation, result.values, abstract)
    if equation.name in _linear.IDENTITIES and not nonlinear:
        return _steps.Identity(equation)
    if not nonlinear:
        return _steps.Linear(equation, abstract)
    if _linear.is_bilinear(equation):
        return _products.step_for(equation, result.producer)
    rule = relaxations.find(equation.name)
    if rule is not None:
        return _steps.Relaxed(equation, rule.function)
    return _extremes.step_for(equation) or _steps.Cut(equation)


def _is_float(x):
    return jnp.issubdtype(x.dtype, jnp.floating)


def _is_complex(x):
    return jnp.issubdtype(x.dtype, jnp.complexfloating)


def both(old: Interval, new: Interval) -> Interval:
    """What two sound enclosures say together."""
    return Interval(raised(old.lo, new.lo), lowered(old.hi, new.hi))


def raised(old, new):
    """The better of two sound lower endpoints; one that is NaN says nothing."""
    return _if_known(old, new, jnp.maximum)


def lowered(old, new):
    """The better of two sound upper endpoints; one that is NaN says nothing."""
    return _if_known(old, new, jnp.minimum)


def _if_known(old, new, better):
    either = jnp.where(jnp.isnan(old), new, old)
    return jnp.where(jnp.isnan(old) | jnp.isnan(new), either, better(old, new))
