"""What batch-invariant attention promises."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from torchlean_jax.pallas_kernels._terms import Edge
from torchlean_jax.pallas_kernels.attention._contract import TERMS as _USUAL
from torchlean_jax.pallas_kernels.attention._contract import forward_by
from torchlean_jax.pallas_kernels.attention._shapes import SHAPES, Shape
from torchlean_jax.pallas_kernels.batch_invariant_attention import _kernel
from torchlean_jax.pallas_kernels.batch_invariant_attention._op import (
    batch_invariant_attention,
)


def _arrays(queries, keys):
    random = np.random.default_rng(0)
    shapes = (1, queries, 2, 3), (1, keys, 1, 3), (1, keys, 1, 3)
    return tuple(jnp.asarray(random.normal(size=s), jnp.float32) for s in shapes)


def _padded(x, before, after):
    """With numbers that would show, if they were looked at."""
    widths = (0, 0), (before, after), (0, 0), (0, 0)
    return jnp.pad(x, widths, constant_values=7.0)


def _padding_of_keys(op):
    q, k, v = _arrays(3, 70)
    many = jnp.array([70])
    longer = op(q, *(_padded(x, 0, 70) for x in (k, v)), kv_lengths=many)
    return longer - op(q, k, v)


def _among_other_queries(op):
    q, k, v = _arrays(20, 20)
    whole = op(q, k, v, causal=True)
    return op(q[:, 18:], k, v, causal=True, alignment="end") - whole[:, 18:]


_BITS = (
    Edge(
        "no bit of a query changes with the padding of keys",
        _padding_of_keys,
        expected=lambda: jnp.zeros((1, 3, 2, 3)),
        ulps=0.0,
    ),
    Edge(
        "nor without the queries before it",
        _among_other_queries,
        expected=lambda: jnp.zeros((1, 2, 2, 3)),
        ulps=0.0,
    ),
)

TERMS = dataclasses.replace(
    _USUAL,
    name="batch_invariant_attention",
    summary="attention whose queries have the same bits in every batch",
    op=batch_invariant_attention,
    differentiable=lambda q, k, v, bias=None: batch_invariant_attention(
        q, k, v, bias=bias, causal=True, alignment="end"
    ),
    programs=(
        dataclasses.replace(
            _USUAL.programs[0],
            name="batch_invariant_attention",
            kernel=forward_by(_kernel),
        ),
    ),
    shapes={
        **{name: SHAPES[name] for name in ("ragged", "masked")},
        "batch": Shape(8, 2, 3, 2, 1, 9),
    },
    rows=0,
    edges=(*_USUAL.edges, *_BITS),
    assumed=(
        *_USUAL.assumed,
        "exp(0) is 1 on a GPU, so that a tile with nothing to look at changes no bit",
    ),
)
