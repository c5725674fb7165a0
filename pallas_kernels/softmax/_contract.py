"""What masked softmax promises."""

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._row_terms import (
    BECAUSE,
    SHAPES,
    SLACK,
    normal,
)
from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.softmax import _kernel, _reference
from torchlean_jax.pallas_kernels.softmax._op import softmax


def _forward(key, shape, dtype):
    """Random masks; the last row allows nothing, the first element is always allowed
    elsewhere."""
    mask = jax.random.bernoulli(jax.random.fold_in(key, 1), 0.7, shape)
    mask = mask.at[..., 0].set(True)
    if shape[-2] > 1:
        mask = mask.at[..., -1, :].set(False)
    return normal(key, shape, dtype), mask.astype(jnp.int8)


def _backward(key, shape, dtype):
    y = jax.nn.softmax(normal(key, shape, jnp.float32))
    return y.astype(dtype), normal(key, shape, dtype, 1)


def _row(*numbers):
    return jnp.array([numbers], jnp.float32)


TERMS = Terms(
    name="softmax",
    summary="softmax over the elements that a mask allows; rows without any are 0",
    formula="y = exp(x) / sum(exp(x) where allowed) where allowed, else 0",
    op=softmax,
    differentiable=softmax,
    programs=(
        Program(
            "softmax",
            _kernel.softmax,
            _reference.softmax,
            _forward,
            slack=SLACK,
            because=BECAUSE,
        ),
        Program(
            "softmax_backward",
            _kernel.softmax_backward,
            _reference.softmax_backward,
            _backward,
            slack=SLACK,
            because=BECAUSE,
        ),
    ),
    typical=(8192, 4096),
    streaming=(64, 1000),
    shapes=SHAPES,
    edges=(
        Edge("no rows", lambda op: op(jnp.zeros((0, 4)))),
        Edge("no elements", lambda op: op(jnp.zeros((3, 0)))),
        Edge(
            "nothing is allowed",
            lambda op: op(jnp.ones((2, 3)), jnp.zeros((2, 3), bool)),
            expected=lambda: jnp.zeros((2, 3)),
        ),
        Edge(
            "NaN and infinity where they are not allowed",
            lambda op: op(_row(jnp.nan, 1.0, jnp.inf, 1.0), _row(0, 1, 0, 1) > 0),
            expected=lambda: _row(0.0, 0.5, 0.0, 0.5),
        ),
        Edge(
            "huge",
            lambda op: op(_row(3e38, 3e38, -3e38)),
            expected=lambda: _row(0.5, 0.5, 0.0),
        ),
        Edge(
            "minus infinity",
            lambda op: op(_row(-jnp.inf, 0.0, 0.0)),
            expected=lambda: _row(0.0, 0.5, 0.5),
        ),
        Edge("a NaN that counts", lambda op: op(_row(jnp.nan, 0.0))),
        Edge("one mask for all rows", lambda op: op(jnp.eye(3), jnp.arange(3) < 2)),
    ),
)
