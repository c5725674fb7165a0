"""One backward step per equation: rows on its results become rows on its operands.

A row r of coefficients A on the results y of an equation stands for the inequality

    target_r  >=  A_r . y + (what other values contribute) + offset_r - error_r

A step replaces A_r . y by coefficients on the operands, a constant, and the error that
rounding may have made, all measured with the operands' magnitudes. Coefficients are
plain floating-point numbers and *exact as stated*: what was rounded while computing
them is in `error`.

Steps hold nothing but the equation; the enclosures come with every call, so that a
backward pass is a function of arrays that JAX can differentiate, batch and loop over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from torchlean_jax.domains.affine import Lines
from torchlean_jax.domains.affine._sets import minimum, minimum_over, weighed
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._rounding import round_up
from torchlean_jax.interpreters import _linear
from torchlean_jax.interpreters._forward import apply_primitive


@dataclass(frozen=True)
class Contribution:
    """What a step adds: rows per operand number, a constant and an error per row."""

    rows: list[tuple[int, Any]]
    offset: Any
    error: Any


def row_dot(rows, weights):
    """sum |rows| * weights for weights >= 0, rounded up; NaN if some weight is infinite
    where a coefficient is 0, which bounds nothing either."""
    flat = jnp.abs(rows).reshape(rows.shape[0], -1)
    weights = jnp.broadcast_to(weights, rows.shape[1:]).reshape(-1)
    # a product and a sum: XLA on CPU fuses them, where a dot would store |rows| first
    total = (flat * weights).sum(-1)
    slack = 2 * gamma(flat.shape[1] + 2, flat.dtype)
    return round_up(total * (1 + slack), ulps=2)


def add(offset, more, error):
    """(offset + more, error with what rounding the sum may have cost)."""
    total = offset + more
    kind = jnp.finfo(total.dtype)
    lost = jnp.abs(total) * float(kind.eps) + float(kind.smallest_normal)
    return total, error + jnp.where(jnp.isfinite(total), lost, 0)


def accumulate(rows, number, coefficients, size):
    """Add rows on a value whose magnitude is `size`; returns what rounding the sum may
    have cost."""
    if number not in rows:
        rows[number] = coefficients
        return 0
    rows[number] = rows[number] + coefficients
    kind = jnp.finfo(coefficients.dtype)
    lost = float(kind.eps) * row_dot(rows[number], size)
    return lost + float(kind.smallest_normal) * jnp.sum(size)


@dataclass(frozen=True)
class Identity:
    """The operand itself, over the reals."""

    equation: Any

    def back(self, rows, values, slope=None):
        zero = jnp.zeros(rows[0].shape[0], rows[0].dtype)
        moved = zip(self.equation.inputs, rows, strict=True)
        return Contribution(list(moved), zero, zero)


@dataclass(frozen=True)
class Cut:
    """Where no linear bound is known: the results are as free as their enclosures
    allow."""

    equation: Any

    def back(self, rows, values, slope=None):
        enclosures = [values[number] for number in self.equation.outputs]
        offset = error = jnp.zeros(rows[0].shape[0], rows[0].dtype)
        for row, enclosure in zip(rows, enclosures, strict=True):
            least, lost = minimum_over(row, enclosure)
            offset, error = add(offset, least, error + lost)
        return Contribution([], offset, error)


@dataclass(frozen=True)
class Linear:
    """An equation that is affine in its operands in `abstract` (numbers)."""

    equation: Any
    abstract: frozenset

    def back(self, rows, values, slope=None):
        equation = self.equation
        moving = [i for i in equation.inputs if i in self.abstract]
        middles, at_zero, weights, flushed = prepared(self, values)
        shapes = [values[i].shape for i in moving]
        moved = _linear.transpose_rows(equation, middles, shapes, rows)
        offset = jnp.zeros(rows[0].shape[0], rows[0].dtype)
        error = offset + flushed
        for k, row in enumerate(rows):
            if at_zero is not None:
                constant, lost = minimum(row, *at_zero[k])
                offset, error = add(offset, constant, error + lost)
            elif weights is not None:
                error = error + row_dot(row, weights[k])
        return Contribution(list(zip(moving, moved, strict=True)), offset, error)

    def prepare(self, values):
        """(midpoints of the concrete operands, results at 0 as `weighed` or None, what
        rounding costs for each unit of |rows| where that is not in them, flushed)."""
        middles, radii = _linear.fixed_operands(self.equation, values, self.abstract)
        weights, flushed = None, 0.0
        if not _linear.is_exact(self.equation):
            weights, flushed = self._rounding(values, middles, radii)
        if not _linear.is_affine(self.equation):
            return middles, None, weights, flushed
        extra = weights or [0] * len(self.equation.outputs)
        results = zip(self.at_zero(values), extra, strict=True)
        return middles, [weighed(x, x.size, e) for x, e in results], None, flushed

    def at_zero(self, values) -> list[Interval]:
        """The results where every abstract operand is 0."""
        if self.equation.name in ("add", "add_any", "sub"):
            # 0 + c is c, not c rounded outward
            return [self._added_constant(values)]
        operands = [
            Interval(jnp.zeros_like(values[i].lo), jnp.zeros_like(values[i].lo))
            if i in self.abstract
            else values[i]
            for i in self.equation.inputs
        ]
        results = apply_primitive(self.equation.operation, operands, Interval)
        return list(results) if isinstance(results, (list, tuple)) else [results]

    def _added_constant(self, values) -> Interval:
        shape = values[self.equation.outputs[0]].shape
        first, second = self.equation.inputs
        if first not in self.abstract:
            c = Interval.lift(values[first])
        elif second not in self.abstract:
            c = Interval.lift(values[second])
            c = Interval(-c.hi, -c.lo) if self.equation.name == "sub" else c
        else:
            c = Interval.lift(jnp.zeros(shape, values[first].dtype))
        return Interval(jnp.broadcast_to(c.lo, shape), jnp.broadcast_to(c.hi, shape))

    def _rounding(self, values, middles, radii):
        """gamma_N times the equation on magnitudes, with what the errors of concrete
        operands can do; and what flushing may take."""
        inputs = self.equation.inputs
        sizes = [magnitude(values[i]) for i in inputs if i in self.abstract]
        shapes = [jnp.shape(values[i]) for i in inputs]
        most = max(
            _linear.fan_out(self.equation, k, shapes)
            for k, i in enumerate(inputs)
            if i in self.abstract
        )
        reach = self._on_magnitudes(sizes, middles)
        dtype = reach[0].dtype
        slack, tiny = gamma(most + 1, dtype), float(jnp.finfo(dtype).smallest_normal)
        total = sum(jnp.sum(s) for s in sizes)
        # a subnormal weight that the hardware reads as 0 takes its operand with it:
        # 1e-39 * 1e30 under a float32 jit
        unread = 2 * tiny * total
        weights = [round_up(m * slack + unread) for m in reach]
        for position, radius in enumerate(radii):
            if radius is not None:
                others = [*middles[:position], radius, *middles[position + 1 :]]
                more = self._on_magnitudes(sizes, others)
                weights = [round_up(w + r) for w, r in zip(weights, more, strict=True)]
        return weights, 4 * most * tiny * total

    def _on_magnitudes(self, sizes, fixed):
        fixed = [f if f is None or not _is_float(f) else jnp.abs(f) for f in fixed]
        reach = _linear.linear_map(self.equation, fixed)(*sizes)
        reach = reach if isinstance(reach, (list, tuple)) else [reach]
        return [round_up(m, ulps=4) for m in reach]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Band:
    """Two lines as all backward passes use them: a . y >= (a mean - |a| half) . x + the
    `minimum` of a over (middle, weights), less what was flushed.

    mean, half: of the two slopes, for each operand; None where it has none.
    """

    mean: list
    half: list
    middle: Any
    weights: Any
    flushed: Any


@dataclass(frozen=True)
class Relaxed:
    """A nonlinear elementwise equation, between two lines on its operands'
    enclosures."""

    equation: Any
    rule: Callable[..., Lines]

    def back(self, rows, values, slope=None):
        """`slope`: parameters of the rule with a leading axis over equal groups of
        rows."""
        (a,) = rows
        if slope is None:
            moved, offset, error = self._moved(a, values, prepared(self, values))
        else:
            groups = a.reshape(slope.shape[0], -1, *a.shape[1:])
            parts = jax.vmap(
                lambda g, s: self._moved(g, values, self.prepare(values, s))
            )(groups, slope)
            moved, offset, error = jax.tree.map(
                lambda p: p.reshape(a.shape[0], *p.shape[2:]), parts
            )
        return Contribution(list(moved.items()), offset, error)

    def lines(self, values, slope=None) -> Lines:
        """The lines on the operands' enclosures."""
        operands = [values[i] for i in self.equation.inputs]
        lines = self.rule(self.equation.operation, *operands, slope=slope)
        return _or_constants(lines, values[self.equation.outputs[0]])

    def prepare(self, values, slope=None) -> Band:
        lines = self.lines(values, slope)
        kind = jnp.finfo(lines.lower_offset.dtype)
        size = values[self.equation.outputs[0]].size
        means, halves, extra, flushed = [], [], 0, 0
        for i, low, high in zip(
            self.equation.inputs, lines.lower, lines.upper, strict=True
        ):
            if low is None or high is None:
                means.append(None)
                halves.append(None)
                continue
            mean, half = (low + high) * 0.5, (high - low) * 0.5
            means.append(mean)
            halves.append(half)
            x = magnitude(values[i])
            exact = (half == 0) & ((mean == 0) | (mean == 1))
            lost = 4 * float(kind.eps) * (jnp.abs(mean) + jnp.abs(half)) * x
            extra = extra + jnp.where(exact, 0, round_up(lost, ulps=4))
            repeated = size // max(x.size, 1)
            flushed += 8 * repeated * float(kind.smallest_normal) * jnp.sum(x)
        enclosed = Interval(lines.lower_offset, lines.upper_offset)
        return Band(means, halves, *weighed(enclosed, size, extra), flushed)

    def _moved(self, a, values, band):
        moved, error = {}, band.flushed
        for i, mean, half in zip(
            self.equation.inputs, band.mean, band.half, strict=True
        ):
            if mean is None:
                continue
            # a * low where a > 0, a * high where a < 0, without a choice per element
            coefficients = a * mean - jnp.abs(a) * half
            shape = values[i].shape
            count = coefficients[0].size // max(values[i].size, 1)
            size = magnitude(values[i]) if count > 1 or i in moved else 0
            if count > 1:
                error = error + row_dot(coefficients, size) * gamma(count, a.dtype)
            error = error + accumulate(
                moved, i, _unbroadcast(coefficients, shape), size
            )
        offset, lost = minimum(a, band.middle, band.weights)
        return moved, offset, lost + error


