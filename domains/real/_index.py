"""Rules for reading and writing at positions computed at run time.

Positions are integers, hence known. Which element comes from where is left to JAX: it
gathers the numbers 0, 1, 2... in place of the elements.
"""

import numpy as np

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains._moves import written
from torchlean_jax.domains._places import OUTSIDE, gathered, targets, window
from torchlean_jax.domains.real._apply import minus, plus, times
from torchlean_jax.domains.real._arithmetic import larger_of, smaller_of
from torchlean_jax.domains.real._flint import no_number
from torchlean_jax.domains.real._layout import moved
from torchlean_jax.domains.real._value import RealArray, as_array, lift, rules


@rules.define_op("gather")
def _gather(operation, operand, indices):
    operand = lift(operand)
    places = gathered(operation.replace(fill_value=OUTSIDE), operand.shape, indices)
    outside = places == OUTSIDE
    if not outside.any():
        return moved(lambda x: np.asarray(x.reshape(-1)[places]), operand)
    fill = operation.params["fill_value"]
    fill = no_number() if fill is None else lift(fill).balls[()]
    balls = np.append(operand.balls.reshape(-1), as_array(fill))
    return RealArray(balls[places], operand.dtype)


@rules.define_op("dynamic_slice")
def _dynamic_slice(operation, operand, *starts):
    operand = lift(operand)
    at = window(operand.shape, operation.params["slice_sizes"], starts)
    return moved(lambda x: x[at], operand)


@rules.define_op("dynamic_update_slice")
def _dynamic_update_slice(operation, operand, update, *starts):
    operand, update = lift(operand), lift(update)
    at = window(operand.shape, update.shape, starts)
    return moved(lambda x, u: written(x, at, u), operand, update)


@rules.define_op("scatter")
def _scatter(operation, operand, indices, updates):
    """Of several writes to one place any may come last, so they must not differ."""
    operand, updates = lift(operand), lift(updates)
    places = targets(operation, operand, indices, updates)
    inside = places != OUTSIDE
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
            if place != OUTSIDE:
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
