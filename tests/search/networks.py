"""The small ReLU networks on which verdicts are compared with the exact minimum."""

import itertools

import jax
import numpy as np

from torchlean_jax.search import Attack

QUICK = Attack(restarts=8, steps=15)
ROWS = np.array([[1.0, -1.0, 0.0], [1.0, 0.0, -1.0]])  # output 0 against the others


def network(layers, x):
    """layers: [(weights[in, out], bias[out])]."""
    for number, (weights, bias) in enumerate(layers):
        x = jax.nn.relu(x) if number else x
        x = x @ weights + bias
    return x


def random_layers(seed, *widths):
    """float32 layers of these widths, by default 2, 5, 4, 3."""
    random = np.random.default_rng(seed)
    return [
        (
            random.normal(size=shape).astype(np.float32),
            random.normal(size=shape[1]).astype(np.float32),
        )
        for shape in itertools.pairwise(widths or (2, 5, 4, 3))
    ]
