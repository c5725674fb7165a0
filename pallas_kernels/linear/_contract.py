"""What the product with bias and activation promises."""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._row_terms import normal
from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.linear import _kernel, _reference
from torchlean_jax.pallas_kernels.linear._activations import ACTIVATIONS
from torchlean_jax.pallas_kernels.linear._op import linear

# (shape of x, columns of the weight). The last is several tiles along each axis.
SHAPES = {
    "ragged": ((11, 12), 9),
    "square": ((16, 16), 16),
    "batched": ((3, 4, 12), 12),
    "tiles": ((70, 40), 70),
}
_WHY = (
    "each axis of a tile is padded with zeros to a power of two, at least 16, and the "
    "sums of tiles are added: at most twice as many roundings for 9 terms or more"
)


def _forward(key, shape, dtype):
    shape, width = shape
    weight = normal(key, (shape[-1], width), dtype, 1)
    return normal(key, shape, dtype), weight, normal(key, (width,), dtype, 2)


def _backward(key, shape, dtype):
    x, weight, _ = _forward(key, shape, dtype)
    outer = (*x.shape[:-1], weight.shape[1])
    z = normal(key, outer, jnp.float32, 3)
    return x, weight, z, normal(key, outer, dtype, 4)


def _programs(activation):
    return (
        Program(
            f"linear_{activation}",
            functools.partial(_kernel.linear, activation=activation),
            functools.partial(_reference.linear, activation=activation),
            _forward,
            slack=2.0,
            because=_WHY,
        ),
        Program(
            f"linear_{activation}_backward",
            functools.partial(_kernel.linear_backward, activation=activation),
            functools.partial(_reference.linear_backward, activation=activation),
            _backward,
            slack=2.0,
            because=_WHY,
        ),
    )


def _alike(activation):
    """Small numbers of either sign, and zero, through an activation, and its slope."""

    def call(op):
        x = jnp.linspace(-3.0, 3.0, 7)[:, None]
        bias, dy = jnp.array([0.0, 1.0]), jnp.ones((7, 2))
        of_x = lambda x: op(x, jnp.ones((1, 2)), bias, activation=activation)  # noqa: E731
        y, back = jax.vjp(of_x, x)
        return y, back(dy)

    return Edge(f"one term, {activation}", call)


TERMS = Terms(
    name="linear",
    summary="matrix product, bias and activation, by tiles, in float32 sums",
    formula="y = activation(x @ weight + bias)",
    op=linear,
    differentiable=functools.partial(linear, activation="silu"),
    programs=tuple(p for name in ACTIVATIONS for p in _programs(name)),
    typical=((4096, 4096), 4096),
    shapes=SHAPES,
    edges=(
        *map(_alike, ACTIVATIONS),
        Edge("no rows", lambda op: op(jnp.zeros((0, 4)), jnp.ones((4, 3)))),
        Edge("one number", lambda op: op(jnp.full(1, 3.0), jnp.full((1, 1), 7.0))),
        Edge(
            "no bias",
            lambda op: op(jnp.eye(3, 4), jnp.ones((4, 2))),
            expected=lambda: jnp.ones((3, 2)),
        ),
        Edge(
            "a NaN stays in its row",
            lambda op: op(jnp.eye(3).at[1, 1].set(jnp.nan), jnp.ones((3, 2)))[::2],
            expected=lambda: jnp.ones((2, 2)),
        ),
        Edge("overflow", lambda op: op(jnp.full((2, 3), 3e38), jnp.ones((3, 2)))),
    ),
)
