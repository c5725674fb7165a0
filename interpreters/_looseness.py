"""Where a backward pass loses tightness: each step's share, at the worst points.

A pass ends with a linear form that is least at some point x of the input sets. Follow
the true values of the graph at x backward: a step replaces A . y by a linear form that
is below it, and what it gives away there is

    A . y(x)  -  (rows . operands(x) + offset)   >=  0.

These differences add up, exactly, to what the target is at x above the bound. So the
width of an output is the distance between its values at two points, plus the losses of
the steps of two passes (and rounding).
"""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import midpoint_radius
from torchlean_jax.interpreters import _forward


def losses(result, start, offset):
    """({equation position: [R]}, targets [R], bounds [R]): what each step gives away.

    result: an Enclosed; start, offset: the target, as for `lower_bounds`. targets: true
    values at the points where the bounds are taken, but for rounding.
    """
    seen = []
    rows, constant, _ = result.substituted(
        start, offset, lambda *step: seen.append(step)
    )
    points, bounds = {}, constant
    for number, region in result.sets.items():
        a = rows.pop(number, None)
        if a is None:
            a = jnp.zeros((offset.shape[0], *region.shape), offset.dtype)
        points[number] = minimiser(a, region)
        bounds = bounds + _dot(a, points[number])
    at = functools.partial(values_at, result)
    values = jax.vmap(at)(points)
    for number, a in rows.items():
        bounds = bounds + _dot(a, _value(number, values, result))
    lost = {}
    for position, given, part in seen:
        outputs = result.graph.equations[position].outputs
        before = sum(
            _dot(a, _value(n, values, result))
            for n, a in zip(outputs, given, strict=True)
        )
        after = sum(_dot(a, _value(n, values, result)) for n, a in part.rows)
        lost[position] = before - after - part.offset
    targets = offset + sum(_dot(a, _value(n, values, result)) for n, a in start.items())
    return lost, targets, bounds


def values_at(result, point):
    """The middle of each value that depends on the inputs, where these are `point`."""
    values = {n: v for n, v in result.values.items() if n not in result.abstract}
    values.update({n: Interval(x, x) for n, x in point.items()})
    found = dict(point)
    for equation in result.graph.equations:
        if not result.abstract.intersection(equation.inputs):
            continue
        operands = [values[i] for i in equation.inputs]
        outputs = _forward.apply(equation.eqn, operands, Interval)
        values.update(zip(equation.outputs, outputs, strict=True))
        for number, value in zip(equation.outputs, outputs, strict=True):
            if isinstance(value, Interval) and jnp.issubdtype(
                value.dtype, jnp.floating
            ):
                found[number] = midpoint_radius(value)[0]
    return found


def _value(number, values, result):
    if number in values:
        return values[number]
    fixed = result.values[number]
    middle = midpoint_radius(fixed)[0] if isinstance(fixed, Interval) else fixed
    return middle[None]


def _dot(rows, values):
    return (rows * values).reshape(rows.shape[0], -1).sum(-1)


def minimiser(rows, region):
    """A point of an input set at which each row is least: the middle, where it is
    level."""
    if not isinstance(region, Ball):
        middle, _ = midpoint_radius(region)
        end = jnp.where(rows > 0, region.lo, region.hi)
        return jnp.where(rows == 0, middle, end)
    flat = rows.reshape(rows.shape[0], -1)
    if region.norm == 1:
        most = jnp.argmax(jnp.abs(flat), axis=1, keepdims=True)
        chosen = jnp.arange(flat.shape[1]) == most
        step = jnp.where(chosen, jnp.sign(flat), 0)
    else:
        size = jnp.linalg.norm(flat, axis=1, keepdims=True)
        step = flat / jnp.where(size == 0, 1, size)
    return region.center - region.radius * step.reshape(rows.shape)
