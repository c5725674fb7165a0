"""Back-substitution: lower bounds of linear forms of a graph's values (CROWN).

Linear forms flow against the equations until only inputs are left, where they are
minimised exactly over the input sets (Zhang et al. 2018, arXiv:1811.00866; on general
graphs Xu et al. 2020, arXiv:2002.12920). Everything is one-sided: an upper bound of v
is minus the lower bound of -v, so rows for both sides share one pass.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.affine._ball import Ball, minimum_over_ball
from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._exact import working_dtype
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.interpreters._products import Product, Weighting
from torchlean_jax.interpreters._steps import accumulate, add


def lower_bounds(
    equations, steps, values, sets, start, offset, slopes=None, error: Any = 0
):
    """A number below  sum_v start[v] . v + offset  on the input sets, for each row.

    equations: those of the graph that precede the target, in order. steps[k]: the
    backward step of equations[k]. values: enclosures. sets: input number -> input set.
    start: value number -> rows [R, *shape]. offset: [R]. slopes: equation position ->
    slope parameters, or None. error: [R], what the rows of `start` may be off by
    already, in terms of the sum.
    """
    left = substituted(equations, steps, values, start, offset, slopes, error)
    return below(*left, sets, values, len(equations))


def about(equations, steps, values, sets, start, offset, slopes=None):
    """What `lower_bounds` comes to but for rounding: for choosing, in any dtype.

    XLA drops the errors, as nothing here asks for them.
    """
    steps = [step and _InOneDtype(step) for step in steps]
    rows, offset, _ = substituted(equations, steps, values, start, offset, slopes)
    for number, coefficients in rows.items():
        region = sets[number] if number in sets else Interval.lift(values[number])
        if isinstance(region, Ball):
            offset = offset + minimum_over_ball(coefficients, region)[0]
        else:
            offset = offset + minimum_over(coefficients, region)[0]
    return offset


@dataclass(frozen=True)
class _InOneDtype:
    """A step whose results have the dtype of its rows: rules widen constants, and what
    fixes an operand of a product is one."""

    step: Any

    def back(self, rows, values, slope=None):
        kind = rows[0].dtype
        if isinstance(self.step, Product | Weighting):
            wide = working_dtype()
            rows = [row.astype(wide) for row in rows]
            for n in self.step.equation.inputs:
                ends = (values[n].lo.astype(wide), values[n].hi.astype(wide))
                values = values | {n: Interval(*ends)}
        part = self.step.back(rows, values, slope=slope)
        moved = [(number, row.astype(kind)) for number, row in part.rows]
        return replace(part, rows=moved, offset=jnp.asarray(part.offset, kind))


def below(rows, offset, error, sets, values, count):
    """A number below what `count` equations, substituted, come to on the input sets.

    rows, offset, error: of `substituted`.
    """
    for number, coefficients in rows.items():
        # a value that depends on no input is its own enclosure
        region = sets[number] if number in sets else Interval.lift(values[number])
        if isinstance(region, Ball):
            value, lost = minimum_over_ball(coefficients, region)
        else:
            value, lost = minimum_over(coefficients, region)
        offset, error = add(offset, value, error + lost)
    bound = round_down(offset - total_error(error, count))
    return jnp.where(jnp.isnan(bound), -jnp.inf, bound)


def substituted(
    equations, steps, values, start, offset, slopes=None, error: Any = 0, observe=None
):
    """(rows, offset, error): sum_v rows[v] . v + offset - error is below the target on
    the input sets, and every v is an input or depends on none.

    Arguments as for `lower_bounds`. observe(position, given, part), if given, sees the
    rows on the results of each equation and the contribution of its step.
    """
    rows = dict(start)
    error = jnp.zeros_like(offset) + error
    for position in range(len(equations) - 1, -1, -1):
        results = equations[position].outputs
        if steps[position] is None or not any(number in rows for number in results):
            continue
        given = [_rows_or_zero(rows, n, values, offset.shape[0]) for n in results]
        slope = None if slopes is None else slopes.get(position)
        part = steps[position].back(given, values, slope=slope)
        if observe is not None:
            observe(position, given, part)
        # no gradient flows into the slack: it is as small as it looks
        slack = lax.stop_gradient(part.error)
        offset, error = add(offset, part.offset, error + slack)
        for number, coefficients in part.rows:
            size = magnitude(values[number]) if number in rows else 0
            lost = accumulate(rows, number, coefficients, size)
            error = error + lax.stop_gradient(lost)
    return rows, offset, error


def total_error(error, count):
    """The error with what adding it up over `count` equations may have lost."""
    eps = float(jnp.finfo(error.dtype).eps)
    return round_up(error * (1 + 8 * (count + 2) * eps), ulps=2)


def _rows_or_zero(rows, number, values, count):
    given = rows.pop(number, None)
    if given is not None:
        return given
    return jnp.zeros((count, *values[number].shape), values[number].dtype)
