"""The method `forward`: affine forms of all values in the inputs, from front to back.

Each equation is visited once, with one coefficient for each input element and each
element of its results. That is far cheaper than back-substitution from every
nonlinearity where the inputs have few elements, and far dearer where they have many.
The arithmetic of forms is in `_forms`; here is what nonlinear steps do, and the walk.
"""

import math
from dataclasses import dataclass, field

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.affine.relaxations import MINIMA
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import midpoint_radius
from torchlean_jax.domains.interval._exact import is_float
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.interpreters import (
    _extremes,
    _forms,
    _forward,
    _linear,
    _linear_images,
    _products,
    _steps,
)
from torchlean_jax.interpreters._crown import Enclosed, lowered, raised, step_of
from torchlean_jax.interpreters._forms import Form
from torchlean_jax.interpreters._forward import apply_primitive


@dataclass
class EnclosedForward(Enclosed):
    """A graph with an enclosure and a form of each value that depends on the inputs."""

    forms: dict[int, Form] = field(default_factory=dict)

    @property
    def groups(self):
        """(elements, norm or None) of the input sets."""
        return tuple(
            (_count(region), region.norm if isinstance(region, Ball) else None)
            for region in self.sets.values()
        )

    def lower(self, start, offset, *, slopes=None, error=0):
        form, offset = self._target(start, offset)
        bound = round_down(_forms.enclosure(form, self.groups).lo + offset)
        bound = round_down(bound - round_up(error + jnp.zeros_like(bound), ulps=4))
        return jnp.where(jnp.isnan(bound), -jnp.inf, bound)

    def substituted(self, start, offset, observe=None):
        """Rows on the inputs below the target; rounding is not counted."""
        form, offset = self._target(start, offset)
        rows = form.middle if form.spread is None else form.middle - form.spread
        constant = offset + form.level - form.radius
        left, at = {}, 0
        for number, region in self.sets.items():
            center, radius = _center_radius(region)
            part = jnp.moveaxis(rows[at : at + center.size], 0, -1)
            at += center.size
            flat, middle = radius.reshape(-1), center.reshape(-1)
            part = jnp.where(flat > 0, part / jnp.where(flat > 0, flat, 1), 0)
            left[number] = part.reshape(-1, *center.shape)
            constant = constant - part @ middle
        return left, constant, jnp.zeros_like(constant)

    def _target(self, start, offset):
        """(the form of a sum of rows of values, the offset with what has no form)."""
        total = None
        for number, rows in start.items():
            if number not in self.forms:
                fixed = Interval.lift(self.values[number])
                least, lost = minimum_over(rows, fixed)
                offset = round_down(round_down(offset + least) - lost)
                continue
            part = _forms.weighted(rows, self.forms[number])
            total = part if total is None else _forms.plus(total, part)
        if total is None:
            count = sum(n for n, _ in self.groups)
            zero = jnp.zeros_like(offset)
            total = _forms.constant(Interval(zero, zero), count)
        return total, offset


def enclose_forward(graph, operands, sets, *, memory: int, consts=None):
    """Run the graph over intervals and affine forms, each narrowing the other.

    Raises InputError if the coefficients of the largest values exceed `memory` bytes.
    """
    result = EnclosedForward(graph, sets, memory)
    result.abstract = frozenset(graph.dependents(sets))
    result.producer = graph.producer()
    values, forms = result.values, result.forms
    values.update(graph.constants if consts is None else consts)
    values.update(operands)
    count = sum(map(_count, sets.values()))
    _check_memory(result, count)
    before = 0
    for number, region in sets.items():
        forms[number] = _forms.of_input(region, before, count)
        values[number] = region.hull if isinstance(region, Ball) else region
        before += _count(region)
    for equation in graph.equations:
        operands = [values[i] for i in equation.inputs]
        outputs = _forward.apply(equation.eqn, operands, Interval)
        step = step_of(equation, result)
        result.steps.append(step)
        values.update(zip(equation.outputs, outputs, strict=True))
        if step is None:
            continue
        images = _image(step, result)
        for number, form in zip(equation.outputs, images, strict=True):
            if form is not None:
                old = values[number]
                forms[number], new = _forms.settled(form, old, result.groups)
                lo, hi = raised(old.lo, new.lo), lowered(old.hi, new.hi)
                values[number] = Interval(lo, hi)
    return result


def _check_memory(result, count):
    largest = max((aval.size for aval in result.graph.avals), default=0)
    needed = 8 * 8 * count * largest  # about eight arrays of them at once
    if needed > result.memory:
        raise InputError(
            f"forward forms of {count} input elements in a value of {largest} need "
            f"about {needed} bytes, more than memory={result.memory}; use the method "
            "crown"
        )


def _count(region):
    return math.prod(region.shape)


def _center_radius(region):
    if isinstance(region, Ball):
        return region.center, jnp.broadcast_to(region.radius, region.shape)
    return midpoint_radius(region)


