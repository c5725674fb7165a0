"""Pairs of functions on a grid, and on one that is twice as fine.

A grid has n points to a side: j / n for j from 0, the end left out. Which equation
leads from one function of a pair to the other is not here.
"""

from dataclasses import dataclass

import numpy as np

from torchlean_jax.domains._errors import InputError

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Pairs:
    """Functions that are given, and those that are wanted: float32 [functions, *space].

    fine: the held-out ones on twice as many points to a side.
    """

    train: Pair
    held_out: Pair
    fine: Pair

    def batch(self, step: int, size: int, seed: int) -> dict:
        given, wanted = self.train
        chosen = np.random.default_rng([seed, step]).integers(0, len(given), size)
        return {"given": given[chosen], "wanted": wanted[chosen]}


def pairs(both: np.ndarray, held: np.ndarray, points: int) -> Pairs:
    """Of [functions, 2, *space]; held: which functions are held out.

    The side of the space is an even multiple of `points`.

    >>> both = np.arange(32.0).reshape(2, 2, 8)
    >>> pairs(both, np.array([False, True]), points=4).held_out[0].tolist()
    [[16.0, 18.0, 20.0, 22.0]]
    """
    space = both.ndim - 2
    by = both.shape[-1] // (2 * points)
    fine = both[(..., *[slice(None, None, by)] * space)].astype(np.float32)
    coarse = fine[(..., *[slice(None, None, 2)] * space)]
    return Pairs(*(_pair(x) for x in (coarse[~held], coarse[held], fine[held])))


def read(path: str, points: int, space: int) -> tuple[np.ndarray, np.ndarray]:
    """A `.npy` of [functions, 2, n, ...], and which functions are held out: every
    eighth. n is an even multiple of `points`.

    Raises InputError, which says what is wrong with the file.
    """
    try:
        both = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: {error}") from error
    side = both.shape[-1] if both.ndim == 2 + space else 0
    fits = side > 0 and both.shape[1:] == (2, *[side] * space) and len(both) >= 8
    if not fits or side % (2 * points):
        raise InputError(
            f"{path}: [functions, 2{', n' * space}] is needed, eight functions at "
            f"least, n a multiple of {2 * points}; this is {list(both.shape)}"
        )
    if not np.isfinite(both).all():
        raise InputError(f"{path}: not all numbers are finite")
    return both, np.arange(len(both)) % 8 == 7


def _pair(x):
    return np.ascontiguousarray(x[:, 0]), np.ascontiguousarray(x[:, 1])
