"""Which element comes from where: gathers, scatters and windows at concrete positions.

JAX itself finds the places: it gathers the numbers 0, 1, 2... in place of the elements.
"""

import jax
import numpy as np
from jax import lax

OUTSIDE = -1


def gathered(operation, shape, indices):
    """For each element of the result the flat position that it comes from."""
    numbers = np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)
    with jax.ensure_compile_time_eval():
        return np.asarray(operation(numbers, indices))


def window(shape, sizes, starts):
    """The slices of a window, which is pushed inside where it sticks out."""
    firsts = [
        min(max(int(start), 0), n - size)
        for n, size, start in zip(shape, sizes, starts, strict=True)
    ]
    return tuple(slice(f, f + size) for f, size in zip(firsts, sizes, strict=True))


def targets(operation, operand, indices, updates):
    """For each update the flat position that it goes to, -1 where it is dropped."""
    p, numbers = operation.params, operation.params["dimension_numbers"]
    window = iter(np.array(updates.shape)[list(numbers.update_window_dims)])
    fixed = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    sizes = [1 if a in fixed else int(next(window)) for a in range(operand.ndim)]
    positions = np.arange(operand.size, dtype=np.int32).reshape(operand.shape)
    with jax.ensure_compile_time_eval():
        found = lax.gather(
            positions,
            indices,
            lax.GatherDimensionNumbers(
                offset_dims=numbers.update_window_dims,
                collapsed_slice_dims=numbers.inserted_window_dims,
                start_index_map=numbers.scatter_dims_to_operand_dims,
                operand_batching_dims=numbers.operand_batching_dims,
                start_indices_batching_dims=numbers.scatter_indices_batching_dims,
            ),
            slice_sizes=tuple(sizes),
            mode=p["mode"],
            fill_value=OUTSIDE,
        )
    return np.asarray(found).reshape(-1)
