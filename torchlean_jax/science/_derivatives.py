"""Derivatives of a function of a few inputs: their values, and bounds of them on a box.

Enclosures come from jets of affine forms (`_jets`), one pass for all derivatives that
are wanted, and from cutting the box (`_supremum`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._interpret import interpret
from torchlean_jax.domains._errors import InputError, UndecidedError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science import _supremum
from torchlean_jax.science._jets import Jets
from torchlean_jax.science._supremum import Supremum
from torchlean_jax.science._undefined import undefined


def supremum(
    f: Callable,
    lo: Any,
    hi: Any,
    *,
    order: Sequence[int] = (),
    tolerance: float = 0.01,
    seconds: float = 60.0,
) -> Supremum:
    """A bound of |a partial derivative of f| over all real points of a box.

    f: a JAX function of an array of shape (d,) that returns a scalar, of smooth
        primitives (`science/_jets.py`); traced in float64.
    order: the inputs by which to differentiate, (0, 0) for the second derivative by the
        first; () for f itself.
    tolerance: how far the bound may exceed the largest value met at a point, relative.
        When the time is up first, the bound is still one, and `.finished` is False.

    Raises InputError for a degenerate box or an order that names no input,
    MissingRuleError listing the primitives of f that are not known to be smooth, and
    UndecidedError where f has no finite bound on some cell (a pole), with that cell.

    >>> import jax.numpy as jnp
    >>> found = supremum(lambda x: jnp.sin(x[0]) * x[1], [0.0, 0.0], [1.0, 2.0],
    ...                  order=(0,))
    >>> 2.0 <= found.bound <= 2.03
    True
    """
    lo, hi = (np.asarray(end, np.float64) for end in (lo, hi))
    order = tuple(sorted(order))
    if lo.ndim != 1 or lo.shape != hi.shape:
        raise InputError(f"a box of shape (d,) is needed; got {lo.shape}, {hi.shape}")
    if any(not 0 <= k < len(lo) for k in order):
        raise InputError(
            f"order {order} names an input that is not in 0..{len(lo) - 1}"
        )
    jets = Jets([order], len(lo))
    enclosing = interpret(f, domain=jets)

    def enclose(low, high) -> Interval:
        return jets.enclosures(enclosing(jets.input(low, high)))[jets.place[order]]

    value = derivatives(f, [order])
    found = _supremum.search(
        enclose,
        lambda x: value(x)[0],
        lo,
        hi,
        tolerance=tolerance,
        seconds=seconds,
    )
    return require_finite(
        found, lambda low, high: undefined(f, jets, jets.input(low, high))
    )


def require_finite(found: Supremum, undefined: Callable) -> Supremum:
    """undefined(lo, hi) names the operation that has no value on a cell."""
    if np.isfinite(found.bound):
        return found
    low, high = found.cell
    with jax.enable_x64(True):
        name = undefined(jnp.asarray(low), jnp.asarray(high))
    raise UndecidedError(
        f"no finite bound on the cell from {low.tolist()} to {high.tolist()}"
        + (f": no bound of {name}" if name else "")
        + "; a pole or the end of a domain is there, or it takes more cells than the "
        "time allowed"
    )


def derivatives(f: Callable, orders) -> Callable:
    """x -> the partial derivatives of f at x, stacked in the order given."""

    def along(g, k):
        def slope(x):
            direction = jnp.zeros_like(x).at[k].set(1)
            return jax.jvp(g, (x,), (direction,))[1]

        return slope

    def partial(order):
        g = f
        for k in order:
            g = along(g, k)
        return g

    parts = [partial(order) for order in orders]
    return lambda x: jnp.stack([g(x) for g in parts])
