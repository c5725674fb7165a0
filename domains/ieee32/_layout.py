"""Rules for operations that move elements: the same move on bits (and on flags)."""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains import _families
from torchlean_jax.domains.ieee32._format import format_of
from torchlean_jax.domains.ieee32._rules import (
    operation_rule,
    operation_rule_for_each,
    refuse,
    rule,
)
from torchlean_jax.domains.ieee32._value import FloatBits

# Each result is the operand at its place, whatever else is an operand.
_SIDE_BY_SIDE = frozenset(("optimization_barrier", "device_put"))


def moved(domain, operation, *operands):
    """`operation` on the bits of all operands."""
    values = [domain.lift(x) for x in operands]
    if operation.name in _SIDE_BY_SIDE:
        return _side_by_side(domain, operation, values)
    if not any(map(domain.is_value, values)):
        return operation(*values)
    first = next(v for v in values if domain.is_value(v))
    bits = operation(*[v.bits for v in values])
    flags = operation(*[v.flags for v in values]) if domain.flags else None
    if not isinstance(bits, (list, tuple)):
        return FloatBits(bits, first.format, flags)
    each = [None] * len(bits) if flags is None else flags
    return [FloatBits(b, first.format, f) for b, f in zip(bits, each, strict=True)]


def _side_by_side(domain, operation, values):
    bits = operation(*[v.bits if domain.is_value(v) else v for v in values])
    flags = bits
    if domain.flags:
        flags = operation(*[v.flags if domain.is_value(v) else v for v in values])
    return [
        FloatBits(b, v.format, f if domain.flags else None) if domain.is_value(v) else b
        for v, b, f in zip(values, bits, flags, strict=True)
    ]


operation_rule_for_each(
    [name for name in _families.LAYOUT if name not in ("real", "imag")], moved
)


@operation_rule("select_n")
def _select_n(domain, operation, which, *cases):
    return moved(domain, _Selecting(operation, which), *cases)


class _Selecting:
    """`select_n` as an operation on its cases."""

    def __init__(self, operation, which):
        self.name, self.params = operation.name, operation.params
        self._operation, self._which = operation, which

    def __call__(self, *cases):
        return self._operation(self._which, *cases)


@operation_rule("empty", "empty2")
def _empty(domain, operation):
    """What nobody has written yet is NaN, so that reading it shows."""
    shape = operation.params.get("shape", ())  # empty2 makes scalars
    return domain.unknown(shape, operation.params["dtype"])


@rule("bitcast_convert_type")
def _bitcast(domain, x, *, new_dtype):
    target = jnp.dtype(new_dtype)
    bits = x.bits if isinstance(x, FloatBits) else x
    if not jnp.issubdtype(target, jnp.inexact):
        return lax.bitcast_convert_type(bits, target)
    fmt = format_of(target)
    return domain.lift(FloatBits(lax.bitcast_convert_type(bits, fmt.storage), fmt))


def as_it_is(domain, operation, *operands):
    """An operation on integers or booleans, which are ordinary arrays here."""
    return operation(*operands)


# The scan for missing rules cannot know that a comparison decides.
operation_rule_for_each(
    (
        *("and", "or", "xor", "not", "reduce_and", "reduce_or", "reduce_xor"),
        *("population_count", "clz"),
        *_families.INTEGER_ONLY,
    ),
    as_it_is,
)

refuse(
    *("real", "imag", "conj", "complex"),
    because="IEEE32 has no complex numbers; write out real and imaginary parts",
)
