"""Rules that move elements to known places, and that reduce nothing."""

import numpy as np

from torchlean_jax.domains._moves import MOVES, pieces, written
from torchlean_jax.domains._places import OUTSIDE, gathered, targets, window
from torchlean_jax.domains.finite_field._arithmetic import (
    add_mod,
    multiply_mod,
    of_one_kind,
)
from torchlean_jax.domains.finite_field._value import (
    UNDEFINED,
    FieldArray,
    kinds_of,
    levels_of,
    moved,
    rules,
)


def _define(name, move):
    @rules.define(name)
    def rule(field, *operands, **params):
        return moved(lambda *arrays: move(*arrays, **params), *operands)


for _name, _move in MOVES.items():
    _define(_name, _move)


def unchanged(field, operation, *operands):
    """Where arrays live and what they are called is not about numbers."""
    return list(operands) if operation.primitive.multiple_results else operands[0]


rules.define_each(
    (
        *("copy", "copy_p", "stop_gradient", "device_put", "optimization_barrier"),
        *("sharding_constraint", "reshard"),
    ),
    lambda field, operation, *xs: unchanged(field, operation, *map(_lifted(field), xs)),
)


def _lifted(field):
    """A float literal becomes a value; integers stay arrays."""
    return lambda x: (
        field.lift(x)
        if isinstance(x, FieldArray) or np.issubdtype(np.asarray(x).dtype, np.inexact)
        else x
    )


# What `tl.cut` calls the values that it marks.
CUT = "torchlean_jax.cut"


@rules.define("name")
def _name_rule(field, x, *, name):
    return field.as_variable(x) if name == CUT else x


@rules.define("split")
def _split(field, x, *, sizes, axis):
    return [x[at] for at in pieces(sizes, axis)]


@rules.define("unstack")
def _unstack(field, x, *, axis):
    return [x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis])]


@rules.define_op("empty", "empty2")
def _empty(field, operation):
    """Memory that nobody has written yet may hold anything."""
    shape = operation.params.get("shape", ())  # empty2 makes scalars
    return field.unknown(shape, operation.params["dtype"])


@rules.define("iota")
def _iota(field, *, dtype, shape, dimension):
    counts = np.arange(shape[dimension], dtype=np.float64)
    aligned = np.ones(len(shape), int)
    aligned[dimension] = shape[dimension]
    counts = np.broadcast_to(counts.reshape(aligned), shape)
    return field.lift(counts).named(dtype)


@rules.define_op("gather")
def _gather(field, operation, operand, indices):
    operand = field.lift(operand)
    places = gathered(
        operation.replace(fill_value=OUTSIDE), operand.shape, np.asarray(indices)
    )
    if not (places == OUTSIDE).any():
        return operand.moved(lambda x: x.reshape(-1)[places])
    fill = operation.params["fill_value"]
    fill = field.lift(np.asarray(np.nan if fill is None else fill, np.float64))
    return moved(lambda x, f: np.append(x.reshape(-1), f)[places], operand, fill)


@rules.define_op("dynamic_slice")
def _dynamic_slice(field, operation, operand, *starts):
    operand = field.lift(operand)
    at = window(operand.shape, operation.params["slice_sizes"], starts)
    return operand[at]


@rules.define_op("dynamic_update_slice")
def _dynamic_update_slice(field, operation, operand, update, *starts):
    operand, update = field.lift(operand), field.lift(update)
    at = window(operand.shape, update.shape, starts)
    return moved(lambda x, u: written(x, at, u), operand, update)


@rules.define_op("scatter")
def _scatter(field, operation, operand, indices, updates):
    """Of several writes to one place the last stays, as wherever this is asked."""
    operand, updates = field.lift(operand), field.lift(updates)
    places = targets(operation, operand, np.asarray(indices), updates)
    inside = places != OUTSIDE

    def write(x, u):
        written = np.array(x).reshape(-1)
        written[places[inside]] = u.reshape(-1)[inside]
        return written.reshape(x.shape)

    return moved(write, operand, updates)


@rules.define_op("scatter-add")
def _scatter_add(field, operation, operand, indices, updates):
    return _combined(field, operation, operand, indices, updates, add_mod)


@rules.define_op("scatter-mul")
def _scatter_mul(field, operation, operand, indices, updates):
    return _combined(field, operation, operand, indices, updates, multiply_mod)


def _combined(field, operation, operand, indices, updates, combine):
    """Each update combined with what is there, one by one."""
    operand, updates = of_one_kind(field.lift(operand), field.lift(updates))
    places = targets(operation, operand, np.asarray(indices), updates)
    parts = 2 if operand.is_complex else 1
    rows = operand.residues.reshape(4 * parts, -1).copy()
    more = updates.residues.reshape(4 * parts, -1)
    kinds = kinds_of(operand).reshape(-1).copy()
    for k in np.flatnonzero(places != OUTSIDE):
        place = places[k]
        for row, u, m in zip(rows, more, np.repeat(field.moduli, parts), strict=True):
            row[place] = combine(row[place], u[k], m)
        if kinds_of(updates).reshape(-1)[k]:
            kinds[place] = UNDEFINED
    most = np.unique(places, return_counts=True)[1].max(initial=0)
    added = operand.degree + updates.degree.summed(int(most))
    multiplied = operand.degree.times(updates.degree.powered(int(most)))
    return FieldArray(
        rows.reshape(operand.residues.shape),
        operand.dtype,
        kinds.reshape(operand.shape) if kinds.any() else None,
        levels_of(operand, updates),
        added if combine is add_mod else added.beside(multiplied),
    )
