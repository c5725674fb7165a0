"""Reading concrete arrays without rounding: no flushed subnormal, no narrowed constant.

XLA on CPU reads a subnormal operand as zero in arithmetic, comparisons and conversions
alike, so everything here that must see one looks at bits. A subnormal *constant* of a
compiled program is 0 already when its bits are taken (`jax.jit(lambda: c)()` returns
0): what is known while tracing is therefore read by NumPy, which keeps it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

_BITS = {16: jnp.uint16, 32: jnp.uint32, 64: jnp.uint64}
_SIGNED = {16: jnp.int16, 32: jnp.int32, 64: jnp.int64}


def is_float(x) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def is_tracer(*xs) -> bool:
    return any(isinstance(x, Tracer) for x in xs)


def working_dtype():
    """The dtype of endpoints: float64 where x64 is enabled, float32 elsewhere."""
    return jnp.dtype(jnp.float64 if jax.config.read("jax_enable_x64") else jnp.float32)


def exact_cast(x, dtype):
    """`x` in a wider float dtype, exactly; a subnormal of the narrow one included.

    A NumPy array where `x` is known: as a constant of a program it could be flushed.
    """
    if not is_tracer(x):
        return np.asarray(x).astype(dtype)
    if x.dtype == dtype:
        return x
    kind = jnp.finfo(x.dtype)
    bits = lax.bitcast_convert_type(x, _BITS[kind.bits])
    magnitude = bits & _unsigned(kind.bits, (1 << (kind.bits - 1)) - 1)
    unit = jnp.asarray(float(kind.smallest_subnormal), dtype)
    tiny = magnitude.astype(jnp.int32).astype(dtype) * unit
    tiny = jnp.where(bits > magnitude, -tiny, tiny)
    is_subnormal = magnitude < _smallest_normal_bits(kind)
    return jnp.where(is_subnormal, tiny, x.astype(dtype))


def sanitize(x):
    """(lo, hi) around `x`, a subnormal going to 0 and to the smallest normal."""
    if not is_tracer(x):
        return _sanitize_concrete(x)
    kind = jnp.finfo(x.dtype)
    bits = lax.bitcast_convert_type(x, _BITS[kind.bits])
    magnitude = bits & _unsigned(kind.bits, (1 << (kind.bits - 1)) - 1)
    # in one comparison, in which 0 becomes the largest: LLVM knows `magnitude == 0` to
    # be x == 0.0, which the hardware finds true of subnormals
    one = _unsigned(kind.bits, 1)
    is_subnormal = magnitude - one < _smallest_normal_bits(kind) - one
    negative = bits > magnitude
    edge, zero = jnp.asarray(kind.smallest_normal, x.dtype), jnp.zeros_like(x)
    lo = jnp.where(is_subnormal, jnp.where(negative, -edge, zero), x)
    hi = jnp.where(is_subnormal, jnp.where(negative, zero, edge), x)
    return lo, hi


def _sanitize_concrete(x):
    array = np.asarray(x)
    edge = jnp.finfo(array.dtype).smallest_normal
    subnormal = (array != 0) & (np.abs(array) < edge)
    if not subnormal.any():
        return jnp.asarray(x), jnp.asarray(x)
    lo = np.where(subnormal, np.where(array < 0, -edge, 0), array).astype(array.dtype)
    hi = np.where(subnormal, np.where(array < 0, 0, edge), array).astype(array.dtype)
    return jnp.asarray(lo), jnp.asarray(hi)


def has_subnormal(x) -> bool:
    """Whether a known float array has elements that hardware may read as 0."""
    array = np.asarray(x)
    edge = jnp.finfo(array.dtype).smallest_normal
    return bool(((array != 0) & (np.abs(array) < edge)).any())


def ordered_bits(x):
    """Signed integers in the order of the floats `x`, with -0 and +0 equal.

    Comparing these compares the floats as reals. A NaN maps beyond the infinities.
    """
    bits = lax.bitcast_convert_type(x, _SIGNED[jnp.finfo(x.dtype).bits])
    lowest = jnp.iinfo(bits.dtype).min
    return jnp.where(bits < 0, lowest - bits, bits)


def _smallest_normal_bits(kind):
    return _unsigned(kind.bits, 1 << kind.nmant)


def _unsigned(width, value):
    return jnp.asarray(value, _BITS[width])


def narrowed(x, dtype):
    """A concrete interval with endpoints moved outward to `dtype`, none subnormal."""
    lo, hi = (np.asarray(endpoint) for endpoint in (x.lo, x.hi))
    if not jnp.issubdtype(lo.dtype, jnp.floating):
        return x
    return type(x)(*narrowed_ends(lo, hi, dtype))


def narrowed_ends(lo, hi, dtype):
    """(lo, hi) of NumPy arrays moved outward to `dtype`."""
    return _towards(lo, dtype, -np.inf), _towards(hi, dtype, np.inf)


def _towards(x, dtype, direction):
    """`x` cast to `dtype`, moved one step if the cast rounded away from `direction`."""
    with np.errstate(over="ignore", under="ignore"):
        cast = x.astype(dtype)
    back = cast.astype(np.float64)
    wrong = back > x if direction < 0 else back < x
    step = np.nextafter(cast, np.asarray(direction, dtype))
    cast = np.where(wrong, step, cast)
    edge = jnp.finfo(dtype).smallest_normal
    is_subnormal = (cast != 0) & (np.abs(cast) < edge)
    outer = np.where(
        cast < 0, -edge if direction < 0 else 0, 0 if direction < 0 else edge
    )
    return jnp.asarray(np.where(is_subnormal, outer, cast).astype(dtype))
