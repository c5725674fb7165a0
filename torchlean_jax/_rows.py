"""Rows of linear inequalities as the exact numbers that a user gave."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError


def exact_rows(C: Any, d: Any, C_name: str, d_name: str) -> tuple:
    """(float64[R, n], float64[R]), read-only copies of `C` and `d`, exactly.

    Raises InputError, in terms of the two names, for what is not such a pair, and for
    float64 subnormals. (Those of narrower dtypes are normal in float64.)
    """
    rows = _exact_float64(C, C_name)
    offset = _exact_float64(d, d_name)
    if rows.ndim == 1:
        rows = rows[None]
    if rows.ndim != 2 or 0 in rows.shape:
        raise InputError(
            f"{C_name} is a matrix with a row per inequality and a column per number; "
            f"got shape {np.shape(C)}"
        )
    if offset.shape not in ((), (len(rows),)):
        raise InputError(
            f"{d_name} is a number or one number per row of {C_name}; got shape "
            f"{offset.shape} for {len(rows)} rows"
        )
    offset = np.array(np.broadcast_to(offset, len(rows)))
    for array in (rows, offset):
        array.setflags(write=False)
    return rows, offset


def _exact_float64(x, name):
    """A fresh float64 copy of `x`, refused where a number would change."""
    try:
        given = np.asarray(x)
    except (TypeError, ValueError, jax.errors.JAXTypeError) as error:
        raise InputError(f"{name} is not an array of numbers: {error}") from error
    if jnp.issubdtype(given.dtype, jnp.integer):
        exact = all(abs(n) <= 2**53 for n in given.ravel().tolist())
    else:
        exact = jnp.issubdtype(given.dtype, jnp.floating) and given.itemsize <= 8
    if not exact:
        raise InputError(
            f"{name} (dtype {given.dtype}) holds values that are not float64 numbers"
        )
    array = given.astype(np.float64)
    _refuse(~np.isfinite(array), array, f"{name} needs finite numbers")
    # the hardware would read them as 0, and bound another row than the one given
    tiny = np.finfo(np.float64).tiny
    _refuse(
        (array != 0) & (np.abs(array) < tiny),
        array,
        f"{name} needs numbers of float64's normal range, from {tiny} (scale the row)",
    )
    return array


def _refuse(bad, array, need):
    if bad.any():
        at = tuple(np.argwhere(bad)[0].tolist())
        raise InputError(f"{need}; index {list(at)} holds {array[at]}")
