"""The function that users call."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.scatter_add import _kernel, _reference


def scatter_add(
    operand: jax.Array,
    indices: jax.Array,
    updates: jax.Array,
    *,
    implementation: str = "auto",
) -> jax.Array:
    """operand.at[indices].add(updates), with the same bits on every run.

    operand: [rows, ...], updates: [n, ...], float32, bfloat16 or float16; indices: [n],
    integers. Row i of the result is row i of the operand plus, one after the other in
    their order and in float32, the updates whose index is i; in the dtype of `operand`.
    An index outside of 0 .. rows - 1 drops its update: a negative one does not count
    from the end. Differentiable in reverse mode with respect to operand and updates;
    the gradient of a dropped update is 0. implementation: "auto" runs the kernel on a
    CUDA GPU and the formula elsewhere (there the order is XLA's); "reference" the
    formula; "pallas" the kernel, or an error.

    Raises: InputError for other dtypes and for shapes that do not fit; on lowering
        "pallas" for a platform without a GPU.

    >>> updates = jnp.array([[1.0], [2.0], [4.0], [8.0]])
    >>> y = scatter_add(jnp.zeros((2, 1)), jnp.array([1, 1, -1, 2]), updates)
    >>> y.tolist()
    [[0.0], [3.0]]
    """
    require_floats("scatter_add", operand=operand, updates=updates)
    arrays = {"operand": operand, "indices": indices, "updates": updates}
    integers = jnp.issubdtype(indices.dtype, jnp.integer) and indices.ndim == 1
    require("scatter_add", integers, "indices [n] of integers", **arrays)
    fits = operand.ndim >= 1 and updates.shape == (*indices.shape, *operand.shape[1:])
    needs = "operand [rows, ...], indices [n], updates [n, ...]"
    require("scatter_add", fits, needs, **arrays)
    return _compiled(operand, indices, updates, implementation)


def _places(indices, rows):
    """The rows as int32; `rows` for what lies outside. In the dtype of the indices, or
    a wider one: 2**32 + 1 is outside, and as int32 it would be 1."""
    if indices.dtype.itemsize < 4:
        indices = indices.astype(jnp.int32)
    inside = (indices >= 0) & (indices < rows)
    return jnp.where(inside, indices, rows).astype(jnp.int32)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _scatter_add(operand, indices, updates, implementation):
    y = kernel_call(
        "scatter_add",
        _reference.scatter_add,
        _kernel.scatter_add,
        _as_table(operand),
        _places(indices, operand.shape[0]),
        _as_table(updates),
        implementation=implementation,
    )
    return y.reshape(operand.shape)


def _forward(operand, indices, updates, implementation):
    y = _scatter_add(operand, indices, updates, implementation)
    # of the updates only shape and dtype, in an array without elements
    return y, (indices, jnp.zeros((0, *updates.shape[1:]), updates.dtype))


def _backward(implementation, saved, dy):
    indices, like = saved
    dupdates = kernel_call(
        "scatter_add_backward",
        _reference.gather_rows,
        _kernel.gather_rows,
        _as_table(dy),
        _places(indices, dy.shape[0]),
        implementation=implementation,
    )
    dupdates = dupdates.reshape(*indices.shape, *like.shape[1:]).astype(like.dtype)
    return dy, np.zeros(indices.shape, jax.dtypes.float0), dupdates


def _as_table(x):
    """[rows, columns]."""
    return x.reshape(x.shape[0], int(np.prod(x.shape[1:])))


_scatter_add.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_scatter_add, static_argnums=(3,))
