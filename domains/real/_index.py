"""Rules for reading and writing at positions computed at run time.

Positions are integers, hence known. Which element comes from where is left to JAX: it
gathers the numbers 0, 1, 2... in place of the elements.
"""

import jax
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains.real._apply import minus, plus, times
from torchlean_jax.domains.real._arithmetic import larger_of, smaller_of
from torchlean_jax.domains.real._flint import no_number
from torchlean_jax.domains.real._layout import moved
from torchlean_jax.domains.real._value import RealArray, as_array, lift, rules

_OUTSIDE = -1


@rules.define_op("gather")
def _gather(operation, operand, indices):
    operand = lift(operand)
    places = _gathered(operation.replace(fill_value=_OUTSIDE), operand.shape, indices)
    outside = places == _OUTSIDE
    if not outside.any():
        return moved(lambda x: np.asarray(x.reshape(-1)[places]), operand)
    fill = operation.params["fill_value"]
    fill = no_number() if fill is None else lift(fill).balls[()]
    balls = np.append(operand.balls.reshape(-1), as_array(fill))
    return RealArray(balls[places], operand.dtype)


def _gathered(operation, shape, indices):
    """For each element of the result the flat position that it comes from."""
    numbers = np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)
    with jax.ensure_compile_time_eval():
        return np.asarray(operation(numbers, indices))


@rules.define_op("dynamic_slice")
def _dynamic_slice(operation, operand, *starts):
    operand = lift(operand)
    at = _window(operand.shape, operation.params["slice_sizes"], starts)
    return moved(lambda x: x[at], operand)


@rules.define_op("dynamic_update_slice")
def _dynamic_update_slice(operation, operand, update, *starts):
    operand, update = lift(operand), lift(update)
    at = _window(operand.shape, update.shape, starts)

    def write(x, u):
        written = np.array(x)
        written[at] = u
        return written

    return moved(write, operand, update)


def _window(shape, sizes, starts):
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
            fill_value=_OUTSIDE,
        )
    return np.asarray(found).reshape(-1)


@rules.define_op("scatter")
def _scatter(operation, operand, indices, updates):
    """Of several writes to one place any may come last, so they must not differ."""
    operand, updates = lift(operand), lift(updates)
    places = targets(operation, operand, indices, updates)
    inside = places != _OUTSIDE
    if len(np.unique(places[inside])) == inside.sum():

        def write(x, u):
            written = np.array(x).reshape(-1)
            written[places[inside]] = u.reshape(-1)[inside]
            return written.reshape(x.shape)

        return moved(write, operand, updates)
    written, first = operand.balls.reshape(-1).copy(), {}
    balls = updates.balls.reshape(-1)
    for place, ball in zip(places[inside], balls[inside], strict=True):
        if first.setdefault(place, ball) is not ball and not first[place] == ball:
            raise UndecidedError(
                "two updates may write different numbers to one element, and which "
                "one stays is not said"
            )
        written[place] = ball
    return RealArray(written.reshape(operand.shape), operand.dtype)


def _combining(function):
    """A scatter that combines each update with what is there, in any order."""

    def rule(operation, operand, indices, updates):
        operand, updates = lift(operand), lift(updates)
        result = operand.balls.reshape(-1).copy()
        places = targets(operation, operand, indices, updates)
        for place, ball in zip(places, updates.balls.reshape(-1), strict=True):
            if place != _OUTSIDE:
                result[place] = function(result[place], ball)
        return RealArray(result.reshape(operand.shape), operand.dtype)

    return rule


for _name, _combine in {
    "scatter-add": plus,
    "scatter-sub": minus,
    "scatter-mul": times,
    "scatter-max": larger_of,
    "scatter-min": smaller_of,
}.items():
    rules.define_op(_name)(_combining(_combine))
