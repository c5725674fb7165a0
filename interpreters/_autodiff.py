"""Whether a claimed derivative is one, found without any derivative rule.

A function is evaluated over the reals beside a point, and its difference quotient
compared with the claim on the segment between (`_segment`), or at the point, where the
function has a kink there (`_kinks`). The segment is some 2^-192 long, so where the two
meet they do so to dozens of digits.

Here: how short a segment is needed, and which element of a Jacobian is wrong.
`_derivative_nodes` takes a program apart.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torchlean_jax.domains.real._flint import flint
from torchlean_jax.interpreters._derivative import Derivative, Pair
from torchlean_jax.interpreters._kinks import at_kink
from torchlean_jax.interpreters._segment import Comparison, Segment

# The segments are 2**-n times the direction long, one after the other until decided. A
# quotient loses n of the bits, and is wanted to about n.
LENGTHS = (192, 384, 768)


def bits_for(n: int) -> int:
    return 2 * n + 128


def most_bits() -> int:
    """The precision of what has to serve at every length."""
    return bits_for(LENGTHS[-1])


def compare(
    derivative: Derivative, point, others, pair: Pair, *, domain: Any = None
) -> Comparison:
    """`pair` at one point: lists of RealArray, and of the concrete other inputs.

    domain: makes the domain of each run of the function, in place of Real.
    """
    result = Comparison("undecided")
    for n in LENGTHS:
        with flint().ctx.workprec(bits_for(n)):
            segment = Segment(derivative, list(point), list(others), pair, n, domain)
            result = segment.compare()
            if result.verdict == "kink" and n != LENGTHS[0]:
                result = at_kink(segment, result)
        # at the first length a kink may only be close by
        if result.verdict not in ("undecided", "kink"):
            break
    return result


@dataclass(frozen=True)
class Entry:
    """An element of a Jacobian: d output[row] / d input[column], by leaf and index."""

    output: tuple[int, tuple[int, ...]]
    input: tuple[int, tuple[int, ...]]
    claimed: float
    true: float


def narrowed(derivative, point, others, pair: Pair) -> Entry | None:
    """One wrong element of the Jacobian: halves of the pair that are still wrong.

    Of two halves whose sum is wrong one is wrong. None where that stays undecided.
    """
    for side in ("covector", "direction"):
        pair_at = _halved(derivative, point, others, pair, side)
        if pair_at is None:
            return None
        pair = pair_at
    found = compare(derivative, point, others, pair)
    if found.truth is None or found.claimed is None:
        return None
    (column, j, v), (row, i, y) = map(_single, (pair.direction, pair.covector))
    claimed, true = float(found.claimed) / (v * y), float(found.truth) / (v * y)
    return Entry((row, i), (column, j), claimed, true)


def _halved(derivative, point, others, pair, side) -> Pair | None:
    vectors = getattr(pair, side)
    places = [(k, i) for k, v in enumerate(vectors) for i in np.ndindex(v.shape)]
    while len(places) > 1:
        half = len(places) // 2
        for kept in (places[:half], places[half:]):
            trial = replace(pair, **{side: _restricted(getattr(pair, side), kept)})
            if compare(derivative, point, others, trial).verdict == "differs":
                places, pair = kept, trial
                break
        else:
            return None
    return pair


def _restricted(vectors, kept):
    result = [np.zeros_like(v) for v in vectors]
    for k, i in kept:
        result[k][i] = vectors[k][i]
    return tuple(result)


def _single(vectors):
    for k, v in enumerate(vectors):
        for i in np.ndindex(np.shape(v)):
            if v[i]:
                return k, i, float(v[i])
    raise ValueError("no element is left")
