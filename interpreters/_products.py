"""Backward steps of products of two abstract values: McCormick's planes.

Products with a constant are linear (`_steps.py`).
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import midpoint_radius
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.interpreters._forward import apply_primitive
from torchlean_jax.interpreters._steps import Contribution, Linear, add

_WEIGHTS = frozenset({"call:softmax", "call:softmax_of_gaps"})
_MOVES = frozenset(
    "reshape transpose squeeze broadcast_in_dim slice convert_element_type copy".split()
)


def step_for(equation, producer):
    """The step of a product. producer: value number -> equation."""
    for operand, number in enumerate(equation.inputs):
        while number in producer and producer[number].name in _MOVES:
            number = producer[number].inputs[0]
        if number in producer and producer[number].name in _WEIGHTS:
            return Weighting(equation, operand)
    return Product(equation)


@dataclass(frozen=True)
class Product:
    """x (*) y for a bilinear operation on two abstract operands.

    With x = xm + dx and y = ym + dy, |dx| <= xr, |dy| <= yr:
    x (*) y = ym (*) x + xm (*) y - xm (*) ym + dx (*) dy, and |dx (*) dy| <= xr (*) yr.
    This is the mean of the two McCormick planes on either side (McCormick 1976).
    """

    equation: Any

    def back(self, rows, values, slope=None):
        first, second = self.equation.inputs
        (xm, xr), (ym, yr) = (midpoint_radius(values[i]) for i in (first, second))
        parts = [
            _fixing(self.equation, 1, ym).back(rows, values),
            _fixing(self.equation, 0, xm).back(rows, values),
        ]
        operation = self.equation.operation
        centre, spread = _at(operation, xm, ym), _at(operation, xr, yr)
        rest = Interval(
            round_down(-centre.hi - spread.hi), round_up(spread.hi - centre.lo)
        )
        offset, error = minimum_over(rows[0], rest)
        moved = [pair for part in parts for pair in part.rows]
        return Contribution(moved, offset, error + parts[0].error + parts[1].error)


@dataclass(frozen=True)
class Weighting:
    """p (*) y where the operand `p` (0 or 1) holds weights, most of them small.

    With p = pl + dp and dp >= 0, dp (*) y lies between dp (*) yl and dp (*) yu: the two
    McCormick planes through the lower end of p. They let y in with coefficient pl only,
    where the mean of all four planes takes the middle of a p that is mostly width.
    """

    equation: Any
    weights: int

    def back(self, rows, values, slope=None):
        (a,), operation = rows, self.equation.operation
        weights, others = self.weights, 1 - self.weights
        low = values[self.equation.inputs[weights]].lo
        y = values[self.equation.inputs[others]]
        parts = [_fixing(self.equation, weights, low).back(rows, values)]
        offset = jnp.zeros(a.shape[0], a.dtype)
        error = parts[0].error
        for side, end in ((jnp.maximum(a, 0), y.lo), (jnp.minimum(a, 0), y.hi)):
            parts.append(_fixing(self.equation, others, end).back([side], values))
            pair = (low, end) if weights == 0 else (end, low)
            corner = _at(operation, *pair)
            least, lost = minimum_over(side, Interval(-corner.hi, -corner.lo))
            offset, error = add(offset, least, error + parts[-1].error + lost)
        return Contribution(
            [pair for part in parts for pair in part.rows], offset, error
        )


@dataclass(frozen=True)
class _Fixed:
    """A product with one operand replaced by an array: a linear equation."""

    linear: Linear
    array: Any

    def back(self, rows, values):
        return self.linear.back(rows, {**values, _FIXED: self.array})


_FIXED = "fixed"  # a name of its own: in x @ x both operands are one value


def _fixing(equation, position, array) -> _Fixed:
    inputs = list(equation.inputs)
    inputs[position] = _FIXED
    fixed = dataclasses.replace(equation, inputs=tuple(inputs))
    return _Fixed(Linear(fixed, frozenset([inputs[1 - position]])), array)


def _at(operation, x, y) -> Interval:
    """The operation at two points, enclosed."""
    return apply_primitive(operation, [Interval(x, x), Interval(y, y)], Interval)
