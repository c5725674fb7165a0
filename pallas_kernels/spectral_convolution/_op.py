"""The function that users call."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.spectral_convolution import (
    _kernel,
    _modes,
    _reference,
)


def spectral_convolution(
    x: jax.Array, weight: jax.Array, *, implementation: str = "auto"
) -> jax.Array:
    """A convolution with a kernel that has few Fourier modes, given by these modes.

    Each of the lowest modes of `x` is multiplied by a complex matrix; the others become
    0. x: [batch, n, in] with weight [2, m, in, out], or x: [batch, n1, n2, in] with
    weight [2, m1, m2, in, out]; the first axis of the weight holds real and imaginary
    parts. Along the last axis in space the modes are 0 .. m - 1, at most n // 2 + 1;
    along the one before it 0 .. (m1 + 1) // 2 - 1 and then -(m1 // 2) .. -1, at most
    n1. Frequencies 0 and n / 2 of the last axis have real coefficients: there the
    imaginary part of what comes out of the product is dropped. float32, bfloat16 or
    float16, computed in float32; the result [batch, *space, out] in the dtype of `x`.

    The transforms are XLA's, the product over modes is a kernel, as are its gradients.
    implementation: "auto" runs the kernel on a CUDA GPU and the formula elsewhere;
    "reference" the formula; "pallas" the kernel, or an error.

    Raises: InputError for other dtypes, shapes that do not fit and more modes than
        there are; on lowering "pallas" for a platform without a GPU.
    Source: Li et al. 2021 (arXiv:2010.08895), eq. 5.

    >>> x = jnp.array([3.0, 1.0, 3.0, 1.0]).reshape(1, 4, 1)
    >>> mean_only = jnp.array([1.0, 0.0]).reshape(2, 1, 1, 1)
    >>> spectral_convolution(x, mean_only)[0, :, 0].tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    name, given = "spectral_convolution", {"x": x, "weight": weight}
    require_floats(name, **given)
    fits = x.ndim in (3, 4) and weight.ndim == x.ndim + 1
    fits = fits and weight.shape[0] == 2 and weight.shape[-2] == x.shape[-1]
    needs = (
        "x [batch, *space, in] and weight [2, *modes, in, out], space of 1 or 2 axes"
    )
    require(name, fits, needs, **given)
    modes, sizes = weight.shape[1:-2], x.shape[1:-1]
    most = (*sizes[:-1], sizes[-1] // 2 + 1)
    fits = all(0 < m <= n for m, n in zip(modes, most, strict=True)) and all(sizes)
    require(name, fits, f"1 to {list(most)} modes of {list(sizes)} points", **given)
    return _compiled(x, weight, implementation)


@functools.partial(jax.jit, static_argnums=2)
def _compiled(x, weight, implementation):
    if not x.size or not weight.size:
        return jnp.zeros((*x.shape[:-1], weight.shape[-1]), x.dtype)
    modes, matrix = weight.shape[1:-2], weight.shape[-2:]
    flat = weight.astype(jnp.float32).reshape(2, math.prod(modes), *matrix)
    x_real, x_imag = _modes.truncated(x, modes)
    pair: Any = _product(x_real, x_imag, flat[0], flat[1], implementation)
    real, imag = pair
    return _modes.restored(real, imag, modes, x.shape[1:-1]).astype(x.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _product(x_real, x_imag, w_real, w_imag, implementation):
    return kernel_call(
        "spectral_convolution",
        _reference.mode_product,
        _kernel.mode_product,
        *(x_real, x_imag, w_real, w_imag),
        implementation=implementation,
    )


def _forward(*operands):
    return _product(*operands), operands[:4]


def _backward(implementation, saved, cotangents):
    return kernel_call(
        "spectral_convolution_backward",
        _reference.mode_product_backward,
        _kernel.mode_product_backward,
        *saved,
        *cotangents,
        implementation=implementation,
    )


_product.defvjp(_forward, _backward)
