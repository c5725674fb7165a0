"""The function that users call."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.softmax import _kernel, _reference


def softmax(
    x: jax.Array,
    mask: jax.Array | None = None,
    *,
    implementation: str = "auto",
) -> jax.Array:
    """exp(x) / sum(exp(x)) along the last axis, over the elements that `mask` allows.

    x: [..., n], float32, bfloat16 or float16; computed in float32, the result in the
    dtype of `x`. mask: booleans that broadcast to the shape of `x`, true where an
    element counts; by default all do. Elements that do not count get 0, whatever they
    hold, NaN included, and so does all of a row in which none counts. Differentiable in
    reverse mode with respect to `x`, with a kernel of its own. implementation: "auto"
    runs the kernel on a CUDA GPU and the formula elsewhere; "reference" the formula;
    "pallas" the kernel, or an error.

    Raises: InputError for other dtypes, a mask that is not of booleans or does not
        broadcast, no axis; on lowering "pallas" for a platform without a GPU.

    >>> x = jnp.array([0.0, 1.0, jnp.nan])
    >>> [round(float(y), 3) for y in softmax(x, jnp.array([True, True, False]))]
    [0.269, 0.731, 0.0]
    """
    require_floats("softmax", x=x)
    require("softmax", x.ndim >= 1, "x [..., n]", x=x)
    if mask is None:
        mask = jnp.ones((), bool)
    needs = "a mask of booleans that broadcasts to the shape of x"
    require("softmax", mask.dtype == bool and _fits(mask, x), needs, x=x, mask=mask)
    whole = jnp.broadcast_to(mask, x.shape).astype(jnp.int8)
    return _compiled(x, whole, implementation)


def _fits(mask, x) -> bool:
    try:
        return np.broadcast_shapes(mask.shape, x.shape) == x.shape
    except ValueError:
        return False


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _softmax(x, mask, implementation):
    return kernel_call(
        "softmax",
        _reference.softmax,
        _kernel.softmax,
        *(x, mask),
        implementation=implementation,
    )


def _forward(x, mask, implementation):
    y = _softmax(x, mask, implementation)
    return y, (y, mask)


def _backward(implementation, saved, dy):
    y, mask = saved
    dx = kernel_call(
        "softmax_backward",
        _reference.softmax_backward,
        _kernel.softmax_backward,
        *(y, dy),
        implementation=implementation,
    )
    return dx, np.zeros(mask.shape, jax.dtypes.float0)


_softmax.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_softmax, static_argnums=(2,))
