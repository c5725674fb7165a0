"""Interval rules for operations that move elements: the same move on both endpoints."""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains import _families
from torchlean_jax.domains.interval import _exact
from torchlean_jax.domains.interval._integer import or_everything
from torchlean_jax.domains.interval._kinds import rule_for
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.domains.interval._value import Interval, rules


def endpointwise(operation, *operands):
    """`operation` on lower and on upper endpoints: right for increasing ones."""
    values = [Interval.lift(x) for x in operands]
    lo = operation(*[v.lo for v in values])
    hi = operation(*[v.hi for v in values])
    if isinstance(lo, (list, tuple)):
        return [Interval(a, b) for a, b in zip(lo, hi, strict=True)]
    return Interval(lo, hi)


rules.define_each(
    [name for name in _families.LAYOUT if name not in ("real", "imag")], endpointwise
)


@rules.define_op("empty", "empty2")
def _empty(operation):
    """Memory that nobody has written yet may hold anything."""
    shape = operation.params.get("shape", ())  # empty2 makes scalars
    return Interval.unknown(shape, operation.params["dtype"])


rules.refuse(
    "bitcast_convert_type",
    "nextafter",
    because="a real number has no bits and no neighbour; a float format has",
)


@rule_for("float", "convert_element_type")
def _from_float(x, *, new_dtype):
    """Over the reals a cast to a float is the identity; one to an integer truncates."""
    target = jnp.dtype(new_dtype)
    if jnp.issubdtype(target, jnp.floating):
        return x
    if jnp.issubdtype(target, jnp.complexfloating):
        zero = jnp.zeros_like(x.lo)
        return Interval(lax.complex(x.lo, zero), lax.complex(x.hi, zero))
    if target == jnp.bool_:
        return _is_nonzero(x)
    # what may be out of range, or no number (a NaN fails both comparisons), is anything
    kind = jnp.iinfo(target)
    fits = (x.lo > float(kind.min) - 1) & (x.hi < float(kind.max) + 1)
    lo = jnp.where(fits, x.lo, 0).astype(target)
    hi = jnp.where(fits, x.hi, 0).astype(target)
    return or_everything(~fits, lo, hi)


@rule_for("integer", "convert_element_type")
def _from_integer(x, *, new_dtype):
    target = jnp.dtype(new_dtype)
    if target == jnp.bool_:
        return _is_nonzero(x)
    if jnp.issubdtype(target, jnp.floating):
        return to_float(x)
    if jnp.issubdtype(target, jnp.complexfloating):
        return _from_float(to_float(x), new_dtype=target)
    lo, hi = x.lo.astype(target), x.hi.astype(target)
    # one integer is cast to one, as the machine does: the low bits are kept
    known = (_fits(x.lo, lo) & _fits(x.hi, hi)) | (x.lo == x.hi)
    return or_everything(~known, lo, hi)


@rule_for("complex", "convert_element_type")
def _from_complex(x, *, new_dtype):
    """Only to another precision: over the reals the identity."""
    if not jnp.issubdtype(new_dtype, jnp.complexfloating):
        raise TypeError(f"a cast from complex numbers to {new_dtype}")
    return x


def _fits(before, after):
    return (after.astype(before.dtype) == before) & ((after < 0) == (before < 0))


def _is_nonzero(x):
    zero_possible, zero_certain = (x.lo <= 0) & (x.hi >= 0), (x.lo == 0) & (x.hi == 0)
    unknown = x.may_be_nan
    return Interval(~(zero_possible | unknown), ~zero_certain | unknown)


def to_float(x):
    """An integer as a float, outward where the float format skips it."""
    dtype = _exact.working_dtype()
    if jnp.dtype(x.dtype) == jnp.bool_:
        return Interval(x.lo.astype(dtype), x.hi.astype(dtype))
    exact_below = 2 ** (jnp.finfo(dtype).nmant + 1)

    def outward(endpoint, move):
        cast = endpoint.astype(dtype)
        return jnp.where(jnp.abs(cast) < exact_below, cast, move(cast))

    return Interval(outward(x.lo, round_down), outward(x.hi, round_up))
