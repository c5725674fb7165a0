"""The function that users call."""

import functools

import jax

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.layer_norm import _kernel, _reference


def layer_norm(
    x: jax.Array,
    weight: jax.Array,
    bias: jax.Array,
    *,
    eps: float = 1e-6,
    implementation: str = "auto",
) -> jax.Array:
    """(x - mean(x)) / sqrt(var(x) + eps) * weight + bias along the last axis.

    x: [..., n], weight and bias: [n], float32, bfloat16 or float16; computed in
    float32, the variance from deviations, so that it does not cancel; the result in
    the dtype of `x`. Differentiable in reverse mode, with a kernel of its own.
    implementation: "auto" runs the kernel on a CUDA GPU and the formula elsewhere;
    "reference" the formula; "pallas" the kernel, or an error.

    Raises: InputError for other dtypes, a weight or bias of another length, no
        features, an eps that is not positive; on lowering "pallas" for a platform
        without a GPU.
    Source: Ba, Kiros and Hinton 2016 (arXiv:1607.06450), eq. 3 and 4.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([40000.0, 40001.0, 40002.0, 40003.0])
    >>> [round(float(y), 3) for y in layer_norm(x, jnp.ones(4), jnp.zeros(4))]
    [-1.342, -0.447, 0.447, 1.342]
    """
    require_floats("layer_norm", x=x, weight=weight, bias=bias)
    fits = x.ndim >= 1 and x.shape[-1] > 0
    fits = fits and weight.shape == bias.shape == x.shape[-1:]
    needs = "x [..., n], weight [n], bias [n], n >= 1"
    require("layer_norm", fits, needs, x=x, weight=weight, bias=bias)
    require("layer_norm", eps > 0, f"a positive eps, not {eps}", x=x)
    return _compiled(x, weight, bias, float(eps), implementation)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _layer_norm(x, weight, bias, eps, implementation):
    return kernel_call(
        "layer_norm",
        functools.partial(_reference.layer_norm, eps=eps),
        functools.partial(_kernel.layer_norm, eps=eps),
        *(x, weight, bias),
        implementation=implementation,
    )


def _forward(x, weight, bias, eps, implementation):
    return _layer_norm(x, weight, bias, eps, implementation), (x, weight, bias)


def _backward(eps, implementation, saved, dy):
    x, weight, bias = saved
    dx, dweight, dbias = kernel_call(
        "layer_norm_backward",
        functools.partial(_reference.layer_norm_backward, eps=eps),
        functools.partial(_kernel.layer_norm_backward, eps=eps),
        *(x, weight, dy),
        implementation=implementation,
    )
    return dx, dweight, dbias.astype(bias.dtype)


_layer_norm.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_layer_norm, static_argnums=(3, 4))
