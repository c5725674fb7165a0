"""From one grid to another in 32-bit integers: multiply, shift right, round to even.

A ratio of scales r is replaced by M / 2**k with as many bits as 32-bit integers leave
for M. Everything is exact but for two roundings to nearest even: of an accumulator so
long that M would have fewer than 10 bits, and of the result. No float is involved, so
the integers are the same eagerly, under `jit`, in a batch and on any device.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import InputError

# What no accumulator of a program exceeds: a quarter of what int32 has, since bounds of
# its terms are taken one by one (sum q w, then the zero point's z sum w) and the
# interval rules see a possible overflow from half of the range on.
REACH = 2**29
_PRODUCT = 2**29
WORKING_BITS = 19  # of an accumulator that is to be multiplied
_MOST_SHIFT = 30


def rescaled(integers, ratio, reach: int):
    """(about `ratio` times the int32 `integers`, a bound on the results' magnitude).

    ratio: float64, not negative, broadcastable to the integers. reach: a bound on their
    magnitude. Raises InputError if the results cannot be held.
    """
    ratio = np.asarray(ratio, np.float64)
    surplus = max(0, reach.bit_length() - WORKING_BITS)
    if surplus:
        integers = shifted(integers, np.array(surplus))
        reach, ratio = (reach >> surplus) + 1, ratio * 2.0**surplus
    factor, shift = multiplier(ratio, reach)
    if not ((factor == 1) & (shift == 0)).all():
        integers = integers * constant(factor)
    largest = np.max(factor * reach / 2.0**shift, initial=0)
    return shifted(integers, shift), int(largest) + 1


def multiplier(ratio, reach: int) -> tuple:
    """(M, k), elementwise: M / 2**k nearest to `ratio`, M * reach < 2**29, k <= 30 the
    largest."""
    most = (_PRODUCT - 1) // max(reach, 1)
    shift = np.full(np.shape(ratio), _MOST_SHIFT)
    for _ in range(_MOST_SHIFT):
        shift = np.where(np.rint(ratio * 2.0**shift) > most, shift - 1, shift)
    factor = np.rint(ratio * 2.0**shift)
    if not (factor <= most).all():
        raise InputError(
            f"a value of magnitude {reach} would be {np.max(ratio):.3g} times as large "
            "on the grid it is to be brought to, more than 32 bits hold: the values "
            "observed in calibration span too little"
        )
    # 3 / 2**2 says what 12 / 2**4 does, with less to compute
    while (spare := (factor % 2 == 0) & (shift > 0)).any():
        factor, shift = np.where(spare, factor / 2, factor), shift - spare
    return np.asarray(factor, np.int64), np.asarray(shift)


def shifted(integers, shift):
    """integers / 2**shift, rounded to nearest, ties to even.

    With q = floor(p / 2**k), floor((p + 2**(k-1) - 1 + (q & 1)) / 2**k) is q + 1 past
    the middle, and in the middle if q is odd.
    """
    if not np.any(shift):
        return integers
    rounds = np.asarray(shift > 0, np.int64)
    bias = np.where(shift > 0, 2 ** np.maximum(shift - 1, 0) - 1, 0)
    by = jnp.broadcast_to(constant(shift), integers.shape)
    odd = lax.shift_right_arithmetic(integers, by) & constant(rounds)
    return lax.shift_right_arithmetic(integers + constant(bias) + odd, by)


def constant(array):
    """Known integers as they appear in the program: int32, along no axis repeated."""
    return np.asarray(compact(array), np.int32)


def compact(array) -> np.ndarray:
    """The array with each axis of length 1 along which it is constant."""
    array = np.asarray(array)
    for axis in range(array.ndim):
        first = np.take(array, [0], axis) if array.shape[axis] else array
        if array.shape[axis] > 1 and (array == first).all():
            array = first
    return array.reshape(()) if array.size == 1 else array
