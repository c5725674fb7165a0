"""What each kind of step makes of zonotopes (`_zonotopes`).

A step that is not affine goes between two lines, or planes: the middle one is kept, and
what the result is beside it is open.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.affine._wholes import total
from torchlean_jax.domains.affine.relaxations import MINIMA
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import add, mul, negate, sub
from torchlean_jax.domains.interval._contraction import midpoint_radius
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.interpreters import (
    _extremes,
    _linear,
    _products,
    _steps,
    _zonotope_sums,
    _zonotopes,
)
from torchlean_jax.interpreters._forward import apply_primitive
from torchlean_jax.interpreters._pieces import in_pieces
from torchlean_jax.interpreters._zonotopes import Zonotope


def images(kind, zs, operands, outputs, group) -> list[Zonotope]:
    """The zonotopes of the results of an equation.

    zs: of its operands, None for concrete ones. operands, outputs: enclosures. group:
    makes a new group of coordinates.
    """
    step = kind.step
    if isinstance(step, _steps.Identity):
        return [
            constant(x) if z is None else z for z, x in zip(zs, operands, strict=True)
        ]
    if isinstance(step, _steps.Linear):
        return _linear_images_of(kind, zs, operands, outputs)
    if isinstance(step, (_products.Product, _products.Weighting)):
        return [_product(kind, zs, operands, group)]
    if isinstance(step, _steps.Relaxed):
        slopes, left = _relaxed(kind, operands, outputs)
        # a choice between x and an array has a slope for either
        every = [
            z if z is not None or slope is None else constant(x)
            for slope, z, x in zip(slopes, zs, operands, strict=True)
        ]
        return [_zonotope_sums.sloped(slopes, every, left, group())]
    if isinstance(step, _extremes.Extreme):
        return [_extreme(kind, zs[0], operands, outputs, group)]
    if isinstance(step, _extremes.Planar):
        return [_planar(kind, zs[0], operands, group)]
    return [_zonotope_sums.of_enclosure(y, group()) for y in outputs]


def constant(x) -> Zonotope:
    """Of an enclosure that no input moves."""
    return Zonotope(_zonotopes.constant(Interval.lift(x)), {})


def _linear_images_of(kind, zs, operands, outputs):
    equation = kind.equation
    moving = frozenset(i for i in equation.inputs if i in kind.step.abstract)
    numbered = kind.numbered(operands)
    fixed, radii = _linear.fixed_operands(equation, numbered, moving)
    at_zero = None
    # without a concrete operand there is no constant part
    if None in zs and _linear.is_affine(equation):
        at_zero = in_pieces(_at_zero, kind, operands, outputs)
    return _zonotope_sums.affine(kind, zs, fixed, radii, at_zero)


def _at_zero(kind, operands, outputs):
    return kind.step.at_zero(kind.numbered(operands, outputs))


def _product(kind, zs, operands, group):
    """Around the middles of both operands: see `Product` of `_products`."""
    (x, y), middles, left = zs, *_around(kind, operands)
    none = [None, None]
    (first,) = _zonotope_sums.affine(kind, [x, None], [None, middles[1]], none)
    (second,) = _zonotope_sums.affine(kind, [None, y], [middles[0], None], none)
    both = _zonotope_sums.plus(first, second)
    return _zonotope_sums.opened(both, left, group())


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


def _extreme(kind, z, operands, outputs, group):
    """From the element below on: see `Choice`."""
    at, slope, left = _chosen(kind, operands, outputs)
    shape = outputs[0].shape
    picked = z_at(z, at, shape)
    return _zonotope_sums.sloped([slope], [picked], left, group())


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


def _planar(kind, z, operands, group):
    """Between planes in all elements along an axis."""
    axis = kind.equation.operation.params["axis"]
    mean, left = _planes(kind, operands)
    each = mean.ndim > z.rest.level.ndim
    rest = _planar_rest(each, axis, mean, z.rest)
    parts = {
        group: _planar_part(each, axis, mean, part) for group, part in z.parts.items()
    }
    return _zonotope_sums.opened(Zonotope(rest, parts), left, group())


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
    return _zonotope_sums.rounded_rest(
        _apply_planes(each, axis, mean, z.level),
        _apply_planes(each, axis, steep, z.radius),
        _apply_planes(each, axis, steep, z.total),
        terms,
        unread=_apply_planes(each, axis, jnp.ones_like(steep), z.total),
        weight=_apply_planes(each, axis, steep, jnp.ones_like(z.total)),
    )
