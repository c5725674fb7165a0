"""Layers whose edges are functions of one number: a cubic spline and a smooth base.

Source: Liu et al. 2024 (arXiv:2404.19756), section 2.2, on fixed uniform knots.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from torchlean_jax.science import Spline
from torchlean_jax.zoo._network import Network

SIZES = (2, 5, 1)
REACH, PARTS = 2.0, 16  # a power of two: floats hold every knot
STEP = 2 * REACH / PARTS  # splines are sums of B-splines on [-REACH, REACH]
CENTERS = -REACH + STEP * np.arange(-1, PARTS + 2)


def basis(x):
    """The cubic B-splines at x, on a new last axis; they add up to 1 within REACH.

    A sum of truncated powers around each center, which has no cancellation far from
    it: (max(2 - |t|, 0)^3 - 4 max(1 - |t|, 0)^3) / 6 at t steps from the center.
    """
    t = abs((x[..., None] - CENTERS.astype(x.dtype)) / STEP)
    return (jax.nn.relu(2 - t) ** 3 - 4 * jax.nn.relu(1 - t) ** 3) / 6


class Layer(nnx.Module):
    """[..., before] to [..., after]: sums of one function for each pair."""

    def __init__(self, before: int, after: int, rngs: nnx.Rngs):
        scale = 1 / np.sqrt(before)
        shape = (before, len(CENTERS), after)
        self.splines = nnx.Param(0.1 * scale * jax.random.normal(rngs.params(), shape))
        self.base = nnx.Param(scale * jax.random.normal(rngs.params(), (before, after)))

    def __call__(self, x):
        curved = jnp.einsum("...ig,igo->...o", basis(x), self.splines[...])
        return curved + jax.nn.silu(x) @ self.base[...]


class KAN(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        pairs = itertools.pairwise(SIZES)
        self.layers = nnx.List([Layer(m, n, rngs) for m, n in pairs])

    def __call__(self, point):
        """[..., 2] to [...]."""
        for layer in self.layers:
            point = layer(point)
        return point[..., 0]


def edges(coefficients) -> list[Spline]:
    """The splines of a layer, exactly as its floats say, edge by edge."""
    knots = -REACH + STEP * np.arange(-3, PARTS + 4)
    flat = np.moveaxis(np.asarray(coefficients, float), 1, -1)
    return [Spline.bspline(knots, c, 3) for c in flat.reshape(-1, len(CENTERS))]


NETWORK = Network(KAN)
