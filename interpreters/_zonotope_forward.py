"""The method `zonotope`: every value as a zonotope, from front to back.

Each equation is visited once. Affine ones act on coefficients and lose nothing; each
other one goes between two lines (or planes), of which the middle one is kept and the
rest is open: a coordinate of its own for each element of the result (`_zonotopes`).
Coordinates add up along the way, and memory with them: some 9,000 nonlinear elements
took 2.8 GB. In return there is no pass back for each element.
"""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import midpoint_radius
from torchlean_jax.domains.interval._exact import is_float
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.interpreters import _forward, _linear, _zonotope_sums, _zonotopes
from torchlean_jax.interpreters._crown import Enclosed, step_of
from torchlean_jax.interpreters._pieces import Kind, in_pieces
from torchlean_jax.interpreters._zonotope_steps import constant, images
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
                part = _zonotope_sums.weighted(rows, self.zonotopes[number])
                result = _zonotope_sums.plus(result, part)
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
    outputs = in_pieces(_enclosures, kind, operands)
    values.update(zip(equation.outputs, outputs, strict=True))
    if step is None or not all(map(is_float, outputs)):
        return
    own = [_zonotope_of(i, result) for i in equation.inputs]
    found = images(kind, own, operands, outputs, result.group)
    result.zonotopes.update(zip(equation.outputs, found, strict=True))


def _settle(number, result):
    """The enclosure of a value, narrowed by its zonotope, and the reverse where that is
    not finite."""
    if number in result.zonotopes:
        result.zonotopes[number], result.values[number] = _zonotopes.settled(
            result.zonotopes[number], result.values[number], result.norms
        )


def _enclosures(kind, operands):
    return _forward.apply(kind.equation.eqn, operands, Interval)


def _zonotope_of(number, result) -> Zonotope | None:
    if number in result.zonotopes:
        return result.zonotopes[number]
    if number not in result.abstract or not is_float(result.values[number]):
        return None
    return constant(result.values[number])
