"""Surfaces {f = 0}, as of a neural distance function: where there is provably none.

A cell on which an enclosure of f leaves out 0 has no point of the surface; others are
halved. A ray is followed likewise, on segments: one without 0 is passed and the next is
twice as long, one that may have 0 is halved (a sphere trace steps by |f| and so trusts
f to be no more than a distance; here nothing of the kind is assumed). f is continuous,
so where its sign is proved to be another one, the surface was met on the way.

Pictures of boxes by cameras are in `_camera`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._bounds import bounds
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval import Interval


@dataclass(frozen=True)
class Free:
    """Cells of a box: `free` of the surface, and `open` ones, of which nothing is said.

    Both have the shape (cells, 2, n): the corners lo and hi. Together they are the box.
    volume: the share of the box that is free.
    """

    free: np.ndarray
    open: np.ndarray
    volume: float
    seconds: float


@dataclass(frozen=True)
class Traced:
    """Rays o + t d: no surface for t <= `clear`; its first point at most at `met`.

    Shape (rays,), in units of d. met: infinite where no other sign was found before
    the end of the ray.
    """

    clear: np.ndarray
    met: np.ndarray
    seconds: float


def free_cells(
    f: Callable, lo: Any, hi: Any, *, rounds: int = 12, batch: int = 1024
) -> Free:
    """The cells of a box in which f has no zero, by halving `rounds` times.

    f: a continuous scalar function of shape (n,) that `tl.bounds` takes. Over the
    reals, with rounding accounted for.

    Raises InputError for a box without an inside, and as `tl.bounds` does.

    >>> import jax.numpy as jnp
    >>> from torchlean_jax.science import free_cells
    >>> found = free_cells(lambda x: x @ x - 1.0, [0.0, 0.0], [2.0, 2.0], rounds=4)
    >>> found.volume >= 0.5  # of 4 parts a quarter holds the circle
    True
    """
    began = time.perf_counter()
    lo, hi = (np.asarray(end, np.float64) for end in (lo, hi))
    if (
        lo.ndim != 1
        or lo.shape != hi.shape
        or not (np.isfinite([lo, hi]).all() and (lo < hi).all())
    ):
        raise InputError(f"a finite box of shape (n,) is needed; got {lo} and {hi}")
    with jax.enable_x64(True):
        enclose = _enclosing(f)
        waiting, free = np.stack([lo, hi])[None], []
        for turn in range(rounds + 1):
            sign = _signs(enclose, waiting, batch)
            free.append(waiting[sign != 0])
            waiting = waiting[sign == 0]
            if turn < rounds:
                waiting = _halved(waiting, hi - lo)
    found = np.concatenate(free)
    volume = np.prod((found[:, 1] - found[:, 0]) / (hi - lo), axis=1).sum()
    return Free(found, waiting, float(volume), time.perf_counter() - began)


def trace(
    f: Callable, origin: Any, directions: Any, far: float, *, tolerance: float = 1e-3
) -> Traced:
    """How far rays go before they can meet {f = 0}, up to t = `far`.

    origin: (n,), and directions: (rays, n), as binary64 numbers. A ray ends where f is
    not seen to be without a zero on a segment as short as `tolerance`; `met` looks for
    the other sign from there on, in steps of that length.

    Raises InputError for rays without a direction, and as `tl.bounds` does.

    >>> import jax.numpy as jnp
    >>> from torchlean_jax.science import trace
    >>> found = trace(lambda x: x @ x - 1.0, [-3.0, 0.0], [[1.0, 0.0]], 4.0)
    >>> bool(1.99 < found.clear[0] <= 2.0 <= found.met[0] < 2.01)
    True
    """
    began = time.perf_counter()
    origin, rays = np.asarray(origin, np.float64), np.asarray(directions, np.float64)
    if rays.ndim != 2 or rays.shape[1:] != origin.shape or not rays.any(1).all():
        raise InputError(f"directions of shape (rays, {len(origin)}), none of them 0, "
                         f"are needed; got {rays.shape}")  # fmt: skip
    if not (np.isfinite(rays).all() and np.isfinite(origin).all()
            and 0 < tolerance < far < np.inf):  # fmt: skip
        raise InputError("origin and directions must be finite, 0 < tolerance < far")
    with jax.enable_x64(True):
        along = _enclosing(lambda s, d: f(jnp.asarray(origin) + s * d))
        first = _signs_along(along, np.zeros(len(rays)), np.zeros(len(rays)), rays)
        clear = _advanced(along, rays, far, tolerance)
        clear[first == 0] = 0.0
        met = _other_sign(along, rays, first, clear, far, tolerance)
    return Traced(clear, met, time.perf_counter() - began)


def _enclosing(f: Callable) -> Callable:
    """Bounds of f for many boxes (and as many other arguments) at once."""
    bounded = bounds(f, method="forward")
    return jax.jit(jax.vmap(lambda lo, hi, *rest: bounded(Interval(lo, hi), *rest)))


def _signs(enclose, cells: np.ndarray, batch: int) -> np.ndarray:
    """1 or -1 where f is seen to have that sign on a cell, else 0."""
    found = np.zeros(len(cells), int)
    for start in range(0, len(cells), batch):
        part = cells[start : start + batch]
        filled = part[np.resize(np.arange(len(part)), batch)]  # one shape only
        found[start : start + batch] = _sign(enclose(filled[:, 0], filled[:, 1]))[
            : len(part)
        ]
    return found


def _signs_along(along, start, end, rays) -> np.ndarray:
    return _sign(along(start, end, rays))


def _sign(value: Interval) -> np.ndarray:
    lo, hi = np.asarray(value.lo), np.asarray(value.hi)
    return (lo > 0).astype(int) - (hi < 0).astype(int)


def _advanced(along, rays, far: float, tolerance: float) -> np.ndarray:
    """The t of each ray before which f has no zero."""
    clear, step = np.zeros(len(rays)), np.full(len(rays), far / 4)
    while True:
        going = (step >= tolerance) & (clear < far)
        if not going.any():
            return clear
        end = np.minimum(clear + step, far)
        passed = going & (_signs_along(along, clear, end, rays) != 0)
        clear = np.where(passed, end, clear)
        step = np.where(passed, 2 * step, np.where(going, step / 2, step))


def _other_sign(along, rays, first, clear, far: float, tolerance: float) -> np.ndarray:
    """The t at which f has another sign than at 0, for certain; infinite if none is
    seen."""
    met = np.full(len(rays), np.inf)
    for k in range(1, 65):
        at = np.minimum(clear + k * tolerance, far)
        sign = _signs_along(along, at, at, rays)
        found = (first * sign < 0) & np.isinf(met)
        met = np.where(found, at, met)
    return met


def _halved(cells: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Across the side that is longest beside the box's."""
    axis = ((cells[:, 1] - cells[:, 0]) / sides).argmax(1)
    row = np.arange(len(cells))
    middle = cells.mean(1)[row, axis]
    first, second = cells.copy(), cells.copy()
    first[row, 1, axis], second[row, 0, axis] = middle, middle
    return np.concatenate([first, second])
