"""What softmax cross-entropy promises."""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._row_terms import BECAUSE, SLACK, normal
from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.cross_entropy import _kernel, _reference
from torchlean_jax.pallas_kernels.cross_entropy._op import cross_entropy

OPTIONS = {"ignore": -100, "z": 1e-3}
# Rows x vocabulary; a row of the last is more than one tile.
SHAPES = {
    "one": (1, 1),
    "ragged": (5, 12),
    "square": (8, 8),
    "batched": (2, 3, 7),
    "vocabulary": (2, 4500),
}


def _forward(key, shape, dtype):
    """Labels in order, and the last row ignored."""
    labels = jnp.arange(max(1, shape[-2]), dtype=jnp.int32) * 5 % shape[-1]
    labels = jnp.broadcast_to(labels, shape[:-1])
    if shape[-2] > 1:
        labels = labels.at[..., -1].set(OPTIONS["ignore"])
    return normal(key, shape, dtype), labels


def _backward(key, shape, dtype):
    return *_forward(key, shape, dtype), normal(key, shape[:-1], jnp.float32, 1)


def _gradient(module):
    """The gradient from the logits: its logsumexp belongs to them, and is no number
    that a test may choose."""

    def gradient(x, labels, dy):
        _, level = module.cross_entropy(x, labels, **OPTIONS)
        return module.cross_entropy_backward(x, labels, level, dy, **OPTIONS)

    return gradient


def differentiable(x, **options):
    """The loss as a function of the logits, at labels in order."""
    labels = (jnp.arange(x[..., 0].size) % x.shape[-1]).reshape(x.shape[:-1])
    return cross_entropy(x, labels, z_loss=OPTIONS["z"], **options)


def _rows(*rows):
    return jnp.array(rows, jnp.float32)


TERMS = Terms(
    name="cross_entropy",
    summary="softmax cross-entropy with labels, in one pass over the vocabulary",
    formula="loss = logsumexp(x) - x[label] + z * logsumexp(x)**2, 0 if ignored",
    op=cross_entropy,
    differentiable=differentiable,
    programs=(
        Program(
            "cross_entropy",
            functools.partial(_kernel.cross_entropy, **OPTIONS),
            functools.partial(_reference.cross_entropy, **OPTIONS),
            _forward,
            slack=SLACK,
            because=BECAUSE,
        ),
        Program(
            "cross_entropy_backward",
            _gradient(_kernel),
            _gradient(_reference),
            _backward,
            slack=SLACK,
            because=BECAUSE,
        ),
    ),
    typical=(8192, 32000),
    streaming=(64, 1000),
    shapes=SHAPES,
    edges=(
        Edge("no rows", lambda op: op(jnp.zeros((0, 4)), jnp.zeros(0, jnp.int32))),
        Edge(
            "all ignored",
            lambda op: op(jnp.full((2, 3), jnp.nan), jnp.full(2, -100)),
            expected=lambda: jnp.zeros(2),
        ),
        Edge(
            "another index is ignored",
            lambda op: op(jnp.zeros((2, 2)), jnp.arange(2), ignore_index=0),
            expected=lambda: _rows(0.0, 0.6931472),
        ),
        Edge(
            "labels outside the vocabulary",
            lambda op: op(jnp.zeros((3, 2)), jnp.array([-1, 2, 1])),
            expected=lambda: _rows(jnp.inf, jnp.inf, 0.6931472),
        ),
        Edge(
            "huge",
            lambda op: op(_rows([1e38, 0.0], [0.0, 1e38]), jnp.array([0, 0])),
            expected=lambda: _rows(0.0, 1e38),
        ),
        Edge(
            "what is impossible",
            lambda op: op(_rows([-jnp.inf, 3.0], [-jnp.inf, 3.0]), jnp.arange(2)),
            expected=lambda: _rows(jnp.inf, 0.0),
        ),
        Edge(
            "a NaN stays in its row",
            lambda op: op(_rows([jnp.nan, 0.0], [1.0, 1.0]), jnp.zeros(2, jnp.int32)),
            expected=lambda: _rows(jnp.nan, 0.6931472),
        ),
        Edge(
            "the gradient of what is ignored",
            lambda op: jax.grad(lambda x: op(x, jnp.array([-100, 0])).sum())(
                _rows([jnp.nan, jnp.inf], [0.0, 0.0])
            ),
            expected=lambda: _rows([0.0, 0.0], [-0.5, 0.5]),
        ),
    ),
)
