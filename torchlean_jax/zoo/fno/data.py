"""Burgers' equation u_t + u u_x = nu u_xx on the circle, solved in Fourier space.

Starts are drawn from a Gaussian field, as in section 5.1 of Li et al. 2021: the
covariance is 625 (-d^2 + 25)^-2. The solver takes classical Runge-Kutta steps of order
4 with the viscous part integrated exactly, and drops the upper third of the modes of a
product, which would alias (Canuto et al. 2006, sections 3.2.2 and D.3).
"""

import functools

import numpy as np

from torchlean_jax.zoo.operators._data import Pairs, pairs, read

VISCOSITY, END = 0.1, 1.0
TRAIN, HELD_OUT = 1024, 128


def solutions(
    path: str | None, points: int, train: int = TRAIN, held_out: int = HELD_OUT
) -> Pairs:
    """Starts and ends, solved here or read from a file (`operators._data.read`)."""
    if path is not None:
        return pairs(*read(path, points, space=1), points)
    solved = _solved(train + held_out, 2 * points)
    return pairs(solved, np.arange(len(solved)) >= train, points)


def burgers(start: np.ndarray, end: float, steps: int, viscosity=VISCOSITY):
    """u at time `end`, from u at time 0 on n points of the circle: [batch, n].

    >>> burgers(np.full((1, 8), 0.5), 1.0, 10).round(12).tolist()
    [[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]]
    """
    n, step = start.shape[-1], end / steps
    wave = 2 * np.pi * np.arange(n // 2 + 1)
    half = np.exp(-viscosity * wave**2 * step / 2)
    kept = np.arange(n // 2 + 1) <= n // 3

    def rate(modes):
        u = np.fft.irfft(modes, n)
        return -0.5j * wave * kept * np.fft.rfft(u * u)

    modes = np.fft.rfft(start)
    for _ in range(steps):
        k1 = step * rate(modes)
        k2 = step * rate(half * (modes + k1 / 2))
        k3 = step * rate(half * modes + k2 / 2)
        k4 = step * rate(half**2 * modes + half * k3)
        modes = half**2 * modes + (half**2 * k1 + 2 * half * (k2 + k3) + k4) / 6
    return np.fft.irfft(modes, n)


def drawn(count: int, points: int) -> np.ndarray:
    """Functions of the Gaussian field; of a real one the mean is drawn as well."""
    random = np.random.default_rng(0)
    wave = 2 * np.pi * np.arange(points // 2)
    size = 25 / (wave**2 + 25)
    parts = random.standard_normal((2, count, points // 2)) / np.sqrt(2)
    modes = size * (parts[0] + 1j * parts[1])
    modes[:, 0] = size[0] * parts[0, :, 0] * np.sqrt(2)
    return points * np.fft.irfft(np.pad(modes, ((0, 0), (0, 1))), points)


@functools.cache
def _solved(count: int, points: int) -> np.ndarray:
    start = drawn(count, points)
    return np.stack([start, burgers(start, END, steps=4 * points)], 1)
