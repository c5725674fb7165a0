"""Long short-term memory.

Source: Hochreiter and Schmidhuber 1997 (Neural Computation 9), with the forget gate of
Gers, Schmidhuber and Cummins 2000 (Neural Computation 12).
"""

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._recurrent import Cell


def published(params, state, row):
    """c' = f c + i g and h' = o tanh(c'), where i, f, o are logistic gates and g is
    tanh of linear functions of x and h."""
    c, h = state
    weights = jnp.split(params["dense_i.kernel"], 4, -1)
    others = jnp.split(params["dense_h.kernel"], 4, -1)
    biases = jnp.split(params["dense_h.bias"], 4)
    i, f, g, o = (
        row @ w + h @ u + b for w, u, b in zip(weights, others, biases, strict=True)
    )
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return c, jax.nn.sigmoid(o) * jnp.tanh(c)


CELL, WIDTH = Cell(nnx.OptimizedLSTMCell, 2, published), 48
