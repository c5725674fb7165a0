"""The function that users call."""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.batch_invariant_matmul import _kernel, _reference


def batch_invariant_matmul(
    x: jax.Array, weight: jax.Array, *, implementation: str = "auto"
) -> jax.Array:
    """x @ weight, each row with the same bits in every batch, in the dtype of `x`.

    x: [..., k], weight: [k, n], float32, bfloat16 or float16; float32 sums, of k terms
    in an order that depends on the shape of `weight` alone: not on how many rows there
    are, where a row stands, or what the others hold. The bits are those of one
    platform: a GPU has others than a CPU. Slower than `x @ weight`; by how much,
    benchmarks/batch_invariant.py measures. Differentiable in reverse mode; the gradient
    with respect to `x` has the same property. implementation: "auto" runs the kernel on
    a CUDA GPU and term-by-term sums elsewhere; "reference" is `x @ weight` without the
    promise; "pallas" the kernel, or an error.

    Raises: InputError for other dtypes, shapes that do not fit, an empty k or n; on
        lowering "pallas" for a platform without a GPU.

    >>> x, w = jnp.ones((2, 3)), jnp.full((3, 1), 2.0)
    >>> batch_invariant_matmul(x, w).tolist()
    [[6.0], [6.0]]
    """
    name, arrays = "batch_invariant_matmul", {"x": x, "weight": weight}
    require_floats(name, **arrays)
    fits = x.ndim >= 1 and weight.ndim == 2 and x.shape[-1] == weight.shape[0]
    needs = "x [..., k], weight [k, n], k >= 1, n >= 1"
    require(name, fits and weight.size > 0, needs, **arrays)
    return _compiled(x, weight, implementation)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _matmul(x, weight, implementation):
    return kernel_call(
        "batch_invariant_matmul",
        _reference.matmul,
        _kernel.matmul,
        *(x, weight),
        implementation=implementation,
        elsewhere=_reference.fixed_order,
    )


def _forward(x, weight, implementation):
    return _matmul(x, weight, implementation), (x, weight)


def _backward(implementation, saved, dy):
    x, weight = saved
    dx = _matmul(dy, weight.T, implementation)
    return jnp.asarray(dx, x.dtype), _reference.dweight(x, weight, dy)


_matmul.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_matmul, static_argnums=(2,))