def _image(step, result) -> list:
    """The forms of the results of an equation, None for what is not floating."""
    equation = step.equation
    outputs = [result.values[number] for number in equation.outputs]
    if not all(is_float(y) for y in outputs):
        return [None] * len(outputs)
    if isinstance(step, _steps.Identity):
        return [_form_of(number, result) for number in equation.inputs]
    if isinstance(step, _steps.Linear):
        return _linear_image(step, result)
    if isinstance(step, _products.Weighting):
        return [_weighting(step, result)]
    if isinstance(step, _products.Product):
        return [_product(step, result)]
    if isinstance(step, _steps.Relaxed):
        return [_relaxed(step, result)]
    if isinstance(step, _extremes.Extreme):
        return [_extreme(step, result)]
    if isinstance(step, _extremes.Planar):
        return [_planar(step, result)]
    return [_constant(y, result) for y in outputs]


def _form_of(number, result) -> Form:
    if number in result.forms:
        return result.forms[number]
    return _constant(Interval.lift(result.values[number]), result)


def _constant(x, result) -> Form:
    return _forms.constant(x, sum(n for n, _ in result.groups))


def _linear_image(step, result):
    equation, values, abstract = step.equation, result.values, step.abstract
    fixed, radii = _linear.fixed_operands(equation, values, abstract)
    forms = [_form_of(i, result) if i in abstract else None for i in equation.inputs]
    # without a concrete operand there is no constant part
    moves = None not in forms or not _linear.is_affine(equation)
    at_zero = None if moves else step.at_zero(values)
    return _linear_images.images(equation, forms, fixed, radii, at_zero)


def _product(step, result):
    """Around the middles of both operands: see `Product` of `_products`."""
    equation, values = step.equation, result.values
    numbers = equation.inputs
    x, y = (_form_of(i, result) for i in numbers)
    (xm, xr), (ym, yr) = (midpoint_radius(values[i]) for i in numbers)
    total = _forms.plus(_times(equation, 0, x, ym), _times(equation, 1, y, xm))
    centre, rest = _at(equation, xm, ym), _at(equation, xr, yr)
    around = Interval(round_down(-centre.hi - rest.hi), round_up(rest.hi - centre.lo))
    return _forms.shifted(total, around)


def _weighting(step, result):
    """Through the lower end of the weights: see `Weighting` of `_products`."""
    equation, weights = step.equation, step.weights
    numbers = equation.inputs
    p, y = (_form_of(numbers[k], result) for k in (weights, 1 - weights))
    low, around = (
        result.values[numbers[weights]].lo,
        result.values[numbers[1 - weights]],
    )
    shared = _times(equation, 1 - weights, y, low)
    ends = []
    for end in (around.lo, around.hi):
        part = _forms.plus(shared, _times(equation, weights, p, end))
        corner = _at(equation, *((low, end) if weights == 0 else (end, low)))
        ends.append(_forms.shifted(part, Interval(-corner.hi, -corner.lo)))
    return _forms.hull(*ends)


def _times(equation, position, form, array):
    """The form of the operand at `position`, times an array in place of the other."""
    operands, fixed = [None, None], [array, array]
    operands[position], fixed[position] = form, None
    (image,) = _linear_images.images(equation, operands, fixed, [None, None], None)
    return image


def _at(equation, x, y) -> Interval:
    """The product at two points, enclosed."""
    points = [Interval(x, x), Interval(y, y)]
    return apply_primitive(equation.operation, points, Interval)


def _relaxed(step, result):
    """Between two lines: the lower one on each operand's lower (or, for a negative
    slope, upper) form, and the upper one likewise."""
    equation, values = step.equation, result.values
    lines = lax.optimization_barrier(step.lines(values))
    shape = values[equation.outputs[0]].shape
    total, pairs = None, zip(lines.lower, lines.upper, strict=True)
    for number, (low, high) in zip(equation.inputs, pairs, strict=True):
        if low is not None and high is not None:
            form = _forms.broadcast(_form_of(number, result), shape)
            part = _forms.between(form, low, high)
            total = part if total is None else _forms.plus(total, part)
    offsets = Interval(lines.lower_offset, lines.upper_offset)
    if total is None:
        return _constant(offsets, result)
    return _forms.shifted(total, offsets)


def _extreme(step, result):
    """Between one element and a line over another: see `Choice`."""
    (number,), name = step.equation.inputs, step.equation.name
    form, choice = _form_of(number, result), step.prepare(result.values)
    form = _forms.negated(form) if name in MINIMA else form
    flat = form.mapped(jnp.ravel)
    low, high = (
        flat.mapped(lambda v, at=at: v[at]) for at in (choice.low, choice.high)
    )
    none = jnp.zeros_like(choice.rise)
    below = _forms.shifted(low, Interval(choice.least, choice.least))
    above = _forms.between(high, choice.rise, choice.rise)
    above = _forms.shifted(above, Interval(choice.level + none, choice.level))
    shape = result.values[step.equation.outputs[0]].shape
    found = _forms.hull(below, above).mapped(lambda v: v.reshape(shape))
    return _forms.negated(found) if name in MINIMA else found


def _planar(step, result):
    """Between planes in all elements along an axis."""
    (number,), axis = step.equation.inputs, step.axis
    form = _form_of(number, result).mapped(lambda v: jnp.moveaxis(v, axis, -1))
    planes = step.prepare(result.values)
    each = planes.lower.ndim > form.level.ndim
    found = _forms.between_planes(form, planes, each)
    if each:
        found = found.mapped(lambda v: jnp.moveaxis(v, -1, axis))
    return found
