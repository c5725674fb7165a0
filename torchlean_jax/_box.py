"""`box`: an input set given by two corners, or by a centre and a radius."""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.domains.interval._rounding import round_down, round_up


def box(lo, hi=None, *, radius=None) -> Interval:
    """The set of inputs between two corners, or within `radius` of a centre in each coordinate.

    `box(lo, hi)` or `box(x, radius=r)`; scalars broadcast. The dtype is that of the floating
    arguments and is the dtype the model will see. `x - r` and `x + r` are rounded outward, so the
    box holds every real input within `r` of `x`.

    Raises InputError if the arguments are not floating, contain NaN or infinities, do not
    broadcast, or if some lo > hi or radius < 0. Under `jit` values are not known, and only
    shapes and dtypes are checked.

    >>> box(0.0, 1.0).contains(0.5).item(), box([1.0, 2.0], radius=0.5).shape
    (True, (2,))
    """
    if (hi is None) == (radius is None):
        raise InputError("give either box(lo, hi) or box(x, radius=r)")
    if radius is None:
        lo, hi = _corners(lo, hi, "lo", "hi")
        _check(lo, hi, "hi", lambda a, b: a <= b, "lo > hi")
        return Interval(lo, hi)
    centre, radius = _corners(lo, radius, "x", "radius")
    _check(centre, radius, "radius", lambda a, b: b >= 0, "radius < 0")
    return _ball_corners(centre, radius)


def _ball_corners(centre, radius):
    if is_tracer(centre, radius):
        return Interval(round_down(centre - radius), round_up(centre + radius))
    dtype = np.asarray(centre).dtype
    middle, r = (np.asarray(a).astype(np.float64) for a in (centre, radius))
    lo, hi = np.nextafter(middle - r, -np.inf), np.nextafter(middle + r, np.inf)
    exact = r == 0  # then nothing was rounded
    lo = np.where(exact, middle, lo)
    hi = np.where(exact, middle, hi)
    return Interval(_narrow(lo, dtype, -np.inf), _narrow(hi, dtype, np.inf))


def _narrow(x, dtype, direction):
    """`x` in `dtype`, moved towards `direction` where the cast rounded the other way."""
    narrow = x.astype(dtype)
    wrong = narrow.astype(np.float64) > x if direction < 0 else narrow.astype(np.float64) < x
    moved = np.nextafter(narrow, np.asarray(direction, dtype))
    return jnp.asarray(np.where(wrong, moved, narrow).astype(dtype))


def _corners(a, b, a_name, b_name):
    for value, name in ((a, a_name), (b, b_name)):
        if isinstance(value, Interval):
            raise InputError(f"{name} is already a box")
    try:
        if not is_tracer(a, b):
            a, b = jnp.asarray(a), jnp.asarray(b)
        dtype = _float_dtype(a, b, a_name, b_name)
        a, b = jnp.broadcast_arrays(jnp.asarray(a, dtype), jnp.asarray(b, dtype))
    except (TypeError, ValueError) as error:
        raise InputError(f"cannot make a box of {a_name} and {b_name}: {error}") from error
    return a, b


def _float_dtype(a, b, a_name, b_name):
    if not jnp.issubdtype(a.dtype, jnp.floating):
        raise InputError(
            f"{a_name} has dtype {a.dtype}; a box holds real numbers, so cast it to the "
            "floating dtype that the model takes"
        )
    return a.dtype if a_name == "x" else jnp.result_type(a, b)


def _check(a, b, b_name, holds, otherwise):
    if is_tracer(a, b):
        return
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    for value in (left, right):
        if not np.isfinite(value).all():
            where = np.argwhere(~np.isfinite(value))[0].tolist()
            raise InputError(f"a box needs finite numbers; index {where} holds {value[tuple(where)]}")
    bad = np.argwhere(~holds(left, right))
    if len(bad):
        at = tuple(bad[0].tolist())
        raise InputError(
            f"{otherwise} at {len(bad)} of {left.size} elements, first at index {list(at)}: "
            f"{left[at]} and {right[at]}"
        )
