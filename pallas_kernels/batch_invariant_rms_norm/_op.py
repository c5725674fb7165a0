"""The function that users call."""

import functools

import jax

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.batch_invariant_rms_norm import _kernel, _reference
from torchlean_jax.pallas_kernels.rms_norm import _kernel as _usual
from torchlean_jax.pallas_kernels.rms_norm import _reference as _formula


def batch_invariant_rms_norm(
    x: jax.Array,
    weight: jax.Array,
    *,
    eps: float = 1e-6,
    implementation: str = "auto",
) -> jax.Array:
    """`rms_norm`, each row with the same bits in every batch, in the dtype of `x`.

    x: [..., n], weight: [n], float32, bfloat16 or float16; the sum of squares in an
    order that depends on n alone: not on how many rows there are, where a row stands,
    or what the others hold. The bits are those of one platform: a GPU has others than a
    CPU. Differentiable in reverse mode, by the backward kernel of `rms_norm`, without
    the promise. implementation: "auto" runs the kernel on a CUDA GPU and a sum by
    halves elsewhere; "reference" the formula without the promise; "pallas" the kernel,
    or an error.

    Raises: InputError for other dtypes, a weight of another length, no features, an
        eps that is not positive; on lowering "pallas" for a platform without a GPU.

    >>> import jax.numpy as jnp
    >>> y = batch_invariant_rms_norm(jnp.array([3.0, 4.0]), jnp.ones(2))
    >>> [round(float(v), 3) for v in y]
    [0.849, 1.131]
    """
    name, arrays = "batch_invariant_rms_norm", {"x": x, "weight": weight}
    require_floats(name, **arrays)
    fits = x.ndim >= 1 and x.shape[-1] > 0 and weight.shape == x.shape[-1:]
    require(name, fits, "x [..., n], weight [n], n >= 1", **arrays)
    require(name, eps > 0, f"a positive eps, not {eps}", x=x)
    return _compiled(x, weight, float(eps), implementation)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _rms_norm(x, weight, eps, implementation):
    return kernel_call(
        "batch_invariant_rms_norm",
        functools.partial(_formula.rms_norm, eps=eps),
        functools.partial(_kernel.rms_norm, eps=eps),
        *(x, weight),
        implementation=implementation,
        elsewhere=functools.partial(_reference.fixed_order, eps=eps),
    )


def _forward(x, weight, eps, implementation):
    return _rms_norm(x, weight, eps, implementation), (x, weight)


def _backward(eps, implementation, saved, dy):
    return kernel_call(
        "rms_norm_backward",
        functools.partial(_formula.rms_norm_backward, eps=eps),
        functools.partial(_usual.rms_norm_backward, eps=eps),
        *saved,
        dy,
        implementation=implementation,
    )


_rms_norm.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_rms_norm, static_argnums=(2, 3))
