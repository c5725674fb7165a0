"""The method `zonotope`: every value as a zonotope, from front to back.

Each equation is visited once. Affine ones act on coefficients and lose nothing; each
other one goes between two lines (or planes), of which the middle one is kept and the
rest is open: a coordinate of its own for each element of the result (`_zonotopes`).
Coordinates add up along the way, so this is for networks of some tens of thousands of
nonlinear elements; in return an enclosure is about as narrow as by CROWN, without a
pass back for each element.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.affine._wholes import total
from torchlean_jax.domains.affine.relaxations import MINIMA
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import add, mul, negate, sub
from torchlean_jax.domains.interval._contraction import midpoint_radius
from torchlean_jax.domains.interval._exact import is_float
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.interpreters import (
    _extremes,
    _forward,
    _linear,
    _products,
    _steps,
    _zonotopes,
)
from torchlean_jax.interpreters._crown import Enclosed, step_of
from torchlean_jax.interpreters._forward import apply_primitive
from torchlean_jax.interpreters._pieces import Kind, fits
from torchlean_jax.interpreters._zonotopes import Zonotope


@dataclass
class EnclosedByZonotopes(Enclosed):
    """A graph with an enclosure of each value, and the zonotopes that are still needed.

    norms: of each group of coordinates, None for a box. inputs: the groups of the sets.
    """

    zonotopes: dict[int, Zonotope] = field(default_factory=dict)
    norms: list[Any] = field(default_factory=list)
    inputs: dict[int, int] = field(default_factory=dict)

    def group(self, norm=None) -> int:
        """A new group of coordinates."""
        self.norms.append(norm)
        return len(self.norms) - 1

    def lower(self, start, offset, *, slopes=None, error=0):
        z, offset = self._target(start, offset)
        anything = jnp.full_like(offset, jnp.inf)
        _, found = _zonotopes.settled(z, Interval(-anything, anything), self.norms)
        bound = round_down(found.lo + offset)
        bound = round_down(bound - round_up(error + jnp.zeros_like(bound), ulps=4))
        return jnp.where(jnp.isnan(bound), -jnp.inf, bound)

    def substituted(self, start, offset, observe=None):
        """Rows on the inputs below the target; rounding is not counted."""
        z, offset = self._target(start, offset)
        constant, left = offset + z.rest.level - z.rest.radius, {}
        for group, part in z.parts.items():
            if group not in self.inputs.values():
                constant = constant - jnp.abs(part).sum(0)
        for number, group in self.inputs.items():
            region = self.sets[number]
            if isinstance(region, Ball):
                center, radius = region.center, region.radius
                radius = jnp.broadcast_to(radius, region.shape)
            else:
                center, radius = midpoint_radius(region)
            shape = (center.size, *constant.shape)
            part = z.parts.get(group, jnp.zeros(shape, constant.dtype))[: center.size]
            flat = radius.reshape(-1)
            rows = jnp.where(flat > 0, part.T / jnp.where(flat > 0, flat, 1), 0)
            left[number] = rows.reshape(-1, *center.shape)
            constant = constant - rows @ center.reshape(-1)
        return left, constant, jnp.zeros_like(constant)

    def _target(self, start, offset):
        """(the zonotope of a sum of rows of values, the offset with what has none)."""
        zero = jnp.zeros_like(offset)
        result = Zonotope(_zonotopes.Rest(zero, zero, zero), {})
        for number, rows in start.items():
            if number in self.zonotopes:
                part = _zonotopes.weighted(rows, self.zonotopes[number])
                result = _zonotopes.plus(result, part)
                continue
            fixed = Interval.lift(self.values[number])
            least, lost = minimum_over(rows, fixed)
            offset = round_down(round_down(offset + least) - lost)
        return result, offset


def enclose_by_zonotopes(graph, operands, sets, *, memory: int, consts=None):
    """Run the graph over intervals and zonotopes, each narrowing the other.

    Raises InputError if the coefficients that are needed together exceed `memory`
    bytes.
    """
    result = EnclosedByZonotopes(graph, sets, memory)
    result.abstract = frozenset(graph.dependents(sets))
    result.producer = graph.producer()
    values, zonotopes = result.values, result.zonotopes
    values.update(graph.constants if consts is None else consts)
    values.update(operands)
    for number, region in sets.items():
        is_ball = isinstance(region, Ball)
        group = result.group(region.norm if is_ball else None)
        result.inputs[number] = group
        zonotopes[number] = _zonotopes.of_input(region, group)
        values[number] = region.hull if is_ball else region
    last = _last_uses(graph)
    for position, equation in enumerate(graph.equations):
        _visit(equation, result)
        _check_memory(result, equation)
        for number in {*equation.inputs, *equation.outputs}:
            if last.get(number, position) <= position:
                zonotopes.pop(number, None)
    for number in graph.outputs:
        _settle(number, result)
    return result


def _last_uses(graph) -> dict[int, int]:
    last = {
        number: position
        for position, equation in enumerate(graph.equations)
        for number in equation.inputs
    }
    return {**last, **dict.fromkeys(graph.outputs, len(graph.equations))}


def _check_memory(result, equation):
    made = [result.zonotopes.get(i) for i in equation.outputs]
    largest = max((z.bytes for z in made if z is not None), default=0)
    # magnitudes of the largest, and what its parts are made of, beside all that is kept
    needed = sum(z.bytes for z in result.zonotopes.values()) + 2 * largest
    if needed > result.memory:
        raise InputError(
            f"the zonotopes of `{equation.name}` and of what is used later need about "
            f"{needed} bytes, more than memory={result.memory}; use the method crown"
        )


def _visit(equation, result):
    values, abstract = result.values, result.abstract
    if any(i in abstract for i in equation.inputs) and not _linear.is_linear(
        equation, values, abstract
    ):
        for number in equation.inputs:
            _settle(number, result)
    step = step_of(equation, result)
    result.steps.append(step)
    kind = Kind(equation, step, tuple(i in abstract for i in equation.inputs))
    operands = [values[i] for i in equation.inputs]
    outputs = _in_pieces(_enclosures, kind, operands)
    values.update(zip(equation.outputs, outputs, strict=True))
    if step is None or not all(map(is_float, outputs)):
        return
    images = _images(kind, operands, outputs, result)
    result.zonotopes.update(zip(equation.outputs, images, strict=True))


def _settle(number, result):
    """The enclosure of a value, narrowed by its zonotope, and the reverse where that is
    not finite."""
    if number in result.zonotopes:
        result.zonotopes[number], result.values[number] = _zonotopes.settled(
            result.zonotopes[number], result.values[number], result.norms
        )


def _in_pieces(function, kind, operands, *more):
    """function(kind, operands, ...) as a program for all equations of the kind, if it
    may be one."""
    if not fits(kind.equation, operands):
        return function(kind, operands, *more)
    return _JITTED[function](kind, operands, *more)


def _enclosures(kind, operands):
    return _forward.apply(kind.equation.eqn, operands, Interval)


def _at_zero(kind, operands, outputs):
    return kind.step.at_zero(kind.numbered(operands, outputs))


_JITTED = {f: jax.jit(f, static_argnums=0) for f in (_enclosures, _at_zero)}


def _images(kind, operands, outputs, result) -> list[Zonotope]:
    """The zonotopes of the results of an equation."""
    step, numbers = kind.step, kind.equation.inputs
    zs = [_zonotope_of(i, result) for i in numbers]
    if isinstance(step, _steps.Identity):
        return [
            _constant(x) if z is None else z for z, x in zip(zs, operands, strict=True)
        ]
    if isinstance(step, _steps.Linear):
        return _linear_images_of(kind, zs, operands, outputs)
    if isinstance(step, (_products.Product, _products.Weighting)):
        return [_product(kind, zs, operands, result)]
    if isinstance(step, _steps.Relaxed):
        slopes, left = _relaxed(kind, operands, outputs)
        return [_zonotopes.sloped(slopes, zs, left, result.group())]
    if isinstance(step, _extremes.Extreme):
        return [_extreme(kind, zs[0], operands, outputs, result)]
    if isinstance(step, _extremes.Planar):
        return [_planar(kind, zs[0], operands, result)]
    return [_zonotopes.of_enclosure(y, result.group()) for y in outputs]


def _zonotope_of(number, result) -> Zonotope | None:
    if number in result.zonotopes:
        return result.zonotopes[number]
    if number not in result.abstract or not is_float(result.values[number]):
        return None
    return _constant(result.values[number])


def _constant(x) -> Zonotope:
    return Zonotope(_zonotopes.constant(Interval.lift(x)), {})


def _linear_images_of(kind, zs, operands, outputs):
    equation = kind.equation
    moving = frozenset(i for i in equation.inputs if i in kind.step.abstract)
    numbered = kind.numbered(operands)
    fixed, radii = _linear.fixed_operands(equation, numbered, moving)
    at_zero = None
    # without a concrete operand there is no constant part
    if None in zs and _linear.is_affine(equation):
        at_zero = _in_pieces(_at_zero, kind, operands, outputs)
    return _zonotopes.affine(kind, zs, fixed, radii, at_zero)


def _product(kind, zs, operands, result):
    """Around the middles of both operands: see `Product` of `_products`."""
    (x, y), middles, left = zs, *_around(kind, operands)
    none = [None, None]
    (first,) = _zonotopes.affine(kind, [x, None], [None, middles[1]], none)
    (second,) = _zonotopes.affine(kind, [None, y], [middles[0], None], none)
    both = _zonotopes.plus(first, second)
    return _zonotopes.opened(both, left, result.group())


@partial(jax.jit, static_argnums=0)
def _around(kind, operands):
    """The middles of two factors, and what the product is beside its planes there."""
    (xm, xr), (ym, yr) = lax.optimization_barrier(
        [midpoint_radius(lax.optimization_barrier(x)) for x in operands]
    )
    centre, rest = _at(kind, xm, ym), _at(kind, xr, yr)
    left = Interval(round_down(-centre.hi - rest.hi), round_up(rest.hi - centre.lo))
    return (xm, ym), left


def _at(kind, x, y) -> Interval:
    """The product at two points, enclosed."""
    points = [Interval(x, x), Interval(y, y)]
    return apply_primitive(kind.equation.operation, points, Interval)


@partial(jax.jit, static_argnums=0)
def _relaxed(kind, operands, outputs):
    """(a slope for each operand or None, what the result is beside them): halfway
    between the two lines."""
    lines = lax.optimization_barrier(_lines(kind, kind.numbered(operands, outputs)))
    shape = outputs[0].shape
    low, high = _point(lines.lower_offset), _point(lines.upper_offset)
    slopes: list[Any] = []
    for x, below, above in zip(operands, lines.lower, lines.upper, strict=True):
        if below is None or above is None:
            slopes.append(None)
            continue
        slope = lax.optimization_barrier(below * 0.5 + above * 0.5)
        slopes.append(jnp.broadcast_to(slope, shape))
        x = Interval.lift(x)
        low = add(low, mul(sub(_point(below), _point(slope)), x))
        high = add(high, mul(sub(_point(above), _point(slope)), x))
    return slopes, Interval(low.lo, high.hi)


def _lines(kind, values):
    """The lines of the rule; where one of them is a chord whatever the other is, the
    other in parallel to it, since only one slope is kept (DeepZ, theorem 3.1)."""
    lines, name = kind.step.lines(values), kind.equation.name
    if name not in ("max", "min"):
        return lines
    slopes = lines.upper if name == "max" else lines.lower
    chord = lax.optimization_barrier(next(a for a in slopes if a is not None))
    return kind.step.lines(values, jnp.clip(chord, 0, 1))


def _point(x) -> Interval:
    return Interval(x, x)


def _extreme(kind, z, operands, outputs, result):
    """From the element below on: see `Choice`."""
    at, slope, left = _chosen(kind, operands, outputs)
    shape = outputs[0].shape
    picked = z_at(z, at, shape)
    return _zonotopes.sloped([slope], [picked], left, result.group())


def z_at(z, at, shape) -> Zonotope:
    """The elements at flat positions, moved and nothing else."""
    rest = jax.tree.map(lambda v: v.reshape(-1)[at].reshape(shape), z.rest)
    return Zonotope(rest, {group: _picked(part, at, shape) for group, part in
                           z.parts.items()})  # fmt: skip


@partial(jax.jit, static_argnums=2)
def _picked(part, at, shape):
    return part.reshape(len(part), -1)[:, at].reshape(len(part), *shape)


@partial(jax.jit, static_argnums=0)
def _chosen(kind, operands, outputs):
    """(the positions of elements, slopes of 1 or 0 on them, what the result is beside
    that)."""
    (x,), (y,) = operands, outputs
    shape, is_minimum = y.shape, kind.equation.name in MINIMA
    choice = lax.optimization_barrier(kind.step.prepare(kind.numbered(operands)))
    flat = negate(x) if is_minimum else x
    flat = Interval(flat.lo.reshape(-1), flat.hi.reshape(-1))
    low, high = flat[choice.low], flat[choice.high]
    rise, one = _point(choice.rise), _point(jnp.ones_like(choice.rise))
    # of one element the difference of slopes is known, and 0 if it is the largest
    apart = sub(mul(rise, high), low)
    same = mul(sub(rise, one), low)
    more = jax.tree.map(
        lambda a, b: jnp.where(choice.low == choice.high, a, b), same, apart
    )
    most = add(more, _point(choice.level)).hi
    known = jnp.isfinite(choice.least) & jnp.isfinite(most)
    left = Interval(choice.least, jnp.maximum(most, choice.least))
    left = negate(left) if is_minimum else left
    left = Interval(left.lo.reshape(shape), left.hi.reshape(shape))
    known = known.reshape(shape)
    left = Interval(jnp.where(known, left.lo, y.lo), jnp.where(known, left.hi, y.hi))
    return choice.low, jnp.where(known, 1.0, 0.0).astype(y.dtype), left


def _planar(kind, z, operands, result):
    """Between planes in all elements along an axis."""
    axis = kind.equation.operation.params["axis"]
    mean, left = _planes(kind, operands)
    each = mean.ndim > z.rest.level.ndim
    rest = _planar_rest(each, axis, mean, z.rest)
    parts = {
        group: _planar_part(each, axis, mean, part) for group, part in z.parts.items()
    }
    return _zonotopes.opened(Zonotope(rest, parts), left, result.group())


@partial(jax.jit, static_argnums=0)
def _planes(kind, operands):
    """(the mean of the planes, what the result is beside it)."""
    x, step = operands[0], kind.step
    planes = lax.optimization_barrier(step.prepare(kind.numbered([x])))
    mean = lax.optimization_barrier(planes.lower * 0.5 + planes.upper * 0.5)
    each = mean.ndim > x.ndim
    x = Interval(*(jnp.moveaxis(end, step.axis, -1) for end in (x.lo, x.hi)))
    x = Interval(x.lo[..., None, :], x.hi[..., None, :]) if each else x
    low, high = (
        total(mul(sub(_point(slopes), _point(mean)), x))
        for slopes in (planes.lower, planes.upper)
    )
    low = add(low, _point(planes.lower_offset)).lo
    high = add(high, _point(planes.upper_offset)).hi
    if each:
        low, high = (jnp.moveaxis(end, -1, step.axis) for end in (low, high))
    return mean, Interval(low, high)


def _apply_planes(each, axis, mean, v):
    v = jnp.moveaxis(v, axis, -1)
    dot = "...ij,...j->...i" if each else "...j,...j->..."
    found = jnp.einsum(dot, mean, v, precision=lax.Precision.HIGHEST)
    return jnp.moveaxis(found, -1, axis) if each else found


@partial(jax.jit, static_argnums=(0, 1))
def _planar_part(each, axis, mean, part):
    return jax.vmap(lambda v: _apply_planes(each, axis, mean, v))(part)


@partial(jax.jit, static_argnums=(0, 1))
def _planar_rest(each, axis, mean, z):
    terms, steep = mean.shape[-1], jnp.abs(mean)
    return _zonotopes.rounded_rest(
        _apply_planes(each, axis, mean, z.level),
        _apply_planes(each, axis, steep, z.radius),
        _apply_planes(each, axis, steep, z.total),
        terms,
        unread=_apply_planes(each, axis, jnp.ones_like(steep), z.total),
        weight=_apply_planes(each, axis, steep, jnp.ones_like(z.total)),
    )
