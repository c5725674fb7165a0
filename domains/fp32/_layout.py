"""FP32 rules for moving elements, for conversions, and for memory not yet written."""

import jax.numpy as jnp

from torchlean_jax.domains import _families
from torchlean_jax.domains.fp32._arithmetic import unit
from torchlean_jax.domains.fp32._domain import table
from torchlean_jax.domains.fp32._format import format_of
from torchlean_jax.domains.fp32._result import (
    decided_alike,
    interval_rule,
    limited,
    no_error,
    rounded,
)
from torchlean_jax.domains.fp32._upward import total
from torchlean_jax.domains.fp32._value import FP32Value, unknown, working
from torchlean_jax.domains.interval import Interval


def moved(domain, operation, *operands):
    """The same move on every part: enclosures and errors travel with the elements."""
    values = [domain.lift(x) for x in operands]
    dtypes = [v.dtype for v in values]
    parts = [
        [part(v) for v in values]
        for part in (
            lambda v: v.real.lo,
            lambda v: v.real.hi,
            lambda v: v.error,
            lambda v: v.execution.lo,
            lambda v: v.execution.hi,
        )
    ]
    results = [operation(*part) for part in parts]
    if isinstance(results[0], list | tuple):
        # `split` cuts up one array, a barrier lets each of several pass
        if len(dtypes) == 1:
            dtypes *= len(results[0])
        found = zip(*results, strict=True)
        return [_assembled(r, d) for r, d in zip(found, dtypes, strict=True)]
    return _assembled(results, dtypes[0])


def _assembled(parts, dtype):
    lo, hi, error, run_lo, run_hi = parts
    return FP32Value(Interval(lo, hi), error, Interval(run_lo, run_hi), dtype)


table.define_each(
    [name for name in _families.LAYOUT if name not in ("real", "imag")], moved
)


@table.define_op("empty", "empty2")
def _empty(domain, operation):
    """Memory that nobody has written yet may hold anything."""
    shape = operation.params.get("shape", ())  # empty2 makes scalars
    return unknown(shape, operation.params["dtype"])


@table.define("convert_element_type")
def _convert(domain, x, *, new_dtype):
    target = jnp.dtype(new_dtype)
    run = interval_rule("convert_element_type", new_dtype=target)
    real, exact = run(x.real), run(x.execution)
    if not jnp.issubdtype(target, jnp.floating):
        return _to_integer(x, real, exact, target)
    kind = format_of(target)
    if x.is_float:
        source = format_of(x.dtype)
        exactly = kind.unit <= source.unit and kind.tiny <= source.tiny
        exactly &= source.largest <= kind.largest
    else:
        info = jnp.iinfo(x.dtype) if x.dtype != jnp.bool_ else None
        exactly = info is None or 2.0**info.bits * kind.unit <= 1
    if exactly:
        return limited(target, real, exact, x.error)
    return rounded(domain, target, real, exact, x.error, relative=unit(target))


def _to_integer(x, real, exact, target):
    """Truncation, or wrapping: where runs and reals may differ, by what they may."""
    value = decided_alike(real, exact, no_error((x,)), target)
    if not x.is_float or target == jnp.bool_:
        return value
    step = total(x.error, jnp.ones_like(x.error)).astype(working(real))
    within = jnp.isfinite(x.error) & _in_range(x, target)
    error = jnp.where(within, jnp.minimum(value.error, step), value.error)
    return FP32Value(value.real, error, value.execution, value.dtype)


def _in_range(x, target):
    """Where truncation is not followed by wrapping or saturation."""
    info = jnp.iinfo(target)
    return (x.lo > float(info.min)) & (x.hi < float(info.max))


table.refuse(
    "bitcast_convert_type",
    "nextafter",
    because="bits and neighbours are not continuous: a run that is off by an ulp has "
    "others; ask IEEE32",
)
table.refuse(
    "complex",
    "real",
    "imag",
    "conj",
    "fft",
    because="rounding of complex numbers and of fast transforms depends on algorithms "
    "that nobody promises; compute on real and imaginary parts, as products of arrays",
)
