"""Rules for windows: sums in order, extremes, and the derivatives of pooling.

A place of a window that lies outside the array takes no part, so a sum has fewer terms
there; a window without any gives +0 (an extreme, an infinity).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._windows import Windows
from torchlean_jax.domains.ieee32._arithmetic import words
from torchlean_jax.domains.ieee32._fold import total
from torchlean_jax.domains.ieee32._kernels import _order
from torchlean_jax.domains.ieee32._reduce import (
    LARGEST,
    SMALLEST,
    Extreme,
    from_keys,
)
from torchlean_jax.domains.ieee32._rules import rule
from torchlean_jax.domains.ieee32._value import FloatBits, choose


@rule("reduce_window_sum")
def _reduce_window_sum(domain, x, **params):
    windows = Windows.of(**params)
    terms = stacked([windows.at(offset, x) for offset in windows.offsets()])
    inside = windows.inside(x.shape)
    return total(domain, "add", terms, None if inside.all() else jnp.asarray(inside))


def stacked(values):
    return jax.tree.map(lambda *a: jnp.stack(a), *values)


def _reduce_window_extreme(extreme: Extreme, domain, x, **params):
    w = Windows.of(**params)
    layout = w.shape, w.strides, w.padding, w.base_dilation, w.window_dilation
    start = jnp.asarray(extreme.start(x))
    keys = lax.reduce_window(extreme.keys(domain, x), start, extreme.combine, *layout)
    flags = x.flags
    if flags is not None:
        flags = lax.reduce_window(flags, np.uint8(0), lax.bitwise_or, *layout)
    return from_keys(x, keys, flags)


for _name, _extreme in (
    ("reduce_window_max", LARGEST),
    ("reduce_window_min", SMALLEST),
):
    rule(_name)(functools.partial(_reduce_window_extreme, _extreme))


@rule("select_and_scatter_add")
def _select_and_scatter_add(domain, source, operand, *, select_prim, **params):
    """What the windows send to the element that each selects, summed in the order of
    the windows."""
    windows = Windows.of(**params)
    selected = _selected(domain, windows, select_prim, operand)
    terms, present = [], []
    # of the windows over an element, the first one has it at its last place
    for number, offset in reversed(list(enumerate(windows.offsets()))):
        back = functools.partial(windows.put_back, offset, shape=operand.shape)
        terms.append(jax.tree.map(back, source))
        present.append(back((selected == number).astype(jnp.int8)) > 0)
    return total(domain, "add", stacked(terms), jnp.stack(present))


@rule("select_and_gather_add")
def _select_and_gather_add(domain, tangents, operand, *, select_prim, **params):
    """The tangent of the element that each window selects."""
    windows = Windows.of(**params)
    selected = _selected(domain, windows, select_prim, operand)
    zero = jnp.zeros(selected.shape, tangents.bits.dtype)
    result = domain.lift(FloatBits(zero, tangents.format))
    for number, offset in enumerate(windows.offsets()):
        result = choose(selected == number, windows.at(offset, tangents), result)
    return result


def _selected(domain, windows, select_prim, operand):
    """The number of the selected place in each window, -1 if all lie outside.

    As XLA defines it: an element stays selected while `select` (>= or <=) holds between
    it and the next one.
    """
    name = str(select_prim).removesuffix("_p")
    first, *others = windows.offsets()
    inside = windows.inside(operand.shape)
    best = words(domain, windows.at(first, operand))
    chosen = jnp.where(inside[0], 0, -1)
    for number, offset in enumerate(others, start=1):
        x = words(domain, windows.at(offset, operand))
        stays = _order.compare(operand.format, name, best, x) & (chosen >= 0)
        moves = inside[number] & ~stays
        best, chosen = jnp.where(moves, x, best), jnp.where(moves, number, chosen)
    return chosen
