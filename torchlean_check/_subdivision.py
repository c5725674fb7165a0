"""A box that is halved again and again, as one string: what its parts are is given.

In the order of reading: a digit k cuts the part at hand across coordinate k, at its
middle, and the lower half comes first; any other letter says what is claimed of the
part, and ends it. So the parts cover the box, whatever the string says.
"""

from collections.abc import Iterator
from fractions import Fraction

from torchlean_check._ranges import Range
from torchlean_check._schema import fail

MAX_LENGTH = 200_000
MAX_DEPTH = 120

Box = list[Range]


def parts(tree: str, letters: str, box: Box, where: str) -> Iterator[tuple]:
    """(letter, part, how often it was halved), in the order of the string."""
    if not 0 < len(tree) <= MAX_LENGTH:
        fail(where, f"1 to {MAX_LENGTH} letters")
    waiting: list[tuple[Box, int]] = [(box, 0)]
    for letter in tree:
        if not waiting:
            fail(where, "letters after the last part")
        part, depth = waiting.pop()
        if letter in letters:
            yield letter, part, depth
            continue
        if letter not in "01234567"[: len(box)] or depth == MAX_DEPTH:
            fail(where, f"coordinates of cuts, at most {MAX_DEPTH}, and {letters!r}")
        lower, upper = halves(part, int(letter))
        waiting += [(upper, depth + 1), (lower, depth + 1)]
    if waiting:
        fail(where, "parts of the box are missing")


def halves(part: Box, k: int) -> tuple[Box, Box]:
    lo, hi = part[k]
    middle = (lo + hi) / 2
    return [*part[:k], (lo, middle), *part[k + 1 :]], [
        *part[:k],
        (middle, hi),
        *part[k + 1 :],
    ]


def share(depth: int) -> Fraction:
    """Of the box."""
    return Fraction(1, 1 << depth)
