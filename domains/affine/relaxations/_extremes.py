"""Maxima over axes, windows and prefixes: which element stands for the result.

y = max of the elements of a window. Below, y is at least the element with the largest
lower bound. Above, let k have the largest upper bound and M be the largest of the
others': y <= max(x_k, M), which is x_k itself if M <= l_k, and else lies below the
chord from (l_k, M) to (u_k, u_k). Minima are left to the caller: they are maxima of
negatives.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from torchlean_jax.domains.affine._lines import undecided
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._rounding import round_down, round_up

MINIMA = {
    "reduce_min": "reduce_max",
    "reduce_window_min": "reduce_window_max",
    "cummin": "cummax",
}
MAXIMA = frozenset(MINIMA.values())


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Choice:
    """x[low] + least <= y <= rise * x[high] + level, for each result (positions are
    flat).

    `least` is 0, or -inf for a window of nothing but padding.
    """

    low: Array
    least: Array
    high: Array
    rise: Array
    level: Array


def windows_of(operation, shape) -> np.ndarray:
    """[results, k]: flat positions of the elements of each window; -1 stands for
    none."""
    places = np.arange(int(np.prod(shape))).reshape(shape)
    params, name = operation.params, MINIMA.get(operation.name, operation.name)
    if name == "reduce_max":
        axes = params["axes"]
        kept = [d for d in range(len(shape)) if d not in axes]
        count = int(np.prod([shape[d] for d in kept]))
        return places.transpose(*kept, *axes).reshape(count, -1)
    if name == "cummax":
        return _prefixes(places, params["axis"], params["reverse"])
    return _pooled(places, params)


def _prefixes(places, axis, reverse):
    n = places.shape[axis]
    lanes = np.moveaxis(places, axis, -1)
    allowed = np.tri(n, dtype=bool)
    windows = np.where(allowed.T if reverse else allowed, lanes[..., None, :], -1)
    return np.moveaxis(windows, -2, axis).reshape(places.size, n)


def _pooled(places, params):
    ones = (1,) * places.ndim
    base = params.get("base_dilation", ones)
    spread = np.full(
        [(n - 1) * d + 1 for n, d in zip(places.shape, base, strict=True)], -1
    )
    spread[tuple(slice(None, None, d) for d in base)] = places
    padding = params["padding"]
    width = [(max(before, 0), max(after, 0)) for before, after in padding]
    padded = np.pad(spread, width, constant_values=-1)
    cut = tuple(
        slice(max(-before, 0), n - max(-after, 0))
        for (before, after), n in zip(padding, padded.shape, strict=True)
    )
    dilation = params.get("window_dilation", ones)
    spans = [
        (w - 1) * d + 1
        for w, d in zip(params["window_dimensions"], dilation, strict=True)
    ]
    views = np.lib.stride_tricks.sliding_window_view(padded[cut], spans)
    steps = (*params["window_strides"], *dilation)
    views = views[tuple(slice(None, None, step) for step in steps)]
    return views.reshape(int(np.prod(views.shape[: places.ndim])), -1)


def choose(x: Interval, windows: np.ndarray) -> Choice:
    """The lines of y = max over each window."""
    inside, rows = windows >= 0, jnp.arange(windows.shape[0])
    positions = jnp.asarray(np.where(inside, windows, 0))
    lo, hi = _gathered(x, windows)
    low, high = jnp.argmax(lo, axis=1), jnp.argmax(hi, axis=1)
    second = jnp.max(hi.at[rows, high].set(-jnp.inf), axis=1)
    first, most = lo[rows, high], hi[rows, high]
    certain = first >= second
    run = round_down(most - first)
    slope = round_up(round_up(most - second) / jnp.where(run > 0, run, 1), ulps=3)
    usable = jnp.isfinite(slope) & jnp.isfinite(first) & (run > 0)
    rise = jnp.where(certain, 1, jnp.where(usable, jnp.minimum(slope, 1), 0))
    level = round_up(second - round_down(rise * first, ulps=1))
    level = jnp.where(certain, 0, jnp.where(usable, level, most))
    empty = ~inside.any(axis=1)
    least = jnp.where(jnp.asarray(empty), -jnp.inf, 0).astype(x.dtype)
    rise, level = jnp.where(empty, 0, rise), jnp.where(empty, jnp.inf, level)
    return Choice(positions[rows, low], least, positions[rows, high], rise, level)


def _gathered(x, windows):
    """Bounds of the elements of each window; one that may be no number is never chosen
    below."""
    inside = windows >= 0
    lo, hi = (
        jnp.where(inside, end.reshape(-1)[np.maximum(windows, 0)], -jnp.inf)
        for end in (x.lo, x.hi)
    )
    return jnp.where(jnp.isnan(lo), -jnp.inf, lo), jnp.where(jnp.isnan(hi), jnp.inf, hi)


@undecided.define_op(*MAXIMA, *MINIMA)
def _contenders(operation, x):
    """The elements that may be the largest, where more than one may."""
    if operation.name in MINIMA:
        x = Interval(-x.hi, -x.lo)
    windows = windows_of(operation, x.shape)
    lo, hi = _gathered(x, windows)
    may = (windows >= 0) & (hi > jnp.max(lo, axis=1, keepdims=True))
    may &= jnp.sum(may, axis=1, keepdims=True) > 1
    wanted = jnp.zeros(x.size, bool).at[np.maximum(windows, 0)].max(may)
    return wanted.reshape(x.shape)
