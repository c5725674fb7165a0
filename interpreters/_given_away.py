"""What the linear bounds of nonlinear equations give away, by elements of an operand.

For choosing what to cut: rough where nothing better is cheap, never of consequence for
what is proved. With a the coefficients of a target on the results of an equation:

* between two lines (`Relaxed`): |a| times the distance of the line from the function at
  the point where the bound is reached, and a little of the distance between the lines;
* for products, |a| dx dy with the radii of the other operand: what McCormick's planes
  give away at most;
* for the largest of several, |a| times how far an element may exceed the largest lower
  end of its window;
* otherwise the coefficient on the element times the width of its enclosure.
"""

import jax
import jax.numpy as jnp

from torchlean_jax.domains.affine.relaxations import MINIMA, windows_of
from torchlean_jax.interpreters import _extremes, _linear, _products, _steps

_APART = 0.01  # weight of the lines' distance beside the loss; as for switches


def given_away(cell, number, seen, row, slopes, reached):
    """[*shape] for the elements of an operand.

    seen: by position of an equation that uses it, (rows on its results, Contribution).
    row: the one that counts. reached: values where its bound is reached.
    """
    total = jnp.zeros(cell.values[number].shape)
    for position, (given, part) in seen.items():
        step, a = cell.steps[position], given[0][row]
        if isinstance(step, _steps.Relaxed):
            slope = slopes.get(position)
            slope = None if slope is None else slope[row]
            lost = _by_lines(step, cell.values, a, slope, reached)
            shape = cell.values[number].shape
            found = _steps._unbroadcast(lost[None], shape)[0]
        elif isinstance(step, _products.Product | _products.Weighting):
            found = _by_product(step.equation, cell.values, number, a)
        elif isinstance(step, _extremes.Extreme):
            found = _by_extreme(step.equation, cell.values[number], a)
        else:
            found = _by_width(part, cell.values, number, row)
        total = total + jnp.where(jnp.isfinite(found), found, 0)
    return total


def _by_lines(step, values, a, slope, reached):
    lines, (result,) = step.lines(values, slope), step.equation.outputs
    low, high = _at(lines, step.equation.inputs, values, reached)
    y = reached[result]
    lost = jnp.where(a > 0, a * (y - low), a * (y - high))
    apart = jnp.abs(a) * (high - low)
    return jnp.maximum(lost, 0) + _APART * jnp.maximum(apart, 0)


def _at(lines, inputs, values, reached):
    low, high = lines.lower_offset, lines.upper_offset
    for i, p, q in zip(inputs, lines.lower, lines.upper, strict=True):
        if p is not None and q is not None and i in reached:
            low, high = low + p * reached[i], high + q * reached[i]
    return low, high


def _by_product(equation, values, number, a):
    sizes = [values[i].width * 0.5 for i in equation.inputs]
    times = _linear.linear_map(equation, [None, None])
    result, transposed = jax.vjp(times, *sizes)
    weights = transposed(jnp.abs(a).astype(result.dtype))
    pairs = zip(equation.inputs, sizes, weights, strict=True)
    return sum(size * weight for i, size, weight in pairs if i == number)


def _by_extreme(equation, x, a):
    lo, hi = (-x.hi, -x.lo) if equation.name in MINIMA else (x.lo, x.hi)
    lo, hi = lo.reshape(-1), hi.reshape(-1)
    windows = windows_of(equation.operation, x.shape)
    most = jnp.where(windows >= 0, lo[windows], -jnp.inf).max(axis=1, keepdims=True)
    above = jnp.where(windows >= 0, jnp.maximum(hi[windows] - most, 0), 0)
    # of a window, only what others may reach is given away
    others = jnp.sum(above > 0, axis=1, keepdims=True) > 1
    lost = jnp.where(others, jnp.abs(a).reshape(-1, 1) * above, 0)
    found = (
        jnp.zeros(x.size, lost.dtype).at[windows].add(jnp.where(windows < 0, 0, lost))
    )
    return found.reshape(x.shape)


def _by_width(part, values, number, row):
    rows = [rows[row] for n, rows in part.rows if n == number]
    if not rows:
        return values[number].width
    return sum(jnp.abs(r) for r in rows) * values[number].width
