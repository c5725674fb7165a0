"""`box`: an input set given by two corners, or by a centre and a radius."""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import is_tracer, narrowed_ends
from torchlean_jax.domains.interval._rounding import round_down, round_up


def box(lo, hi=None, *, radius=None) -> Interval:
    """The set of inputs between two corners, or within `radius` of a centre in each
    coordinate.

    `box(lo, hi)` or `box(x, radius=r)`; scalars broadcast. The dtype is that of the
    floating arguments and is the dtype the model will see. `x - r` and `x + r` are
    rounded outward, so the box holds every real input within `r` of `x`.

    Raises InputError if the arguments are not floating, contain NaN or infinities, do
    not broadcast, or if some lo > hi or radius < 0. Under `jit` values are not known,
    and only shapes and dtypes are checked.

    >>> box(0.0, 1.0).contains(0.5).item(), box([1.0, 2.0], radius=0.5).shape
    (True, (2,))
    """
    if (hi is None) == (radius is None):
        raise InputError("give either box(lo, hi) or box(x, radius=r)")
    first, second, name = (lo, hi, "hi") if radius is None else (lo, radius, "radius")
    if is_tracer(first, second):
        return _traced(first, second, radius is None)
    a, b, dtype = _concrete(first, second, "lo" if radius is None else "x", name)
    if radius is None:
        _check(a, b, a <= b, "lo > hi")
        return Interval(*narrowed_ends(a, b, dtype))
    _check(a, b, b >= 0, "radius < 0")
    return Interval(*narrowed_ends(-_sum_above(-a, b), _sum_above(a, b), dtype))


def _sum_above(a, b):
    """a + b in float64, one step up where it was rounded (Knuth's two-sum finds
    out)."""
    total = a + b
    back = total - a
    lost = (a - (total - back)) + (b - back)
    return np.where(lost == 0, total, np.nextafter(total, np.inf))


def _traced(a, b, corners):
    a, b = jnp.asarray(a), jnp.asarray(b)
    dtype = _float_dtype(a.dtype, b.dtype, "lo" if corners else "x", corners)
    a, b = jnp.broadcast_arrays(a.astype(dtype), b.astype(dtype))
    if corners:
        return Interval(a, b)
    # a radius that was a Python number has been rounded to the dtype: one more ulp
    return Interval(round_down(a - round_up(b)), round_up(a + round_up(b)))


def _concrete(a, b, a_name, b_name):
    """Both corners as float64 arrays of one shape, exactly, and the dtype of the
    box."""
    for value, name in ((a, a_name), (b, b_name)):
        if isinstance(value, Interval):
            raise InputError(f"{name} is already a box")
    try:
        dtype = _float_dtype(_dtype(a), _dtype(b), a_name, a_name == "lo")
        a, b = np.broadcast_arrays(*(np.asarray(v).astype(np.float64) for v in (a, b)))
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"cannot make a box of {a_name} and {b_name}: {error}"
        ) from error
    return a, b, dtype


def _dtype(x):
    """The dtype JAX gives to `x`; Python numbers, and lists of them, count as
    floats."""
    if hasattr(x, "dtype"):
        return jax.dtypes.canonicalize_dtype(x.dtype)
    if isinstance(x, (float, list, tuple)) and np.asarray(x).dtype.kind == "f":
        return jnp.dtype(jnp.result_type(float))
    return jnp.result_type(x)


def _float_dtype(a, b, a_name, corners):
    """The centre decides the dtype, or both corners together do."""
    decisive = jnp.promote_types(a, b) if corners else a
    if not jnp.issubdtype(decisive, jnp.floating):
        raise InputError(
            f"{a_name} has dtype {a}; a box holds real numbers, so cast it to the "
            "floating dtype that the model takes"
        )
    return jnp.dtype(decisive)


def _check(a, b, holds, otherwise):
    for value in (a, b):
        if not np.isfinite(value).all():
            at = tuple(np.argwhere(~np.isfinite(value))[0].tolist())
            raise InputError(
                f"a box needs finite numbers; index {list(at)} holds {value[at]}"
            )
    bad = np.argwhere(~holds)
    if len(bad):
        at = tuple(bad[0].tolist())
        raise InputError(
            f"{otherwise} at {len(bad)} of {a.size} elements, first at index "
            f"{list(at)}: {a[at]} and {b[at]}"
        )
