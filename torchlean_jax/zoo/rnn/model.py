"""Elman's cell: a state that is mixed with each input.

Source: Elman 1990 (Cognitive Science 14), with tanh.
"""

import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._recurrent import Cell


def published(params, state, row):
    """h' = tanh(W x + b + U h)."""
    mixed = row @ params["dense_i.kernel"] + params["dense_i.bias"]
    return jnp.tanh(mixed + state @ params["dense_h.kernel"])


CELL, WIDTH = Cell(nnx.SimpleCell, 1, published), 64
