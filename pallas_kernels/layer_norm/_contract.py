"""What LayerNorm promises."""

import functools

import jax.numpy as jnp

from torchlean_jax.pallas_kernels._row_terms import (
    BECAUSE,
    SHAPES,
    SLACK,
    normal,
)
from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.layer_norm import _kernel, _reference
from torchlean_jax.pallas_kernels.layer_norm._op import layer_norm

EPS = 1e-6


def _forward(key, shape, dtype):
    features = shape[-1:]
    shapes = (shape, features, features)
    return tuple(normal(key, s, dtype, k) for k, s in enumerate(shapes))


def _backward(key, shape, dtype):
    shapes = (shape, shape[-1:], shape)
    return tuple(normal(key, s, dtype, k) for k, s in enumerate(shapes))


TERMS = Terms(
    name="layer_norm",
    summary="(x - mean(x)) / sqrt(var(x) + eps) * weight + bias, by tiles of rows",
    formula="y = (x - mean(x)) / sqrt(mean((x - mean(x))**2) + eps) * weight + bias",
    op=layer_norm,
    differentiable=layer_norm,
    programs=(
        Program(
            "layer_norm",
            functools.partial(_kernel.layer_norm, eps=EPS),
            functools.partial(_reference.layer_norm, eps=EPS),
            _forward,
            slack=SLACK,
            because=BECAUSE,
        ),
        Program(
            "layer_norm_backward",
            functools.partial(_kernel.layer_norm_backward, eps=EPS),
            functools.partial(_reference.layer_norm_backward, eps=EPS),
            _backward,
            slack=SLACK,
            because=BECAUSE,
        ),
    ),
    typical=(8192, 4096),
    streaming=(512, 1000),
    shapes=SHAPES,
    edges=(
        Edge("no rows", lambda op: op(jnp.zeros((0, 4)), jnp.ones(4), jnp.ones(4))),
        Edge(
            "equal features",
            lambda op: op(jnp.full((2, 4), 7.0), jnp.ones(4), jnp.arange(4.0)),
            expected=lambda: jnp.tile(jnp.arange(4.0), (2, 1)),
        ),
        Edge(
            "large and close",
            lambda op: op(40000.0 + jnp.arange(4.0)[None], jnp.ones(4), jnp.zeros(4)),
        ),
        Edge("tiny", lambda op: op(1e-18 * jnp.eye(3), jnp.ones(3), jnp.zeros(3))),
        Edge("overflow", lambda op: op(3e38 * jnp.eye(3), jnp.ones(3), jnp.zeros(3))),
        Edge(
            "a NaN stays in its row",
            lambda op: op(
                jnp.eye(3, 5).at[1, 2].set(jnp.nan), jnp.ones(5), jnp.zeros(5)
            )[::2],
            expected=lambda: layer_norm(
                jnp.eye(3, 5)[::2],
                jnp.ones(5),
                jnp.zeros(5),
                implementation="reference",
            ),
        ),
    ),
)
