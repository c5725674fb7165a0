"""Points of the domain: there is no other data, for the equation is the teacher."""

from dataclasses import dataclass

import numpy as np

from torchlean_jax.domains._errors import InputError


@dataclass(frozen=True)
class Points:
    """Uniform in the box [lo, hi]."""

    lo: tuple[float, ...]
    hi: tuple[float, ...]

    def batch(self, step: int, size: int, seed: int) -> np.ndarray:
        """[size, coordinates].

        >>> Points((0.0, 2.0), (1.0, 3.0)).batch(0, 5, seed=0).shape
        (5, 2)
        """
        random = np.random.default_rng([seed, step])
        return random.uniform(self.lo, self.hi, (size, len(self.lo))).astype("float32")


def points(path: str | None, lo, hi) -> Points:
    """Raises InputError for a path."""
    if path is not None:
        raise InputError(f"{path}: a solution is learned from its equation, not a file")
    return Points(lo, hi)
