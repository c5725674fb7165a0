"""Causality, windows, lengths and alignment, as four integers for each of a batch.

(queries, keys, first, last): query i may look at key j if i < queries, j < keys and
first <= j - i <= last. A query stands at key i, aligned at the start, or at
i + keys - queries, aligned at the end; causal: nothing after where it stands; a window:
so much before and after.
"""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from torchlean_jax.domains._errors import InputError

FAR = 2**30  # further than any key, and twice that is still an int32
ALIGNMENTS = ("start", "end")


def limits(batch, sizes, lengths, *, causal, window, alignment):
    """[batch, 4] integers; sizes and lengths are those of queries and of keys."""
    if alignment not in (None, *ALIGNMENTS):
        raise InputError(
            f"attention aligns queries at {' or '.join(ALIGNMENTS)}, not {alignment!r}"
        )
    before, after = _window(window)
    if causal:
        after = 0
    placed = before is not None or after is not None
    apart = sizes[0] != sizes[1] or lengths[0] is not lengths[1]
    if placed and apart and alignment is None:
        raise InputError(
            "attention that is causal or has a window needs alignment='start' (query i "
            "stands at key i) or 'end' (the last query at the last key) where queries "
            f"and keys may differ in number: {sizes[0]} queries and {sizes[1]} keys, "
            f"lengths given for {_which(lengths)}"
        )
    names = "q_lengths", "kv_lengths"
    pairs = zip(names, lengths, sizes, strict=True)
    queries, keys = (_lengths(*pair, batch) for pair in pairs)
    shift = keys - queries if alignment == "end" else jnp.zeros_like(keys)
    first = jnp.full_like(keys, -FAR) if before is None else shift - before
    last = jnp.full_like(keys, FAR) if after is None else shift + after
    return jnp.stack([queries, keys, first, last], axis=1)


def _window(window):
    """(before, after), None for as many as there are."""
    if window is None:
        return None, None
    pair = window if isinstance(window, tuple) else (window, window)
    whole = len(pair) == 2 and all(isinstance(n, int | np.integer) for n in pair)
    if not whole or min(pair) < 0:
        raise InputError(
            "a window is how many keys a query may look at before and after its place, "
            f"one or two integers of at least 0, not {window!r}"
        )
    return tuple(min(int(n), FAR) for n in pair)


def _lengths(name, given, size, batch):
    if given is None:
        return jnp.full(batch, size, jnp.int32)
    given = jnp.asarray(given)
    if given.shape != (batch,) or not jnp.issubdtype(given.dtype, jnp.integer):
        raise InputError(
            f"{name} are integers [{batch}], one for each of the batch, not "
            f"{given.dtype}{list(given.shape)}"
        )
    if isinstance(given, Tracer):  # what is too long is as long as there is
        return jnp.clip(given, 0, size).astype(jnp.int32)
    known = np.asarray(given)  # under jit even a known array's comparison is traced
    if ((known < 0) | (known > size)).any():
        raise InputError(f"{name} are from 0 to {size}, not {known.tolist()}")
    return given.astype(jnp.int32)


def _which(lengths) -> str:
    named = zip(("queries", "keys"), lengths, strict=True)
    return " and ".join(n for n, x in named if x is not None) or "neither"
