"""A function of two numbers to learn, at random points.

Source: example 1 of Liu et al. 2024 (arXiv:2404.19756), section 2.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError


def target(point):
    """exp(sin(pi x) + y^2) of points [..., 2]; used on [-1, 1]^2.

    >>> float(target(jnp.zeros(2)))
    1.0
    """
    return jnp.exp(jnp.sin(jnp.pi * point[..., 0]) + point[..., 1] ** 2)


@dataclass(frozen=True)
class Points:
    """Uniform points of [-1, 1]^2, fresh ones in every step, and held-out ones."""

    def batch(self, step: int, size: int, seed: int) -> dict:
        """
        >>> Points().batch(step=0, size=4, seed=0)["point"].shape
        (4, 2)
        """
        return _valued(np.random.default_rng([seed, step]), size)

    def held_out(self, size: int) -> dict:
        return _valued(np.random.default_rng([0]), size)


def points(path: str | None = None) -> Points:
    """Raises InputError for a file: what is learned is a function, not a table."""
    if path is not None:
        raise InputError(f"{path}: kan learns a function (`target`), and takes no file")
    return Points()


def _valued(random, size):
    point = random.uniform(-1, 1, (size, 2)).astype(np.float32)
    return {"point": point, "value": np.asarray(target(point))}
