"""Where a backward pass from single elements starts.

An element of x @ W + b is a column of W and one number of b; one of a convolution is a
kernel laid at its window. A pass that starts with those saves its first product, which
would multiply rows of an identity matrix, and what rounding it could cost.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.interpreters import _convolution, _linear, _steps


def unit_rows(equations, steps, values, number, indices):
    """(value number, rows [2k, *shape] on it, offset [2k], error) that stand for the
    elements `indices` (int[k]) of value `number`, and then for their negatives.

    Nothing is rounded on the way; the error is that of weights so small that hardware
    reads them as 0, and is one number for all rows.
    """
    made = {
        equation.outputs[0]: step
        for equation, step in zip(equations, steps, strict=False)
        if len(equation.outputs) == 1
    }
    dtype = values[number].dtype
    offset = None
    while True:
        step: Any = made.get(number)
        if _keeps_order(step):
            number = step.equation.inputs[0]
        elif offset is None and _adds_constant(step):
            (constant,) = step.at_zero(values)
            both = jnp.stack([constant.lo.reshape(-1), -constant.hi.reshape(-1)])
            offset = both[:, indices].reshape(-1)
            (number,) = step.abstract.intersection(step.equation.inputs)
        else:
            break
    if offset is None:
        offset = jnp.zeros(2 * len(indices), dtype)
    rows, error = _of_product(step, values, indices), 0.0
    if rows is None:
        unit = indices[:, None] == jnp.arange(values[number].size)
        rows = unit.astype(dtype).reshape(-1, *values[number].shape)
    else:
        number = step.equation.inputs[0]
        # later steps take no coefficient to be subnormal: its flushing would cost what
        # it is multiplied by
        tiny = float(jnp.finfo(dtype).smallest_normal)
        rows = jnp.where(jnp.abs(rows) < tiny, 0, rows)
        error = 2 * tiny * jnp.sum(magnitude(values[number]))
    return number, jnp.concatenate([rows, -rows]), offset, error


def _keeps_order(step) -> bool:
    if isinstance(step, _steps.Linear):
        return _linear.keeps_order(step.equation)
    return isinstance(step, _steps.Identity)


def _adds_constant(step) -> bool:
    """Whether the result is the one abstract operand plus constants, element by
    element."""
    if not isinstance(step, _steps.Linear):
        return False
    equation = step.equation
    if equation.name == "sub":
        return equation.inputs[0] in step.abstract and _alone(step)
    return equation.name in ("add", "add_any") and _alone(step)


def _alone(step) -> bool:
    return sum(i in step.abstract for i in step.equation.inputs) == 1


def _of_product(step, values, indices):
    """Rows on x for elements of a product of x with constants, or None."""
    if not isinstance(step, _steps.Linear) or step.equation.name not in _ROWS:
        return None
    equation = step.equation
    x, w = equation.inputs
    if x not in step.abstract or w in step.abstract:
        return None
    middles, radii = _linear.fixed_operands(equation, values, step.abstract)
    if radii[1] is not None:
        return None
    return _ROWS[equation.name](equation, values[x].shape, middles[1], indices)


def _columns(equation, shape, matrix, indices):
    """Columns of W, for x @ W with a matrix W and the last axis of x."""
    (x_dims, w_dims), batch = equation.operation.params["dimension_numbers"]
    last = (len(shape) - 1,)
    if x_dims != last or len(w_dims) != 1 or any(map(len, batch)) or matrix.ndim != 2:
        return None
    matrix = jnp.moveaxis(matrix, w_dims[0], 0)
    width = matrix.shape[1]
    columns = matrix.T[indices % width]
    lead = int(np.prod(shape[:-1]))
    if lead == 1:
        return columns.reshape(-1, *shape)
    place = (indices // width)[:, None] == jnp.arange(lead)
    rows = jnp.where(place[:, :, None], columns[:, None, :], 0)
    return rows.reshape(-1, *shape)


def _placed_kernels(equation, shape, kernel, indices):
    """Kernels at their windows, for a plain convolution."""
    params = equation.operation.params
    if not _convolution.is_plain(params):
        return None
    x_spec, w_spec, y_spec = params["dimension_numbers"]
    kernel = jnp.transpose(kernel, w_spec)
    padding = params["padding"]
    sizes = [
        shape[axis] + sum(pad) for axis, pad in zip(x_spec[2:], padding, strict=True)
    ]
    canvas = jnp.zeros((shape[x_spec[0]], kernel.shape[1], *sizes), kernel.dtype)
    crop = [(0, 0, 0)] * 2 + [(-lo, -hi, 0) for lo, hi in padding]
    (result,) = equation.eqn.outvars

    def place(index):
        at = jnp.unravel_index(index, result.aval.shape)
        sample, feature, *window = (at[axis] for axis in y_spec)
        corner = [p * s for p, s in zip(window, params["window_strides"], strict=True)]
        patch = lax.dynamic_index_in_dim(kernel, feature)
        laid = lax.dynamic_update_slice(canvas, patch, (sample, 0, *corner))
        laid = lax.pad(laid, jnp.zeros((), kernel.dtype), crop)
        return jnp.transpose(laid, tuple(map(int, np.argsort(x_spec))))

    return jax.vmap(place)(indices)


_ROWS = {"dot_general": _columns, "conv_general_dilated": _placed_kernels}
