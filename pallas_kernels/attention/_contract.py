"""What attention promises."""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.attention import (
    _backward,
    _bias,
    _forward,
    _limits,
    _reference,
)
from torchlean_jax.pallas_kernels.attention._op import attention
from torchlean_jax.pallas_kernels.attention._shapes import SHAPES, Shape

SCALE = 0.5
_SLACK = 16.0
_WHY = (
    "each of up to three exponentials (one for each tile of keys) that make a weight "
    "rounds as the formula's only one does, and sums are cut into tiles; at one key "
    "the factor was needed while zeros of padding counted, and was not lowered"
)


def _forward_arguments(key, shape, dtype):
    """The second query of a mask may look at nothing, nor may one that a bias of minus
    infinity forbids everything; lengths are shorter than the arrays where there is a
    mask."""
    queries = shape.batch, shape.queries, shape.heads, shape.dim
    keys = shape.batch, shape.keys, shape.kv_heads, shape.dim
    floats = tuple(
        _normal(key, n, s, dtype) for n, s in enumerate((queries, keys, keys))
    )
    lengths = None, None
    if shape.masked:
        lengths = tuple(
            jnp.maximum(n - jnp.arange(shape.batch), 1)
            for n in (shape.queries, shape.keys)
        )
    limits = _limits.limits(
        shape.batch,
        (shape.queries, shape.keys),
        lengths,
        causal=shape.causal,
        window=shape.window,
        alignment=shape.alignment,
    )
    return *floats, limits, *_mask_and_bias(key, shape, dtype)


def _mask_and_bias(key, shape, dtype):
    pairs = shape.batch, 1, shape.queries, shape.keys
    if shape.masked:
        mask = jax.random.bernoulli(jax.random.fold_in(key, 4), 0.7, pairs)
        yield mask.at[:, :, 1].set(False).astype(jnp.int8)
    if shape.biased:
        yield _normal(key, 5, pairs, dtype)


def _normal(key, number, shape, dtype):
    key = jax.random.fold_in(key, number)
    return jax.random.normal(key, shape, jnp.float32).astype(dtype)


def _backward_arguments(key, shape, dtype):
    q, *rest = _forward_arguments(key, shape, dtype)
    return q, _normal(key, 6, q.shape, dtype), *rest


def forward_by(module):
    def run(q, k, v, limits, mask=None, bias=None):
        return module.attention(q, k, v, limits, mask, bias, scale=SCALE)

    return run


def gradients_by(forward, backward, bias_backward):
    """The gradients from a forward pass by the same means: what it saves is no argument
    of ordinary size."""

    def run(q, dout, k, v, limits, mask=None, bias=None):
        saved = forward(q, k, v, limits, mask, bias, scale=SCALE)
        args = q, k, v, limits, mask, bias, *saved, dout
        gradients = backward(*args, scale=SCALE)
        if bias is None:
            return gradients
        return *gradients, bias_backward(*args, scale=SCALE)

    return run


def _differentiable(q, k, v, bias=None):
    return attention(q, k, v, bias=bias, causal=True, alignment="end")


def _row(*numbers):
    """[1, length, 1, 1]"""
    return jnp.array(numbers, jnp.float32)[None, :, None, None]


def _zeros(*shape):
    return jnp.zeros(shape)


_NAN, _INF = jnp.nan, jnp.inf
# a third key, and its value; the first two have weights that are not far apart, so that
# differences of gradients do not cancel by more than a factor of three
_AFTER = _row(1.0, 1.25, _NAN), _row(1.0, 3.0, _INF)


def _looking_back(op):
    """Two queries that may not look at a third key."""
    return op(_row(1, 2), *_AFTER, causal=True, alignment="start")


def _padding(op):
    return op(_row(1, 2), *_AFTER, kv_lengths=jnp.array([2]))


def _gradients(op, q, k, v, **limits):
    return jax.grad(lambda *args: op(*args, **limits).sum(), (0, 1, 2))(q, k, v)


