"""Darcy's flow -div(a grad u) = 1 in the unit square, u = 0 around it.

The permeability a is the exponential of a periodic Gaussian field, as rocks are
modelled (Freeze 1975). It is given at the points of a grid; between two of them it is
their mean, and what flows through the four sides around each point adds up to 1
(LeVeque 2007, section 2.15). The linear equations are solved by sparse factorisation.

In the setting of Li et al. 2021, section 5.2, a takes two values; here it is smooth, so
that the solutions of two grids are close.
"""

import functools
import itertools

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo.operators._data import Pairs, pairs, read

TRAIN, HELD_OUT = 512, 128
SPREAD = 0.75  # standard deviation of log a at every point


def solutions(
    path: str | None, points: int, train: int = TRAIN, held_out: int = HELD_OUT
) -> Pairs:
    """Permeability and pressure, solved here or read (`operators._data.read`).

    Those that are solved here are trained on in the eight positions of the square.
    Raises InputError for permeabilities that are not positive.
    """
    if path is not None:
        both, held = read(path, points, space=2)
        if not (both[:, 0] > 0).all():
            raise InputError(f"{path}: a permeability is not positive")
        return pairs(both, held, points)
    solved = _solved(train + held_out, 2 * points)
    placed = np.concatenate([*positions(solved[:train]), solved[train:]])
    return pairs(placed, np.arange(len(placed)) >= 8 * train, points)


def drawn(count: int, points: int) -> np.ndarray:
    """log a: periodic, of mean 0 and spread SPREAD, with the covariance of
    (49 - laplacian)^-2.5 up to a factor: [count, points, points]."""
    noise = np.random.default_rng(0).standard_normal((count, points, points))
    wave = 2 * np.pi * np.fft.fftfreq(points, 1 / points)
    power = (49 + wave[:, None] ** 2 + wave[: points // 2 + 1] ** 2) ** -2.5
    alike = np.fft.irfft2(power, (points, points))[0, 0]  # the variance at a point
    size = SPREAD * np.sqrt(power / alike)
    return np.fft.irfft2(np.fft.rfft2(noise) * size, (points, points))


def equations(a: np.ndarray) -> scipy.sparse.csc_array:
    """The matrix of the pressures at the (n - 1)^2 points inside, from a at the n^2
    points j / n: the flow out of each, divided by the area of a cell.

    >>> equations(np.ones((2, 2))).toarray().tolist()
    [[16.0]]
    """
    n = len(a)
    a = np.pad(a, (0, 1), mode="wrap")
    inside = slice(1, n)
    number = np.pad(np.arange((n - 1) ** 2).reshape(n - 1, n - 1), 1, mode="edge")
    here = number[inside, inside].ravel()
    total, entries = np.zeros((n - 1) ** 2), []
    for step in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        there = tuple(slice(1 + s, n + s) for s in step)
        through = ((a[inside, inside] + a[there]) / 2 * n**2).ravel()
        total += through
        neighbour = number[there].ravel()
        keep = neighbour != here  # on the boundary u is 0
        entries.append((-through[keep], here[keep], neighbour[keep]))
    entries.append((total, here, here))
    value, row, column = map(np.concatenate, zip(*entries, strict=True))
    return scipy.sparse.coo_array((value, (row, column))).tocsc()


def pressure(a: np.ndarray) -> np.ndarray:
    """u at the points of the grid of a: [n, n], 0 where the boundary is.

    >>> pressure(np.ones((2, 2))).tolist()
    [[0.0, 0.0], [0.0, 0.0625]]
    """
    n = len(a)
    inside = scipy.sparse.linalg.splu(equations(a)).solve(np.ones((n - 1) ** 2))
    return np.pad(inside.reshape(n - 1, n - 1), ((1, 0), (1, 0)))


def positions(u: np.ndarray):
    """The eight positions of functions on the grid: [..., n, n] each.

    A point j / n of a side goes to 1 - j / n, which is the point -j modulo n.
    """
    for first, second, turned in itertools.product((1, -1), (1, -1), (False, True)):
        place = [
            np.arange(u.shape[-1]) * sign % u.shape[-1] for sign in (first, second)
        ]
        moved = u[..., place[0][:, None], place[1]]
        yield np.swapaxes(moved, -1, -2) if turned else moved


@functools.cache
def _solved(count: int, points: int) -> np.ndarray:
    permeable = np.exp(drawn(count, points))
    return np.stack([permeable, [pressure(a) for a in permeable]], 1)
