"""The function that users call."""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.linear import _kernel, _reference
from torchlean_jax.pallas_kernels.linear._activations import ACTIVATIONS


def linear(
    x: jax.Array,
    weight: jax.Array,
    bias: jax.Array | None = None,
    *,
    activation: str = "none",
    implementation: str = "auto",
) -> jax.Array:
    """activation(x @ weight + bias), the product in float32 sums, in the dtype of `x`.

    x: [..., k], weight: [k, n], bias: [n] or none, float32, bfloat16 or float16.
    Operands are multiplied in the dtype that x and weight have in common, exactly for
    the 16-bit ones; float32 is never taken to TF32. activation: "none", "relu", "silu",
    "tanh" or "gelu_tanh", in float32. Differentiable in reverse mode; two kernels of
    its own form dz = dy * activation'(z) as they load it, rounded to the dtype of the
    product. implementation: "auto" runs the kernel on a CUDA GPU and the formula
    elsewhere; "reference" the formula; "pallas" the kernel, or an error.

    Raises: InputError for other dtypes, shapes that do not fit, an empty k or n,
        another activation; on lowering "pallas" for a platform without a GPU.

    >>> bias = jnp.array([1.0, -3.0])
    >>> y = linear(jnp.ones((1, 2)), jnp.eye(2), bias, activation="relu")
    >>> y.tolist()
    [[2.0, 0.0]]
    """
    arrays = {"x": x, "weight": weight} | ({} if bias is None else {"bias": bias})
    require_floats("linear", **arrays)
    fits = x.ndim >= 1 and weight.ndim == 2 and x.shape[-1] == weight.shape[0]
    fits = fits and weight.size > 0
    fits = fits and (bias is None or bias.shape == weight.shape[1:])
    needs = "x [..., k], weight [k, n], bias [n], k >= 1, n >= 1"
    require("linear", fits, needs, **arrays)
    if activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise InputError(
            f"linear knows the activations {known}, not {activation!r}; gelu by erf is "
            "not one of them, since Pallas has no erf for GPUs: apply it afterwards"
        )
    if bias is None:
        bias = jnp.zeros(weight.shape[1], jnp.float32)
    return _compiled(x, weight, bias, activation, implementation)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _linear(x, weight, bias, activation, implementation):
    (y,) = _called(x, weight, bias, activation, implementation, saves=False)
    return y


def _called(x, weight, bias, activation, implementation, *, saves):
    def formula(x, weight, bias):
        both = _reference.linear(x, weight, bias, activation=activation)
        return both if saves else both[:1]

    return kernel_call(
        "linear",
        formula,
        functools.partial(_kernel.linear, activation=activation, saves=saves),
        *(x, weight, bias),
        implementation=implementation,
    )


def _forward(x, weight, bias, activation, implementation):
    y, z = _called(x, weight, bias, activation, implementation, saves=True)
    return y, (x, weight, bias, z)


def _backward(activation, implementation, saved, dy):
    x, weight, bias, z = saved
    dx, dweight, dbias = kernel_call(
        "linear_backward",
        functools.partial(_reference.linear_backward, activation=activation),
        functools.partial(_kernel.linear_backward, activation=activation),
        *(x, weight, z, dy),
        implementation=implementation,
    )
    return dx, dweight, dbias.astype(bias.dtype)


_linear.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_linear, static_argnums=(3, 4))
