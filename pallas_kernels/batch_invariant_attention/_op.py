"""The function that users call."""

import functools

import jax

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels.attention import _reference as _formula
from torchlean_jax.pallas_kernels.attention._arguments import scale_of
from torchlean_jax.pallas_kernels.attention._op import as_operands, differentiable
from torchlean_jax.pallas_kernels.batch_invariant_attention import _kernel, _reference


def batch_invariant_attention(
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
    """`attention`, each query with the same bits in every batch and with any padding.

    The arguments and the result are those of `attention`. The bits of a query depend on
    itself and on the keys and values that it may look at, at their places: not on the
    rest of the batch, on other queries, or on how long the arrays are. So a query of
    its own, beside a cache longer than what is filled, has the bits that it has among
    all others. They are those of one platform: a GPU has others than a CPU.

    Differentiable in reverse mode, by the backward kernels of `attention`, without the
    promise. implementation: "auto" runs the kernel on a CUDA GPU and sums from the
    first key to the last elsewhere; "reference" the formula without the promise;
    "pallas" the kernel, or an error.

    Raises: as `attention`.

    >>> import jax.numpy as jnp
    >>> x = jax.random.normal(jax.random.key(0), (2, 9, 1, 4))
    >>> whole = batch_invariant_attention(x, x, x, causal=True)
    >>> alone = batch_invariant_attention(
    ...     x[:1, 4:5], x[:1], x[:1], kv_lengths=jnp.array([5])
    ... )
    >>> bool((alone == whole[:1, 4:5]).all())
    True
    """
    operands = as_operands(
        *(q, k, v, mask, bias),
        lengths=(q_lengths, kv_lengths),
        causal=causal,
        window=window,
        alignment=alignment,
    )
    return _compiled(*operands, scale_of(scale, q), implementation)


def _forward(q, k, v, limits, mask, bias, scale, implementation):
    return kernel_call(
        "batch_invariant_attention",
        functools.partial(_formula.attention, scale=scale),
        functools.partial(_kernel.attention, scale=scale),
        *(q, k, v, limits, mask, bias),
        implementation=implementation,
        elsewhere=functools.partial(_reference.fixed_order, scale=scale),
    )


_compiled = differentiable(_forward)
