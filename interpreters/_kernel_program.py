"""One program of a Pallas kernel: its jaxpr, walked over memory.

Indices, loop counters and masks are concrete, so that loops unroll and branches are
taken; numbers stay traced. What is left is a straight line of arithmetic between
constant gathers. Which programs there are, and which blocks they get, is
`_kernel_call`'s.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters import _control, _jaxpr, _once
from torchlean_jax.interpreters._jaxpr import is_literal
from torchlean_jax.interpreters._kernel_memory import (
    NOBODY,
    OUTSIDE,
    SEVERAL,
    Buffer,
    Log,
    Ref,
)

_NO_MEANING = frozenset(
    ("multiple_of", "max_contiguous", "debug_barrier", "debug_print", "debug_check")
)


class Program:
    """The program at `place` in a grid of `sizes`, the one with this number."""

    def __init__(self, place, sizes, number: int, log: Log):
        self.place, self.sizes, self.number, self.log = place, sizes, number, log
        self.returns = True

    def run(self, jaxpr, consts, refs):
        scratch = [
            self.scratch(var.aval, k) for k, var in enumerate(jaxpr.invars[len(refs) :])
        ]
        self.walk(jaxpr, consts, [*refs, *scratch])

    def scratch(self, aval, k) -> Ref:
        """Memory of this program's own, with nothing in it."""
        shape = tuple(aval.shape)
        buffer = Buffer(f"scratch {k}", shape, aval.dtype, private=True)
        return Ref(buffer, np.arange(buffer.size).reshape(buffer.shape))

    def walk(self, jaxpr, consts, args):
        env: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(var):
            return _jaxpr.literal_value(var) if is_literal(var) else env[var]

        # a store returns what was there before; who ignores that has not read it
        used = {v for eqn in jaxpr.eqns for v in eqn.invars if not is_literal(v)}
        used.update(v for v in jaxpr.outvars if not is_literal(v))
        for eqn in jaxpr.eqns:
            self.returns = not used.isdisjoint(eqn.outvars)
            outputs = self.apply(eqn, [read(v) for v in eqn.invars])
            env.update(zip(eqn.outvars, outputs, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def apply(self, eqn, operands) -> list:
        name = eqn.primitive.name
        if name in _HANDLERS:
            return _HANDLERS[name](self, eqn, operands)
        if name in _control.CALLS:
            jaxpr, consts = _jaxpr.open_jaxpr(eqn.params[_control.CALLS[name]])
            return self.walk(jaxpr, consts, operands)
        if name in _NO_MEANING:
            return operands[: len(eqn.outvars)]
        if any(isinstance(x, Ref) for x in operands):
            raise InputError(
                f"{name} on memory has no meaning here: a kernel reads, writes, loops "
                "and branches; sums by atomic operations have no fixed order"
            )
        return plain(eqn, operands, self.log.numbers)

    # memory -----------------------------------------------------------------------

    def load(self, eqn, ref, mask=None, other=None):
        wanted = _as_mask(mask, ref.shape)
        inside = ref.addresses != OUTSIDE
        good = wanted & inside
        buffer, safe = ref.buffer, np.where(inside, ref.addresses, 0)
        self.note(eqn, "read out of bounds", ref, wanted & ~inside)
        if not buffer.size:
            return np.zeros(ref.shape, buffer.dtype)
        empty = buffer.piece[safe] == NOBODY
        self.note(eqn, "read before any write", ref, good & empty)
        others = ~np.isin(buffer.writer[safe], (NOBODY, self.number))
        self.note(eqn, "race", ref, good & others)
        read = ref.addresses[good]
        if not buffer.private:
            self.log.loaded += read.size * buffer.dtype.itemsize
        alone = np.isin(buffer.reader[read], (NOBODY, self.number))
        buffer.reader[read] = np.where(alone, self.number, SEVERAL)
        value = buffer.read(safe)
        if good.all() or isinstance(value, jax.ShapeDtypeStruct):
            return value
        if other is not None and (wanted == good).all():
            return _chosen(good, value, other)
        # what nobody may look at is NaN, so that looking shows
        rest = _poison(ref.shape, buffer.dtype)
        if other is not None:
            rest = _chosen(wanted, rest, other)
        return _chosen(good, value, rest)

    def store(self, eqn, ref, value, mask=None):
        wanted = _as_mask(mask, ref.shape)
        inside = ref.addresses != OUTSIDE
        good = wanted & inside
        buffer, safe = ref.buffer, np.where(inside, ref.addresses, 0)
        self.note(eqn, "write out of bounds", ref, wanted & ~inside)
        if not buffer.size:
            return
        nobody_else = (NOBODY, self.number)
        mine = np.isin(buffer.writer[safe], nobody_else)
        mine &= np.isin(buffer.reader[safe], nobody_else)
        # two elements of one store at one address: either may win
        target = ref.addresses[good]
        if not buffer.private:
            self.log.stored += target.size * buffer.dtype.itemsize
        alone = np.zeros(good.sum(), bool)
        alone[np.unique(target, return_index=True)[1]] = True
        twice = np.zeros(good.shape, bool)
        twice[good] = ~alone
        self.note(eqn, "race", ref, good & (~mine | twice))
        buffer.writer[target] = self.number
        if isinstance(value, jax.ShapeDtypeStruct):
            buffer.write(target, jax.ShapeDtypeStruct(target.shape, buffer.dtype))
            return
        value = value if good.all() else value[good]
        buffer.write(target, held(value).astype(buffer.dtype))

    def note(self, eqn, kind, ref, wrong):
        self.log.note(kind, ref, wrong, tuple(self.place), _jaxpr.source_line(eqn))


def is_known(x) -> bool:
    """Whether `x` is an integer or boolean array that is concrete."""
    concrete = not isinstance(x, Tracer | jax.ShapeDtypeStruct)
    return concrete and not _is_float(x)


def held(x) -> Any:
    """A known integer or boolean as a NumPy array, a shape as it is, all else as a JAX
    array."""
    if isinstance(x, jax.ShapeDtypeStruct):
        return x
    return np.asarray(x) if is_known(x) else jnp.asarray(x)


def _is_float(x) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.inexact)


def _as_mask(mask, shape):
    if mask is None:
        return np.ones(shape, bool)
    if not isinstance(mask, np.ndarray | np.generic):
        raise InputError("a mask of memory has to follow from indices, not from floats")
    return np.broadcast_to(np.asarray(mask), shape)


def _chosen(where, value, other):
    """`value` where the concrete mask holds; concrete if both are."""
    known = isinstance(value, np.ndarray) and isinstance(other, np.ndarray | np.generic)
    if known:
        return np.where(where, value, other).astype(value.dtype)
    return jnp.where(where, value, jnp.asarray(other, value.dtype))


def _poison(shape, dtype):
    if jnp.issubdtype(dtype, jnp.inexact):
        return jnp.full(shape, jnp.nan, dtype)
    return np.full(shape, np.iinfo(dtype).max if dtype != np.bool_ else True, dtype)


def plain(eqn, operands, numbers: bool = True) -> list:
    """An equation without memory: at once if it is about known integers, else as the
    trace or the caller has it; or only its shapes, if no `numbers` are wanted."""
    concrete = all(isinstance(x, np.ndarray | np.generic) for x in operands)
    exact = not any(map(_is_float, operands)) and not any(
        jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in eqn.outvars
    )
    if concrete and exact:
        # by NumPy where it can: a kernel has more of these than of all others together
        with jax.ensure_compile_time_eval(), np.errstate(all="ignore"):
            return [np.asarray(x) for x in _once.function_of(eqn)(*operands)]
    if not numbers:
        avals = (v.aval for v in eqn.outvars)
        return [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in avals]
    operation = _jaxpr.operation(eqn)
    outputs = operation(*operands)
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def _viewed(ref, transforms):
    for indexer in transforms:
        if not hasattr(indexer, "indices"):
            kind = type(indexer).__name__
            raise InputError(f"a view by {kind} is not unrolled: index memory plainly")
        ref = ref.at(_concrete(indexer))
    return ref


def _concrete(indexer):
    for index in jax.tree.leaves(indexer):
        if isinstance(index, Tracer | jax.ShapeDtypeStruct):
            raise InputError("an index into memory depends on numbers that are traced")
    return indexer


def _program_id(self, eqn, operands):
    return [np.int32(self.place[eqn.params["axis"]])]


def _num_programs(self, eqn, operands):
    return [np.int32(self.sizes[eqn.params["axis"]])]


def _get(self, eqn, operands):
    ref, *leaves = operands
    transforms = jax.tree.unflatten(eqn.params["tree"], leaves)
    return [self.load(eqn, _viewed(ref, transforms))]


def _swap(self, eqn, operands):
    ref, value, *leaves = operands
    view = _viewed(ref, jax.tree.unflatten(eqn.params["tree"], leaves))
    old = self.load(eqn, view) if self.returns else None
    self.store(eqn, view, value)
    return [old]


def _add_update(self, eqn, operands):
    ref, value, *leaves = operands
    view = _viewed(ref, jax.tree.unflatten(eqn.params["tree"], leaves))
    before = self.load(eqn, view)
    known = not isinstance(before, jax.ShapeDtypeStruct) and self.log.numbers
    self.store(eqn, view, before + value if known else _shape_of(before))
    return []


def _masked_load(self, eqn, operands):
    ref, transforms, mask, other = jax.tree.unflatten(eqn.params["args_tree"], operands)
    return [self.load(eqn, _viewed(ref, transforms), mask, other)]


def _masked_swap(self, eqn, operands):
    ref, transforms, value, mask = jax.tree.unflatten(eqn.params["args_tree"], operands)
    view = _viewed(ref, transforms)
    old = self.load(eqn, view, mask) if self.returns else None
    self.store(eqn, view, value, mask)
    return [old]


def _cond(self, eqn, operands):
    index, *operands = operands
    if not isinstance(index, np.ndarray | np.generic):
        if any(isinstance(x, Ref) for x in operands):
            raise InputError("a branch that touches memory depends on traced numbers")
        return plain(eqn, [index, *operands], self.log.numbers)
    branches = eqn.params["branches"]
    chosen = branches[int(np.clip(index, 0, len(branches) - 1))]
    jaxpr, consts = _jaxpr.open_jaxpr(chosen)
    return self.walk(jaxpr, consts, operands)


def _scan(self, eqn, operands):
    n_consts, n_carry = _jaxpr.scan_layout(eqn)
    jaxpr, closed = _jaxpr.open_jaxpr(eqn.params["jaxpr"])
    consts, carry = operands[:n_consts], operands[n_consts : n_consts + n_carry]
    xs, rows = operands[n_consts + n_carry :], []
    steps = range(eqn.params["length"])
    for t in reversed(steps) if eqn.params["reverse"] else steps:
        args = [*consts, *carry, *(_at(x, t) for x in xs)]
        outputs = self.walk(jaxpr, closed, args)
        carry = outputs[:n_carry]
        rows.append(outputs[n_carry:])
    rows = rows[::-1] if eqn.params["reverse"] else rows
    columns = [_stacked(column) for column in zip(*rows, strict=True)]
    return [*carry, *columns]


def _shape_of(x) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype)


