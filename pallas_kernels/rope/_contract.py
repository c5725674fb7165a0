"""What rotary position embedding promises."""

import functools

import jax.numpy as jnp

from torchlean_jax.pallas_kernels._row_terms import normal
from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.rope import _kernel, _reference
from torchlean_jax.pallas_kernels.rope._op import rope

BASE = 10000.0
# Rows x elements.
SHAPES = {
    "one": (1, 2),
    "ragged": (5, 12),
    "square": (8, 8),
    "batched": (2, 3, 6),
    "wide": (2, 300),
}
_WHY = "each number is computed by the same operations, element by element"


def _arguments(key, shape, dtype):
    positions = 37 * jnp.arange(shape[-2], dtype=jnp.int32)
    return normal(key, shape, dtype), jnp.broadcast_to(positions, shape[:-1])


def _program(name, layout, sign):
    options = {"base": BASE, "layout": layout, "sign": sign}
    return Program(
        name,
        functools.partial(_kernel.rope, **options),
        functools.partial(_reference.rope, **options),
        _arguments,
        slack=1.0,
        because=_WHY,
    )


def differentiable(x, **options):
    positions = jnp.arange(x[..., 0].size).reshape(x.shape[:-1])
    return rope(x, positions, layout="half", **options)


TERMS = Terms(
    name="rope",
    summary="rotary position embedding, interleaved or by halves, at given positions",
    formula="(a cos t - b sin t, a sin t + b cos t), t = position * base**(-2 k / n)",
    op=rope,
    differentiable=differentiable,
    programs=(
        _program("rope_half", "half", 1.0),
        _program("rope_interleaved", "interleaved", 1.0),
        _program("rope_backward", "half", -1.0),
    ),
    typical=(65536, 128),
    streaming=(64, 1000),
    shapes=SHAPES,
    edges=(
        Edge(
            "no rows",
            lambda op: op(
                jnp.zeros((0, 4)), jnp.zeros(0, jnp.int32), layout="interleaved"
            ),
        ),
        Edge(
            "position 0",
            lambda op: op(jnp.ones((2, 4)), jnp.zeros(2, jnp.int32), layout="half"),
            expected=lambda: jnp.ones((2, 4)),
        ),
        Edge(
            "negative positions",
            lambda op: op(jnp.ones((2, 4)), -jnp.arange(2), layout="interleaved"),
        ),
        Edge(
            "huge",
            lambda op: op(jnp.full((2, 4), 1e38), jnp.arange(2), layout="interleaved"),
        ),
        Edge(
            "a NaN stays in its pair",
            lambda op: op(
                jnp.array([[jnp.nan, 1.0, 1.0, 1.0]]),
                jnp.zeros(1, jnp.int32),
                layout="half",
            ),
            expected=lambda: jnp.array([[jnp.nan, 1.0, jnp.nan, 1.0]]),
        ),
    ),
)
