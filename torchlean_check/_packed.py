"""Many linear forms in one value: the k-th coefficients of all make one long integer.

Each form has a field of its own in these integers, so that sums and products with
numbers act on all forms at once, and so do signs and rounding, by masks. A field stands
for its number with a sign: the integer is the sum of number r times 2**(width * r), and
as long as every magnitude is below 2**(width - 1), it determines its numbers. Only a
finished column has to obey this, since integers are exact whatever the fields carry.
"""

import functools
from operator import lshift, mul

from torchlean_check._errors import UnsupportedCertificate
from torchlean_check._tensor import MAX_BITS

WORD = 64  # widths are multiples of it
START = 256  # bits of a field before something longer is met


@functools.lru_cache(maxsize=64)
def _ones(count: int, width: int) -> int:
    """1 in each field."""
    return ((1 << width * count) - 1) // ((1 << width) - 1)


class Forms:
    """Field r of columns[k] times 2**exp is the coefficient of entry k in form r.

    bound: what no field exceeds in magnitude.
    """

    def __init__(self, columns, exp: int, bound: int, count: int, width: int):
        if bound.bit_length() >= width:
            raise ValueError("the fields of linear forms are too short")
        self.columns, self.exp, self.bound = columns, exp, bound
        self.count, self.width = count, width
        self.ones = _ones(count, width)
        self.halves = self.ones << (width - 1)

    def like(self, columns, exp: int, bound: int) -> "Forms":
        return Forms(columns, exp, bound, self.count, self.width)

    @staticmethod
    def of(rows: list[list[int]], exp: int) -> "Forms":
        """Forms given as rows, one list of coefficients for each."""
        bound = max(*map(max, rows), -min(map(min, rows)), 0)
        width = _width(bound)
        _limit(width * len(rows) * len(rows[0]))
        columns = [any(c) and _packed(c, width) for c in zip(*rows, strict=True)]
        return Forms(columns, exp, bound, len(rows), width)

    def rows(self) -> list[list[int]]:
        return [list(row) for row in zip(*map(self.fields, self.columns), strict=True)]

    def fields(self, column: int) -> list[int]:
        """The number of each form in a column."""
        size, half = self.width // 8, 1 << (self.width - 1)
        # raised by a half, every field is from 0 to 2**width - 1
        raw = (column + self.halves).to_bytes(size * self.count, "little")
        starts = range(0, len(raw), size)
        return [int.from_bytes(raw[i : i + size], "little") - half for i in starts]

    def widened(self, reach: int) -> "Forms":
        """The same forms with fields for numbers up to `reach` in magnitude."""
        return self.spread(max(_width(reach), self.width))

    def spread(self, width: int) -> "Forms":
        if width == self.width:
            return self
        _limit(width * self.count * len(self.columns))
        columns = [a and _packed(self.fields(a), width) for a in self.columns]
        return Forms(columns, self.exp, self.bound, self.count, width)

    def positive(self, column: int) -> int:
        """max(a, 0) for each number a of a column."""
        top = self.width - 1
        raised = column + self.halves  # the top bit of a field says that a >= 0
        signs = raised >> top & self.ones
        return (raised & (signs << self.width) - signs) - (signs << top)

    def magnitude(self, column: int) -> int:
        return 2 * self.positive(column) - column

    def dot(self, weights, columns=None) -> list[int]:
        """For each form the sum of weights[k] times its number in column k.

        columns: others in place of the forms' own, no larger.
        """
        columns = self.columns if columns is None else columns
        if not columns:
            return [0] * self.count
        bits = max(map(abs, weights)).bit_length()
        room = self.width - 1 - (self.bound * len(columns)).bit_length()
        if room < min(bits, WORD // 2):
            lists = zip(*map(self.fields, columns), strict=True)
            return [sum(map(mul, row, weights)) for row in lists]
        totals, at = [0] * self.count, 0
        while True:
            # while weights are too long for the fields, their lowest bits by themselves
            last = bits <= room
            some = weights if last else [w & (1 << room) - 1 for w in weights]
            parts = self.fields(sum(map(mul, columns, some)))
            totals = [t + (a << at) for t, a in zip(totals, parts, strict=True)]
            if last:
                return totals
            weights, at, bits = [w >> room for w in weights], at + room, bits - room

    def bits(self) -> int:
        """Of the largest magnitude."""
        every = 0
        for column in filter(None, self.columns):
            every |= self.magnitude(column)
        return max(self.fields(every)).bit_length()

    def cut(self, bits: int, by: int) -> "Forms":
        """The forms, of `bits` bits, in units of 2**by, rounded down; by > 0."""
        low, halves = self.ones * ((1 << (self.width - by)) - 1), self.halves >> by
        columns = [a and ((a + self.halves) >> by & low) - halves for a in self.columns]
        return self.like(columns, self.exp + by, 1 << (bits - by))


def total(parts: list[Forms]) -> Forms:
    """The sum of several sets of forms, as many each, in one value."""
    if len(parts) == 1:
        return parts[0]
    exp = min(part.exp for part in parts)
    bound = sum(part.bound << (part.exp - exp) for part in parts)
    width = max(_width(bound), *(part.width for part in parts))
    by = [part.exp - exp for part in parts]
    entries = zip(*(part.spread(width).columns for part in parts), strict=True)
    columns = [sum(map(lshift, column, by)) for column in entries]
    return Forms(columns, exp, bound, parts[0].count, width)


def _limit(bits: int) -> None:
    if bits > MAX_BITS:
        raise UnsupportedCertificate("coefficients of linear forms too far apart")


def _width(reach: int) -> int:
    """Bits of a field for numbers of that magnitude and their signs."""
    return max(START, -(-(reach.bit_length() + 1) // WORD) * WORD)


def _packed(numbers, width: int) -> int:
    result = 0
    for a in reversed(numbers):
        result = (result << width) + a
    return result