def _at(x, t):
    if isinstance(x, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(x.shape[1:], x.dtype)
    return x[t]


def _stacked(column):
    if any(isinstance(x, jax.ShapeDtypeStruct) for x in column):
        one = _shape_of(column[0])
        return jax.ShapeDtypeStruct((len(column), *one.shape), one.dtype)
    concrete = all(isinstance(x, np.ndarray | np.generic) for x in column)
    return np.stack(column) if concrete else jnp.stack(column)


def _while(self, eqn, operands):
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    test, test_consts = _jaxpr.open_jaxpr(eqn.params["cond_jaxpr"])
    body, body_consts = _jaxpr.open_jaxpr(eqn.params["body_jaxpr"])
    cond_args, operands = operands[:n_cond], operands[n_cond:]
    body_args, carry = operands[:n_body], operands[n_body:]
    while True:
        (holds,) = self.walk(test, test_consts, [*cond_args, *carry])
        if not isinstance(holds, np.ndarray | np.generic):
            raise InputError(
                "a loop of a kernel runs for as long as traced numbers say"
            )
        if not holds:
            return carry
        carry = self.walk(body, body_consts, [*body_args, *carry])


def _run_scoped(self, eqn, operands):
    jaxpr, consts = _jaxpr.open_jaxpr(eqn.params["jaxpr"])
    # the operands are what the body captures, its arguments the memory it is given
    refs = [self.scratch(v.aval, k) for k, v in enumerate(jaxpr.invars)]
    return self.walk(jaxpr, operands or consts, refs)


_HANDLERS = {
    "program_id": _program_id,
    "num_programs": _num_programs,
    "get": _get,
    "swap": _swap,
    "addupdate": _add_update,
    "masked_load": _masked_load,
    "load": _masked_load,
    "masked_swap": _masked_swap,
    "cond": _cond,
    "scan": _scan,
    "while": _while,
    "run_scoped": _run_scoped,
}
