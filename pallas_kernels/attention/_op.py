"""The function that users call."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels.attention import (
    _backward,
    _bias,
    _forward,
    _limits,
    _reference,
)
from torchlean_jax.pallas_kernels.attention._arguments import check_arrays, scale_of


def attention(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    *,
    causal: bool = False,
    window: int | tuple[int, int] | None = None,
    alignment: str | None = None,
    q_lengths: jax.Array | None = None,
    kv_lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    bias: jax.Array | None = None,
    scale: float | None = None,
    implementation: str = "auto",
) -> jax.Array:
    """softmax(scale q kᵀ + bias) v, over the keys that each query may look at.

    q: [batch, queries, heads, head_dim]; k, v: [batch, keys, kv_heads, head_dim], all
    float32, bfloat16 or float16; kv_heads divides heads, and head h of q looks at head
    h // (heads / kv_heads) of k and v. Scores and sums are in float32; weights are
    rounded to the dtype of what they weigh; the result has the dtype and shape of q.

    Which keys a query may look at: those within `kv_lengths` [batch] (by default all);
    with `causal`, none after its own place; with `window`, at most so many before and
    after it (one number or two). Where queries and keys may differ in number,
    `alignment` says where the queries stand: "start", query i at key i, or "end", the
    last query at the last key, as in decoding with a cache. `mask`, of booleans, true
    where a query may look, and `bias` are [batch, heads, queries, keys], where any of
    these may be 1; a bias of minus infinity forbids as well.

    A query that may look at nothing, or beyond `q_lengths`, gets 0, and so do gradients
    through it. What may not be looked at has no influence, NaN and infinity included;
    if a number that is looked at in v is not finite, nor is the query's result. scale:
    by default head_dim ** -0.5. Differentiable in reverse mode with respect to q, k, v
    and bias, with kernels of their own; nothing of size queries x keys is stored, but a
    mask, a bias and its gradient if they are so large themselves. implementation:
    "auto" runs the kernel on a CUDA GPU and the formula elsewhere; "reference" the
    formula; "pallas" the kernel, or an error.

    Raises: InputError for other dtypes, shapes that do not fit, a mask or bias of
        another rank, a negative window, lengths out of range, no alignment where it
        matters; on lowering "pallas" for a platform without a GPU.
    Source: Vaswani et al. 2017 (arXiv:1706.03762), eq. 1; Dao et al. 2022
        (arXiv:2205.14135) for the kernels.

    >>> x = jnp.eye(3)[None, :, None, :]
    >>> y = attention(x, x, x, causal=True)[0, 1, 0]  # the second query
    >>> [round(float(a), 3) for a in y]
    [0.36, 0.64, 0.0]
    """
    operands = as_operands(
        *(q, k, v, mask, bias),
        lengths=(q_lengths, kv_lengths),
        causal=causal,
        window=window,
        alignment=alignment,
    )
    return _compiled(*operands, scale_of(scale, q), implementation)


def as_operands(q, k, v, mask, bias, lengths, **placed):
    """What the kernels take: (q, k, v, limits, mask, bias)."""
    check_arrays(q, k, v, mask, bias)
    sizes = q.shape[1], k.shape[1]
    limits = _limits.limits(q.shape[0], sizes, lengths, **placed)
    return q, k, v, limits, None if mask is None else mask.astype(jnp.int8), bias


def differentiable(forward):
    """`forward(*operands, scale, implementation)`, which gives (out, top, total), as a
    function to out alone, whose gradients are those of the backward kernels."""

    @functools.partial(jax.custom_vjp, nondiff_argnums=(6, 7))
    def function(*args):
        return forward(*args)[0]

    def saved(*args):
        out, top, total = forward(*args)
        return out, (*args[:6], out, top, total)

    function.defvjp(saved, _cotangents)
    # or each call outside of jit would trace and compile anew
    return jax.jit(function, static_argnums=(6, 7))


def _call(name, formula, kernel, args, scale, implementation):
    return kernel_call(
        name,
        functools.partial(formula, scale=scale),
        functools.partial(kernel, scale=scale),
        *args,
        implementation=implementation,
    )


def _forward_call(q, k, v, limits, mask, bias, scale, implementation):
    programs = _reference.attention, _forward.attention
    operands = q, k, v, limits, mask, bias
    return _call("attention", *programs, operands, scale, implementation)


def _cotangents(scale, implementation, saved, dout):
    """Two calls, so that the gradient of a bias costs nothing where nobody asks."""
    limits, mask, bias = saved[3:6]
    args = *saved, dout
    programs = _reference.attention_backward, _backward.attention_backward
    name = "attention_backward"
    dq, dk, dv = _call(name, *programs, args, scale, implementation)
    dbias = None
    if bias is not None:
        programs = _reference.bias_backward, _bias.bias_backward
        name = "attention_bias_backward"
        dbias = _call(name, *programs, args, scale, implementation)
    return dq, dk, dv, _of_integers(limits), _of_integers(mask), dbias


def _of_integers(x):
    return None if x is None else np.zeros(x.shape, jax.dtypes.float0)


_compiled = differentiable(_forward_call)
