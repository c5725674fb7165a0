"""Rules for reading and writing at positions, which are ordinary integers here.

Several updates of one element are applied one after the other, in row-major order of
the updates, whatever order the domain states for sums.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.ieee32._compare import maximum, minimum
from torchlean_jax.domains.ieee32._domain import operate
from torchlean_jax.domains.ieee32._rules import operation_rule
from torchlean_jax.domains.ieee32._value import FloatBits, choose


@operation_rule("gather")
def _gather(domain, operation, operand, indices):
    x = domain.lift(operand)
    fill = operation.params["fill_value"]
    fill = np.asarray(np.nan if fill is None else fill, x.dtype)
    word = int(x.format.nan) if fill != fill else int(fill.view(x.format.storage))
    bits = operation.replace(fill_value=word)(x.bits, indices)
    flags = x.flags
    if flags is not None:
        flags = operation.replace(fill_value=0)(flags, indices)
    return FloatBits(bits, x.format, flags)


@operation_rule("dynamic_slice")
def _dynamic_slice(domain, operation, operand, *starts):
    return jax.tree.map(lambda a: operation(a, *starts), domain.lift(operand))


@operation_rule("dynamic_update_slice")
def _dynamic_update_slice(domain, operation, operand, update, *starts):
    return jax.tree.map(
        lambda a, b: operation(a, b, *starts), domain.lift(operand), domain.lift(update)
    )


@operation_rule("scatter")
def _scatter(domain, operation, operand, indices, updates):
    """The last update of an element stays."""
    operand, updates = domain.lift(operand), domain.lift(updates)
    if updates.size == 0:
        return operand
    numbers = jnp.arange(updates.size, dtype=jnp.int32).reshape(updates.shape)
    last = _extreme_number(lax.scatter_max, operation, operand, indices, numbers, -1)
    return choose(last >= 0, _taken(updates, last), operand)


def _one_by_one(combine, domain, operation, operand, indices, updates):
    """Each round applies, to every element, the first update that is still waiting."""
    operand, updates = domain.lift(operand), domain.lift(updates)
    if updates.size == 0:
        return operand
    none = np.int32(np.iinfo(np.int32).max)

    def first_waiting(waiting):
        return _extreme_number(
            lax.scatter_min, operation, operand, indices, waiting, none
        )

    def step(state):
        result, waiting, first = state
        hit = first != none
        changed = combine(domain, result, _taken(updates, first))
        result = choose(hit, changed, result)
        done = jnp.where(hit, first, updates.size).ravel()
        waiting = waiting.ravel().at[done].set(none, mode="drop")
        waiting = waiting.reshape(updates.shape)
        return result, waiting, first_waiting(waiting)

    waiting = jnp.arange(updates.size, dtype=jnp.int32).reshape(updates.shape)
    start = operand, waiting, first_waiting(waiting)
    return lax.while_loop(lambda state: jnp.any(state[2] != none), step, start)[0]


def _arithmetic(name, domain, x, y):
    return operate(domain, name, x, y)


for _name, _combine in (
    ("scatter-add", functools.partial(_arithmetic, "add")),
    ("scatter-sub", functools.partial(_arithmetic, "sub")),
    ("scatter-mul", functools.partial(_arithmetic, "mul")),
    ("scatter-max", maximum),
    ("scatter-min", minimum),
):
    operation_rule(_name)(functools.partial(_one_by_one, _combine))


def _extreme_number(scatter, operation, operand, indices, numbers, start):
    """For each element, the least or largest number among its updates, or `start`."""
    params = operation.params
    return scatter(
        jnp.full(operand.shape, start, jnp.int32),
        indices,
        numbers,
        params["dimension_numbers"],
        indices_are_sorted=params["indices_are_sorted"],
        unique_indices=params["unique_indices"],
        mode=params["mode"],
    )


def _taken(updates, numbers):
    """The updates with these numbers, any one where there is no such number."""
    last = updates.size - 1
    return jax.tree.map(lambda a: a.ravel()[jnp.clip(numbers, 0, last)], updates)
