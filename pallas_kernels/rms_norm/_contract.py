"""What RMSNorm promises."""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.rms_norm import _kernel, _reference
from torchlean_jax.pallas_kernels.rms_norm._op import rms_norm
from torchlean_jax.pallas_kernels.rms_norm._shapes import SHAPES

EPS = 1e-6
_WHY = (
    "a sum runs over a tile, padded with zeros to a power of two, where the formula "
    "has n terms: at most twice as many roundings"
)


def _forward(key, shape, dtype):
    x, w = jax.random.split(key)
    return (
        jax.random.normal(x, shape, jnp.float32).astype(dtype),
        jax.random.normal(w, shape[-1:], jnp.float32).astype(dtype),
    )


def _backward(key, shape, dtype):
    dy = jax.random.normal(jax.random.fold_in(key, 1), shape, jnp.float32)
    return (*_forward(key, shape, dtype), dy.astype(dtype))


TERMS = Terms(
    name="rms_norm",
    summary="x / sqrt(mean(x**2) + eps) * weight, by tiles of rows",
    formula="y = x / sqrt(mean(x**2) + eps) * weight",
    op=rms_norm,
    differentiable=rms_norm,
    programs=(
        Program(
            "rms_norm",
            functools.partial(_kernel.rms_norm, eps=EPS),
            functools.partial(_reference.rms_norm, eps=EPS),
            _forward,
            slack=2.0,
            because=_WHY,
        ),
        Program(
            "rms_norm_backward",
            functools.partial(_kernel.rms_norm_backward, eps=EPS),
            functools.partial(_reference.rms_norm_backward, eps=EPS),
            _backward,
            slack=2.0,
            because=_WHY,
        ),
    ),
    shapes=SHAPES,
    edges=(
        Edge("no rows", lambda op: op(jnp.zeros((0, 4)), jnp.ones(4))),
        Edge(
            "zeros",
            lambda op: op(jnp.zeros((2, 4)), jnp.ones(4)),
            expected=lambda: jnp.zeros((2, 4)),
        ),
        Edge("huge", lambda op: op(jnp.full((2, 5), 1e18), jnp.ones(5))),
        Edge("tiny", lambda op: op(jnp.full((2, 5), 1e-18), jnp.ones(5))),
        Edge("overflow", lambda op: op(jnp.full((2, 5), 3e38), jnp.ones(5))),
        Edge(
            "a NaN stays in its row",
            lambda op: op(jnp.ones((3, 5)).at[1, 2].set(jnp.nan), jnp.ones(5))[::2],
            expected=lambda: rms_norm(
                jnp.ones((2, 5)), jnp.ones(5), implementation="reference"
            ),
        ),
        Edge(
            "infinite weight beside zero",
            lambda op: op(jnp.eye(3), jnp.array([1.0, jnp.inf, 1.0])),
        ),
    ),
)
