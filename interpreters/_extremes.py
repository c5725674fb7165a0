"""Backward steps whose results depend on several elements of one operand.

Maxima and minima over axes and windows, and softmax and logsumexp, which are not linear
and not elementwise either. Everything elementwise or linear is in `_steps.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.affine.relaxations import (
    MAXIMA,
    MINIMA,
    Choice,
    Planes,
    choose,
    gap_planes,
    logsumexp_planes,
    softmax_planes,
    windows_of,
)
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._rounding import round_up
from torchlean_jax.interpreters._steps import (
    Contribution,
    prepared,
    row_dot,
)

_PLANES: dict[str, Callable[[Interval], Planes]] = {
    "call:softmax": softmax_planes,
    "call:softmax_of_gaps": gap_planes,
    "call:logsumexp": logsumexp_planes,
}


def step_for(equation):
    """The step of an equation of this file's kind, else None."""
    if equation.name in _PLANES:
        return Planar(equation)
    return Extreme(equation) if equation.name in MAXIMA | MINIMA.keys() else None


@dataclass(frozen=True)
class Extreme:
    """One element below and one line above for each maximum; a minimum is -max(-x)."""

    equation: Any

    def prepare(self, values) -> Choice:
        x = values[self.equation.inputs[0]]
        x = Interval(-x.hi, -x.lo) if self.equation.name in MINIMA else x
        return choose(x, windows_of(self.equation.operation, x.shape))

    def back(self, rows, values, slope=None):
        (a,), (number,) = rows, self.equation.inputs
        x, is_minimum = values[number], self.equation.name in MINIMA
        choice = prepared(self, values)
        windows = windows_of(self.equation.operation, x.shape)
        a = (-a if is_minimum else a).reshape(a.shape[0], -1)
        below = jnp.where(jnp.isfinite(choice.least), jnp.maximum(a, 0), 0)
        above = jnp.minimum(a, 0) * choice.rise
        moved = jnp.zeros((a.shape[0], x.size), a.dtype)
        moved = moved.at[:, choice.low].add(below).at[:, choice.high].add(above)
        offset, error = minimum_over(a, Interval(choice.least, choice.level))
        error = error + _rounding(
            below, above, choice, magnitude(x).reshape(-1), windows
        )
        moved = (-moved if is_minimum else moved).reshape(a.shape[0], *x.shape)
        return Contribution([(number, moved)], offset, error)


def _rounding(below, above, choice, size, windows):
    """An element sums a coefficient for each window it is in, once below and once
    above."""
    overlap = 2 * int(np.bincount(windows[windows >= 0], minlength=1).max())
    kind = jnp.finfo(below.dtype)
    lost = row_dot(below, size[choice.low]) + row_dot(above, size[choice.high])
    tiny = 4 * overlap * float(kind.smallest_normal) * jnp.sum(size)
    return lost * gamma(overlap + 1, below.dtype) + tiny


@dataclass(frozen=True)
class Planar:
    """Results between planes in all elements along one axis of the operand."""

    equation: Any

    def prepare(self, values) -> Planes:
        return _PLANES[self.equation.name](self._operand(values))

    def _operand(self, values):
        x, axis = values[self.equation.inputs[0]], self.axis
        return Interval(jnp.moveaxis(x.lo, axis, -1), jnp.moveaxis(x.hi, axis, -1))

    @property
    def axis(self):
        return self.equation.operation.params["axis"]

    def back(self, rows, values, slope=None):
        (a,), (number,), axis = rows, self.equation.inputs, self.axis
        x, planes = self._operand(values), prepared(self, values)
        keeps_axis = planes.lower.ndim > x.ndim
        if keeps_axis:
            a = jnp.moveaxis(a, axis + 1, -1)
        offset, error = minimum_over(
            a, Interval(planes.lower_offset, planes.upper_offset)
        )
        formula = "r...i,...ij->r...j" if keeps_axis else "r...,...j->r...j"
        high = lax.Precision.HIGHEST
        moved = jnp.einsum(formula, jnp.maximum(a, 0), planes.lower, precision=high)
        moved += jnp.einsum(formula, jnp.minimum(a, 0), planes.upper, precision=high)
        error = error + _plane_rounding(a, planes, magnitude(x), keeps_axis)
        return Contribution(
            [(number, jnp.moveaxis(moved, -1, axis + 1))], offset, error
        )


def _plane_rounding(a, planes, size, keeps_axis):
    """A coefficient sums two products for each of n results."""
    n, kind = size.shape[-1], jnp.finfo(a.dtype)
    steepest = jnp.maximum(jnp.abs(planes.lower), jnp.abs(planes.upper))
    sizes = size[..., None, :] if keeps_axis else size
    reach = round_up(jnp.sum(steepest * sizes, axis=-1), ulps=n)
    tiny = 8 * n * float(kind.smallest_normal) * jnp.sum(size)
    return row_dot(a, reach) * gamma(2 * n + 2, a.dtype) + tiny
