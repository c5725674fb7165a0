"""Lines around a table: for any slope a the best offsets are extremes of T[k] - a k.

They are found by trying every entry. Slopes have so few bits that each T[k] - a k is
computed without rounding. Four are tried: 0, that of the chord, and those of the chords
of either half; which is best is judged in the middle.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.affine._lines import Lines, relaxations
from torchlean_jax.domains.affine._wholes import places

_BITS = 12  # of an index; more entries are read as numbers, not as a function


@relaxations.define_op("call:table")
def _table(operation, x, slope=None):
    entries = operation.params["entries"]
    first, last = places(x, entries)
    table = jnp.asarray(entries, x.dtype)
    middle = (first + last) // 2
    unit = _unit(entries, x.dtype)

    def chord(i, j):
        rise, run = table[j] - table[i], jnp.maximum(j - i, 1)
        return jnp.round(rise / run / unit) * unit

    slopes = jnp.stack(
        [
            jnp.zeros(x.shape, x.dtype),
            chord(first, last),
            chord(first, middle),
            chord(middle, last),
        ]
    )
    below, above = _offsets(table, slopes, first, last)
    center = (first + last).astype(x.dtype) / 2
    low = jnp.argmax(slopes * center + below, axis=0, keepdims=True)
    high = jnp.argmin(slopes * center + above, axis=0, keepdims=True)

    def pick(choices, which):
        return jnp.take_along_axis(choices, which, axis=0)[0]

    return Lines(
        (pick(slopes, low),), pick(below, low), (pick(slopes, high),), pick(above, high)
    )


def _unit(entries, dtype):
    """Multiples of it, times an index and less an entry, are exact in `dtype`.

    A slope is at most twice the largest entry M, so that sums stay below 2**13 M.
    """
    largest = max(map(abs, entries))
    bits = int(np.ceil(np.log2(max(largest, 1)))) + _BITS + 2
    return 2.0 ** (bits - jnp.finfo(dtype).nmant)


def _offsets(table, slopes, first, last):
    """The extremes of table[k] - slope * k from `first` to `last`, for each slope.

    Entry after entry: a sum over an axis of entries is fused with all that leads to it,
    and compiled and computed anew for each.
    """

    def step(ends, entry):
        k, value = entry
        rest = value - slopes * k.astype(slopes.dtype)
        inside = (first <= k) & (k <= last)
        least = jnp.where(inside, jnp.minimum(ends[0], rest), ends[0])
        return (least, jnp.where(inside, jnp.maximum(ends[1], rest), ends[1])), None

    nothing = jnp.full_like(slopes, jnp.inf), jnp.full_like(slopes, -jnp.inf)
    places = jnp.arange(table.size, dtype=jnp.int32)
    return lax.scan(step, nothing, (places, table))[0]
