"""One backward step per equation: rows on its results become rows on its operands.

A row r of coefficients A on the results y of an equation stands for the inequality

    target_r  >=  A_r . y + (what other values contribute) + offset_r - error_r

A step replaces A_r . y by coefficients on the operands, a constant, and the error that rounding
may have made, all measured with the operands' magnitudes. Coefficients are plain floating-point
numbers and *exact as stated*: what was rounded while computing them is in `error`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.affine import Lines
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._contraction import gamma, midpoint_radius
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.interpreters import _linear
from torchlean_jax.interpreters._forward import apply_primitive


@dataclass(frozen=True)
class Contribution:
    """What a step adds: rows per operand number, a constant and an error per row."""

    rows: list[tuple[int, Any]]
    offset: Any
    error: Any


def row_dot(rows, weights):
    """sum |rows| * weights for weights >= 0, rounded up; 0 * inf counts as 0."""
    flat = jnp.abs(rows).reshape(rows.shape[0], -1)
    weights = jnp.broadcast_to(weights, rows.shape[1:]).reshape(-1)
    finite = jnp.where(jnp.isfinite(weights), weights, 0)
    total = jnp.dot(flat, finite, precision=lax.Precision.HIGHEST)
    unbounded = jnp.where(jnp.isfinite(weights), 0, 1).astype(flat.dtype)
    hit = jnp.dot(flat, unbounded, precision=lax.Precision.HIGHEST) > 0
    total = jnp.where(hit, jnp.inf, total)
    slack = 2 * gamma(flat.shape[1], flat.dtype)
    return round_up(total * (1 + slack), ulps=2)


def minimum_over(rows, x: Interval):
    """(lower bound of rows . v over v in x, error of that bound)."""
    flat = rows.reshape(rows.shape[0], -1)
    lo, hi = (jnp.broadcast_to(e, rows.shape[1:]).reshape(-1) for e in (x.lo, x.hi))
    terms = jnp.where(flat > 0, flat * lo, jnp.where(flat < 0, flat * hi, 0))
    total, size = terms.sum(1), jnp.abs(terms).sum(1)
    tiny = float(jnp.finfo(flat.dtype).smallest_normal)
    return total, size * (2 * gamma(flat.shape[1], flat.dtype)) + 4 * flat.shape[1] * tiny


@dataclass(frozen=True)
class Identity:
    """The operand itself, over the reals."""

    equation: Any

    def back(self, rows, slope=None):
        zero = jnp.zeros(rows[0].shape[0], rows[0].dtype)
        moved = zip(self.equation.inputs, rows, strict=True)
        return Contribution(list(moved), zero, zero)


@dataclass(frozen=True)
class Cut:
    """Where no linear bound is known: the results are as free as their enclosures allow."""

    enclosures: tuple[Interval, ...]

    def back(self, rows, slope=None):
        parts = [minimum_over(r, e) for r, e in zip(rows, self.enclosures, strict=True)]
        return Contribution([], sum(p[0] for p in parts), sum(p[1] for p in parts))


@dataclass(frozen=True)
class Linear:
    """An equation that is affine in its abstract operands."""

    equation: Any
    values: dict
    abstract: frozenset

    def back(self, rows, slope=None):
        equation, values = self.equation, self.values
        moving = [i for i in equation.inputs if i in self.abstract]
        middles, radii = _linear.fixed_operands(equation, values, self.abstract)
        shapes = [values[i].shape for i in moving]
        function = _linear.linear_map(equation, middles)
        moved = _linear.transpose_rows(function, shapes, rows)
        offset, error = self._constant_part(rows)
        if not _linear.is_exact(equation):
            error = error + self._rounding(rows, moving, middles)
            error = error + self._spread(rows, moving, middles, radii)
        return Contribution(list(zip(moving, moved, strict=True)), offset, error)

    def _constant_part(self, rows):
        zero = jnp.zeros(rows[0].shape[0], rows[0].dtype)
        if not _linear.is_affine(self.equation):
            return zero, zero
        operands = [
            Interval.lift(jnp.zeros_like(self.values[i].lo)) if i in self.abstract else self.values[i]
            for i in self.equation.inputs
        ]
        at_zero = apply_primitive(self.equation.operation, operands, Interval)
        at_zero = at_zero if isinstance(at_zero, (list, tuple)) else [at_zero]
        parts = [minimum_over(r, v) for r, v in zip(rows, at_zero, strict=True)]
        return zero + sum(p[0] for p in parts), zero + sum(p[1] for p in parts)

    def _rounding(self, rows, moving, middles):
        """gamma_N times |A| . (the equation on magnitudes), and what flushing may take."""
        shapes = [jnp.shape(self.values[i]) for i in self.equation.inputs]
        counts = [
            _linear.fan_out(self.equation, k, shapes)
            for k, i in enumerate(self.equation.inputs)
            if i in self.abstract
        ]
        dtype = rows[0].dtype
        reach = self._on_magnitudes(moving, middles)
        error = sum(row_dot(r, m) for r, m in zip(rows, reach, strict=True))
        tiny = 4 * max(counts) * float(jnp.finfo(dtype).smallest_normal)
        total = sum(jnp.sum(magnitude(self.values[i])) for i in moving)
        return error * gamma(max(counts) + 1, dtype) + tiny * total

    def _spread(self, rows, moving, middles, radii):
        """|A| . (the equation with a constant operand replaced by its radius)."""
        error = jnp.zeros(rows[0].shape[0], rows[0].dtype)
        for position, radius in enumerate(radii):
            if radius is None:
                continue
            others = [*middles]
            others[position] = radius
            (reach,) = self._on_magnitudes(moving, others)
            error = error + row_dot(rows[0], reach)
        return error

    def _on_magnitudes(self, moving, fixed):
        fixed = [None if f is None else jnp.abs(f) if _is_float(f) else f for f in fixed]
        function = _linear.linear_map(self.equation, fixed)
        reach = function(*[magnitude(self.values[i]) for i in moving])
        reach = reach if isinstance(reach, (list, tuple)) else [reach]
        return [round_up(m, ulps=4) for m in reach]


@dataclass(frozen=True)
class Product:
    """x (*) y for a bilinear operation on two abstract operands.

    With x = xm + dx and y = ym + dy, |dx| <= xr, |dy| <= yr:
    x (*) y = ym (*) x + xm (*) y - xm (*) ym + dx (*) dy, and |dx (*) dy| <= xr (*) yr. This is
    the mean of the two McCormick planes on either side (McCormick 1976).
    """

    equation: Any
    values: dict

    def back(self, rows, slope=None):
        first, second = self.equation.inputs
        x, y = self.values[first], self.values[second]
        (xm, xr), (ym, yr) = midpoint_radius(x), midpoint_radius(y)
        by_x = Linear(self.equation, {**self.values, second: ym}, frozenset([first]))
        by_y = Linear(self.equation, {**self.values, first: xm}, frozenset([second]))
        if first == second:
            raise ValueError("a product of a value with itself is a square")
        parts = [by_x.back(rows), by_y.back(rows)]
        operation = self.equation.operation
        centre = apply_primitive(operation, [Interval(xm, xm), Interval(ym, ym)], Interval)
        spread = apply_primitive(operation, [Interval(xr, xr), Interval(yr, yr)], Interval).hi
        rest = Interval(round_down(-centre.hi - spread), round_up(spread - centre.lo))
        offset, error = minimum_over(rows[0], rest)
        moved = [pair for part in parts for pair in part.rows]
        return Contribution(moved, offset, error + parts[0].error + parts[1].error)


@dataclass(frozen=True)
class Relaxed:
    """A nonlinear elementwise equation, between two lines on its operands' enclosures."""

    equation: Any
    values: dict
    rule: Callable[..., Lines]

    def back(self, rows, slope=None):
        operands = [self.values[i] for i in self.equation.inputs]
        lines = self.rule(self.equation.operation, *operands, slope=slope)
        (a,) = rows
        offset, error = minimum_over(a, Interval(lines.lower_offset, lines.upper_offset))
        eps = float(jnp.finfo(a.dtype).eps)
        tiny = float(jnp.finfo(a.dtype).smallest_normal)
        moved = []
        for i, low, high in zip(self.equation.inputs, lines.lower, lines.upper, strict=True):
            if low is None:
                continue
            coefficients = jnp.where(a > 0, a * low, jnp.where(a < 0, a * high, 0))
            size = magnitude(self.values[i])
            error = error + eps * row_dot(coefficients, size) + 2 * tiny * jnp.sum(size)
            moved.append((i, coefficients))
        return Contribution(moved, offset, error)


def _is_float(x):
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)
