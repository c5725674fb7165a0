"""What the promises of kernels on whole rows have in common."""

import jax
import jax.numpy as jnp

# Rows x elements. The small ones are where mistakes hide.
SHAPES = {
    "one": (1, 1),
    "ragged": (5, 12),
    "square": (8, 8),
    "batched": (2, 3, 7),
    "wide": (2, 300),
}
SLACK = 2.0
BECAUSE = (
    "a sum runs over a tile, padded with zeros to a power of two, where the formula "
    "has n terms: at most twice as many roundings"
)


def normal(key, shape, dtype, number: int = 0):
    """Standard normal numbers; others for each `number`."""
    key = jax.random.fold_in(key, number)
    return jax.random.normal(key, shape, jnp.float32).astype(dtype)
