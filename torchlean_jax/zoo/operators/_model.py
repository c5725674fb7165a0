"""Layers that mix the lowest Fourier modes of functions of one variable or of two.

No layer is told where it is, so that what they make up commutes with translations.
Source: Li et al. 2021 (arXiv:2010.08895), section 4.
"""

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.pallas_kernels import spectral_convolution


class Layer(nnx.Module):
    """The modes by matrices of their own, and every point by one for all."""

    def __init__(self, width: int, modes: tuple[int, ...], rngs: nnx.Rngs):
        shape = (2, *modes, width, width)
        self.modes = nnx.Param(jax.random.normal(rngs.params(), shape) / width)
        self.point = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x):
        return spectral_convolution(x, jnp.asarray(self.modes[...])) + self.point(x)


class Operator(nnx.Module):
    """From `inputs` functions to one, on the points of any grid that has the modes.

    modes: as many along each axis in space as `spectral_convolution` keeps.
    """

    def __init__(
        self,
        inputs: int,
        modes: tuple[int, ...],
        width: int,
        depth: int,
        rngs: nnx.Rngs,
    ):
        self.lift = nnx.Linear(inputs, width, rngs=rngs)
        self.layers = nnx.List([Layer(width, modes, rngs) for _ in range(depth)])
        self.widen = nnx.Linear(width, 2 * width, rngs=rngs)
        self.project = nnx.Linear(2 * width, 1, rngs=rngs)

    def mixed(self, x):
        """[batch, *space, inputs], values at the points, to [batch, *space]."""
        x = self.lift(x)
        for number, layer in enumerate(self.layers):
            x = tl.cut(layer(x))  # an identity, at which equal values are found
            if number < len(self.layers) - 1:
                x = tl.cut(jax.nn.gelu(x))
        return self.project(jax.nn.gelu(self.widen(x)))[..., 0]
