"""Interval rules for the derivatives of max- and min-pooling.

Each window selects one of its elements: the gradient is sent there, the tangent is read
there. Where the boxes of several elements overlap, each may be the selected one.
"""

import itertools

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval._arithmetic import add, nan_if
from torchlean_jax.domains.interval._value import Interval, bounds_of_dtype, rules


@rules.define_op("select_and_scatter_add")
def _select_and_scatter_add(operation, source, operand):
    """The sum of what the windows send to each element; 0 is sent where nothing is."""
    p = operation.params
    source, operand = Interval.lift(source), Interval.lift(operand)
    ones = (1,) * operand.ndim
    layout = p["window_dimensions"], p["window_strides"], p["padding"], ones, ones
    possible, certain = _selected(p["select_prim"], operand, layout)
    zero = jnp.zeros_like(operand.lo)
    total = Interval(zero, zero)
    for place, offset in enumerate(_offsets(p["window_dimensions"])):
        sent = Interval(
            _where_sent(possible[place], certain[place], source.lo, jnp.minimum),
            _where_sent(possible[place], certain[place], source.hi, jnp.maximum),
        )
        lo, hi = (
            _put_back(e, offset, operand.shape, layout) for e in (sent.lo, sent.hi)
        )
        moved = add(total, Interval(lo, hi))
        # adding what is certainly 0 changes nothing, and must not widen
        idle = (lo == 0) & (hi == 0)
        total = Interval(
            jnp.where(idle, total.lo, moved.lo), jnp.where(idle, total.hi, moved.hi)
        )
    return total


def _where_sent(possible, certain, endpoint, with_zero):
    undecided = with_zero(endpoint, 0)
    return jnp.where(certain, endpoint, jnp.where(possible, undecided, 0))


@rules.define_op("select_and_gather_add")
def _select_and_gather_add(operation, tangents, operand):
    p = operation.params
    tangents, operand = Interval.lift(tangents), Interval.lift(operand)
    layout = (
        *(p["window_dimensions"], p["window_strides"], p["padding"]),
        *(p["base_dilation"], p["window_dilation"]),
    )
    possible, _ = _selected(p["select_prim"], operand, layout)
    read = [
        Interval(
            _window_elements(tangents.lo, offset, layout, 0),
            _window_elements(tangents.hi, offset, layout, 0),
        )
        for offset in _offsets(p["window_dimensions"])
    ]
    # a window of nothing but padding selects nothing that we know of
    nothing = ~jnp.stack(possible).any(axis=0)
    return nan_if(nothing, Interval.join(read, possible))


def _offsets(window):
    return list(itertools.product(*map(range, window)))


def _selected(select_prim, operand, layout):
    """Per offset in the window: (may be selected, certainly is selected)."""
    if "ge" not in str(select_prim):
        operand = Interval(-operand.hi, -operand.lo)
    least, _ = bounds_of_dtype(operand.dtype)
    offsets = _offsets(layout[0])
    lo = [_window_elements(operand.lo, o, layout, least) for o in offsets]
    hi = [_window_elements(operand.hi, o, layout, least) for o in offsets]
    inside = [
        _window_elements(jnp.ones_like(operand.lo), o, layout, 0) > 0 for o in offsets
    ]
    best = jnp.stack(lo).max(axis=0)  # NaN if any is, and then nothing is ruled out
    possible = [i & ~(h < best) for i, h in zip(inside, hi, strict=True)]
    alone = jnp.stack(possible).sum(axis=0) == 1
    return possible, [p & alone for p in possible]


def _window_elements(x, offset, layout, fill):
    """The element at `offset` of every window, `fill` where that is padding."""
    window, strides, padding, base, dilation = layout
    fill = jnp.asarray(fill, x.dtype)
    config = [(lo, hi, d - 1) for (lo, hi), d in zip(padding, base, strict=True)]
    padded = lax.pad(x, fill, config)
    start = [o * d for o, d in zip(offset, dilation, strict=True)]
    spans = [(w - 1) * d for w, d in zip(window, dilation, strict=True)]
    limit = [
        s + n - span for s, n, span in zip(start, padded.shape, spans, strict=True)
    ]
    return lax.slice(padded, start, limit, strides)


def _put_back(x, offset, shape, layout):
    """The transpose of `_window_elements`: each element of `x` at its place."""
    _, strides, padding, _, _ = layout
    config = []
    for o, (before, _), stride, n, count in zip(
        offset, padding, strides, shape, x.shape, strict=True
    ):
        first = o - before
        last = first + (count - 1) * stride
        config.append((first, n - 1 - last, stride - 1))
    return lax.pad(x, jnp.zeros((), x.dtype), config)