def prepared_key(equation):
    """Where `values` keeps what the step of an equation made of the enclosures, if it
    does."""
    return -1 - equation.outputs[0]  # keys of one type, since JAX sorts them


def prepared(step, values):
    """What `step.prepare(values)` gives, made once for all backward passes where
    possible."""
    found = values.get(prepared_key(step.equation))
    return step.prepare(values) if found is None else found


def _or_constants(lines, result):
    """The result's enclosure in place of lines that a rule could not give."""

    def known(slopes, offset, constant):
        good = jnp.isfinite(offset)
        slopes = tuple(s if s is None else jnp.where(good, s, 0) for s in slopes)
        return slopes, jnp.where(good, offset, constant)

    lower = known(lines.lower, lines.lower_offset, result.lo)
    upper = known(lines.upper, lines.upper_offset, result.hi)
    return Lines(lower[0], lower[1], upper[0], upper[1])


def _unbroadcast(rows, shape):
    """Sum rows [R, *result] over the axes along which an operand of `shape` was
    repeated."""
    missing = rows.ndim - 1 - len(shape)
    rows = rows.sum(tuple(range(1, 1 + missing)))
    repeated = [d + 1 for d, n in enumerate(shape) if n == 1 and rows.shape[d + 1] != 1]
    return rows.sum(tuple(repeated), keepdims=True)


def _is_float(x):
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)
