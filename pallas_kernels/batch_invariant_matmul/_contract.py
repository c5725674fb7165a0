"""What the batch-invariant product promises."""

import jax.numpy as jnp

from torchlean_jax.pallas_kernels._row_terms import normal
from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.batch_invariant_matmul import _kernel, _reference
from torchlean_jax.pallas_kernels.batch_invariant_matmul._op import (
    batch_invariant_matmul,
)

# (shape of x, columns of the weight): rows are another number than columns.
SHAPES = {
    "ragged": ((5, 12), 9),
    "square": ((17, 16), 16),
    "batch": ((64, 40), 70),
}
_WHY = (
    "each axis of a tile is padded with zeros to a power of two, at least 16, and the "
    "sums of tiles are added: at most twice as many roundings for 9 terms or more"
)


def _arguments(key, shape, dtype):
    shape, width = shape
    return normal(key, shape, dtype), normal(key, (shape[-1], width), dtype, 1)


TERMS = Terms(
    name="batch_invariant_matmul",
    summary="matrix product whose rows have the same bits in every batch",
    formula="y = x @ weight",
    op=batch_invariant_matmul,
    differentiable=batch_invariant_matmul,
    programs=(
        Program(
            "batch_invariant_matmul",
            _kernel.matmul,
            _reference.matmul,
            _arguments,
            slack=2.0,
            because=_WHY,
        ),
    ),
    typical=((64, 4096), 4096),
    shapes=SHAPES,
    edges=(
        Edge("no rows", lambda op: op(jnp.zeros((0, 4)), jnp.ones((4, 3)))),
        Edge("one number", lambda op: op(jnp.full(1, 3.0), jnp.full((1, 1), 7.0))),
        Edge(
            "a NaN stays in its row",
            lambda op: op(jnp.eye(3).at[1, 1].set(jnp.nan), jnp.ones((3, 2)))[::2],
            expected=lambda: jnp.ones((2, 2)),
        ),
        Edge("overflow", lambda op: op(jnp.full((2, 3), 3e38), jnp.ones((3, 2)))),
    ),
    rows=0,
)
