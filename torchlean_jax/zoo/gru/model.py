"""The gated recurrent unit, with the reset gate behind the product with the state.

Source: Cho et al. 2014 (arXiv:1406.1078), whose reset gate stands before that product;
behind it, it is as cuDNN computes it: n = tanh(W x + b + r (U h)).
"""

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._recurrent import Cell


def published(params, state, row):
    """h' = (1 - z) n + z h with the gates r and z."""
    weights = jnp.split(params["dense_i.kernel"], 3, -1)
    others = jnp.split(params["dense_h.kernel"], 3, -1)
    biases = jnp.split(params["dense_i.bias"], 3)
    given = [row @ w + b for w, b in zip(weights, biases, strict=True)]
    own = [state @ u for u in others]
    r, z = (jax.nn.sigmoid(x + h) for x, h in zip(given[:2], own[:2], strict=True))
    n = jnp.tanh(given[2] + r * own[2])
    return (1 - z) * n + z * state


CELL, WIDTH = Cell(nnx.GRUCell, 1, published), 48