def _without_the_third(**limits):
    """The formula's result where there is no third key."""
    k, v = (x[:, :2] for x in _AFTER)
    return attention(_row(1, 2), k, v, implementation="reference", **limits)


def _gradients_without_the_third(**limits):
    formula = functools.partial(attention, implementation="reference")
    dq, *others = _gradients(formula, _row(1, 2), *(x[:, :2] for x in _AFTER), **limits)
    return dq, *(jnp.pad(x, ((0, 0), (0, 1), (0, 0), (0, 0))) for x in others)


TERMS = Terms(
    name="attention",
    summary="softmax(scale q kᵀ + bias) v over the keys that a query may look at",
    formula="out = exp(s) v / sum(exp(s)), s = scale q kᵀ + bias where allowed, else 0",
    op=attention,
    differentiable=_differentiable,
    programs=(
        Program(
            "attention",
            forward_by(_forward),
            forward_by(_reference),
            _forward_arguments,
            slack=_SLACK,
            because=_WHY,
        ),
        Program(
            "attention_backward",
            gradients_by(
                _forward.attention, _backward.attention_backward, _bias.bias_backward
            ),
            gradients_by(
                _reference.attention,
                _reference.attention_backward,
                _reference.bias_backward,
            ),
            _backward_arguments,
            slack=_SLACK,
            because=_WHY,
        ),
    ),
    typical=Shape(4, 4096, 4096, 32, 8, 128, causal=True),
    shapes=SHAPES,
    edges=(
        Edge("no batch", lambda op: op(*[_zeros(0, 2, 1, 4)] * 3)),
        Edge(
            "no queries", lambda op: op(_zeros(1, 0, 1, 4), *[_zeros(1, 2, 1, 4)] * 2)
        ),
        Edge(
            "no keys",
            lambda op: op(jnp.ones((1, 2, 1, 4)), *[_zeros(1, 0, 1, 4)] * 2),
            expected=lambda: _zeros(1, 2, 1, 4),
        ),
        Edge(
            "nothing is allowed",
            lambda op: op(*_AFTER, _AFTER[1], mask=jnp.zeros((1, 1, 1, 1), bool)),
            expected=lambda: _zeros(1, 3, 1, 1),
        ),
        Edge(
            "a bias of minus infinity throughout",
            lambda op: op(*[_row(1, 2)] * 3, bias=jnp.full((1, 1, 2, 1), -_INF)),
            expected=lambda: _zeros(1, 2, 1, 1),
        ),
        Edge(
            "gradients where nothing is allowed",
            lambda op: _gradients(
                op, _row(1, 2), *_AFTER, mask=jnp.zeros((1, 1, 1, 1), bool)
            ),
            expected=lambda: (_zeros(1, 2, 1, 1), *[_zeros(1, 3, 1, 1)] * 2),
        ),
        Edge(
            "NaN and infinity after a query",
            _looking_back,
            expected=lambda: _without_the_third(causal=True),
        ),
        Edge(
            "NaN and infinity in the padding",
            _padding,
            expected=_without_the_third,
        ),
        Edge(
            "gradients beside NaN and infinity",
            lambda op: _gradients(
                op, _row(1, 2), *_AFTER, causal=True, alignment="start"
            ),
            expected=lambda: _gradients_without_the_third(causal=True),
            ulps=3 * 16.0,
        ),
        Edge(
            "a NaN that counts",
            lambda op: op(_row(1, 2), _row(1, 1), _row(1, _NAN), causal=True),
            expected=lambda: _row(1, _NAN),
        ),
        Edge(
            "huge",
            lambda op: op(_row(1e19), _row(1e19, -1e19, 0), _row(1, 2, 3)),
            expected=lambda: _row(1),
        ),
        Edge(
            "tiny",
            lambda op: op(_row(1e-30), _row(1e-30, -1e-30), _row(1, 2)),
            expected=lambda: _row(1.5),
        ),
    ),
    assumed=(
        "contracts are checked at short sequences, which are cut into tiles of 16; "
        "longer ones are cut into tiles of up to 64 by the same code",
    ),
)
