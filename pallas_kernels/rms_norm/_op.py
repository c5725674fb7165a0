"""The function that users call."""

import functools

import jax

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.rms_norm import _kernel, _reference


def rms_norm(
    x: jax.Array,
    weight: jax.Array,
    *,
    eps: float = 1e-6,
    implementation: str = "auto",
) -> jax.Array:
    """x / sqrt(mean(x**2) + eps) * weight along the last axis, in the dtype of `x`.

    x: [..., n], weight: [n], float32, bfloat16 or float16; computed in float32.
    Differentiable in reverse mode, with a kernel of its own. implementation: "auto"
    runs the kernel on a CUDA GPU and the formula elsewhere; "reference" the formula;
    "pallas" the kernel, or an error.

    Raises: InputError for other dtypes, a weight of another length, no features, an
        eps that is not positive; on lowering "pallas" for a platform without a GPU.
    Source: Zhang and Sennrich 2019 (arXiv:1910.07467), eq. 4.

    >>> import jax.numpy as jnp
    >>> [round(float(y), 3) for y in rms_norm(jnp.array([3.0, 4.0]), jnp.ones(2))]
    [0.849, 1.131]
    """
    require_floats("rms_norm", x=x, weight=weight)
    fits = x.ndim >= 1 and x.shape[-1] > 0 and weight.shape == x.shape[-1:]
    require("rms_norm", fits, "x [..., n], weight [n], n >= 1", x=x, weight=weight)
    require("rms_norm", eps > 0, f"a positive eps, not {eps}", x=x)
    return _compiled(x, weight, float(eps), implementation)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _rms_norm(x, weight, eps, implementation):
    return kernel_call(
        "rms_norm",
        functools.partial(_reference.rms_norm, eps=eps),
        functools.partial(_kernel.rms_norm, eps=eps),
        x,
        weight,
        implementation=implementation,
    )


def _forward(x, weight, eps, implementation):
    return _rms_norm(x, weight, eps, implementation), (x, weight)


def _backward(eps, implementation, saved, dy):
    return kernel_call(
        "rms_norm_backward",
        functools.partial(_reference.rms_norm_backward, eps=eps),
        functools.partial(_kernel.rms_norm_backward, eps=eps),
        *saved,
        dy,
        implementation=implementation,
    )


_rms_norm.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_rms_norm, static_argnums=(2, 3))
