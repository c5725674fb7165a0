"""What RMSNorm promises."""

import functools

import jax.numpy as jnp

from torchlean_jax.pallas_kernels._row_terms import (
    BECAUSE,
    SHAPES,
    SLACK,
    normal,
)
from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.rms_norm import _kernel, _reference
from torchlean_jax.pallas_kernels.rms_norm._op import rms_norm

EPS = 1e-6


def _forward(key, shape, dtype):
    return normal(key, shape, dtype), normal(key, shape[-1:], dtype, 1)


def _backward(key, shape, dtype):
    return (*_forward(key, shape, dtype), normal(key, shape, dtype, 2))


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
            slack=SLACK,
            because=BECAUSE,
        ),
        Program(
            "rms_norm_backward",
            functools.partial(_kernel.rms_norm_backward, eps=EPS),
            functools.partial(_reference.rms_norm_backward, eps=EPS),
            _backward,
            slack=SLACK,
            because=BECAUSE,
        ),
    ),
    typical=(8192, 4096),
    streaming=(512, 1000),
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
