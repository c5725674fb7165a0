"""Steps that are linear in their operands: what they do to boxes and to linear forms.

`forward(boxes)` encloses the result. `backward(rows, exp, boxes, bias)` takes the
coefficients of linear forms in the result (one list per form, in units of 2**exp) and
returns, for each operand, equivalent coefficients as `(position, rows, exp)`; whatever
the exact arithmetic cannot carry is charged to `bias`, so that each form only ever gets
smaller. A step that is not linear has the same two methods (see _relax.py) and a third,
`undecided`.
"""

from collections import Counter
from operator import mul, neg

from torchlean_check._packed import all_at_once
from torchlean_check._tensor import (
    Tensor,
    aligned,
    magnitude,
    midpoint_radius,
    negated,
    product,
    shift,
    tidy,
    total,
)

KEEP_BIAS = 256


def dot(xs, ys) -> int:
    return sum(map(mul, xs, ys))


class Bias:
    """The constants of several linear forms; rounding only ever makes them smaller."""

    def __init__(self, count: int):
        self.values, self.exp = [0] * count, 0

    def add(self, values: list[int], exp: int) -> None:
        if exp < self.exp:
            self.values, self.exp = shift(self.values, self.exp - exp), exp
        by = exp - self.exp
        self.values = [a + (b << by) for a, b in zip(self.values, values, strict=True)]
        bits = max(map(abs, self.values)).bit_length()
        if bits > 2 * KEEP_BIAS:
            cut = bits - KEEP_BIAS
            self.values, self.exp = [a >> cut for a in self.values], self.exp + cut

    def charge(self, rows, errors: list[int], exp: int) -> None:
        """Subtract sum_k |row[k]| * errors[k] from each form."""
        self.add([-dot(map(abs, row), errors) for row in rows], exp)

    def add_minimum(self, rows, exp: int, t: Tensor) -> None:
        """Add the least value of sum_k row[k] * x[k] over x in t."""
        middle, radius, unit = midpoint_radius(t)
        self.add([dot(row, middle) for row in rows], exp + unit)
        if radius is not None:
            self.charge(rows, radius, exp + unit)


class Sum:
    """The sum of all operands with signs +1 or -1."""

    linear = True

    def __init__(self, signs: tuple[int, ...]):
        self.signs = signs

    def forward(self, boxes):
        signed = zip(boxes, self.signs, strict=True)
        return total([box if sign > 0 else negated(box) for box, sign in signed])

    def backward(self, rows, exp, boxes, bias):
        opposite = None
        if min(self.signs) < 0:
            opposite = [list(map(neg, row)) for row in rows]
        for position, sign in enumerate(self.signs):
            yield position, rows if sign > 0 else opposite, exp


class Scale:
    """The operand times a known tensor, entry by entry."""

    linear = True

    def __init__(self, factor: Tensor):
        self.factor = factor
        self.middle, self.radius, self.exp = midpoint_radius(factor)

    def forward(self, boxes):
        return product(boxes[0], self.factor)

    def backward(self, rows, exp, boxes, bias):
        if self.radius is not None:
            errors = list(map(mul, self.radius, magnitude(boxes[0])))
            bias.charge(rows, errors, exp + self.exp + boxes[0].exp)
        yield 0, [list(map(mul, row, self.middle)) for row in rows], exp + self.exp


class Move:
    """Entry k of the result is entry index[k] of the operands laid end to end.

    index[k] == -1 stands for the number `fill` instead.
    """

    linear = True

    def __init__(self, index: list[int], sizes: list[int], fill: Tensor | None = None):
        self.index, self.sizes, self.fill = index, sizes, fill
        self.same = len(sizes) == 1 and index == list(range(sizes[0]))
        used = [k for k in index if k >= 0]
        self.inverse = None
        if len(set(used)) == len(used):
            self.inverse = [-1] * sum(sizes)
            for k, source in enumerate(index):
                if source >= 0:
                    self.inverse[source] = k

    def forward(self, boxes):
        if self.same:
            return boxes[0]
        boxes = aligned([*boxes, self.fill] if self.fill else list(boxes))
        lo = [a for box in boxes for a in box.lo]
        lo = [lo[k] for k in self.index]  # -1 finds the fill at the end
        if all(box.exact for box in boxes):
            return Tensor(lo, lo, boxes[0].exp)
        hi = [a for box in boxes for a in box.hi]
        return Tensor(lo, [hi[k] for k in self.index], boxes[0].exp)

    def backward(self, rows, exp, boxes, bias):
        if self.same:
            yield 0, rows, exp
            return
        if self.fill:
            holes = [k for k, source in enumerate(self.index) if source < 0]
            sums = [self.fill.lo[0] * sum(row[k] for k in holes) for row in rows]
            bias.add(sums, exp + self.fill.exp)
        moved = list(map(self._moved, rows))
        start = 0
        for position, size in enumerate(self.sizes):
            yield position, [row[start : start + size] for row in moved], exp
            start += size

    def _moved(self, row):
        if self.inverse is not None:
            row = [*row, 0]
            return [row[k] for k in self.inverse]
        result = [0] * (sum(self.sizes) + 1)  # the last entry catches the fills
        for source, a in zip(self.index, row, strict=True):
            result[source] += a
        return result[:-1]


class Blocks:
    """result[k] = sum_j W[k][j] * operand[j], where W consists of dense blocks.

    A block is (ks, js, matrix): positions in the result, positions in the operand, and
    the integer matrix between them in units of 2**exp. Blocks may share matrices (a
    convolution has one block per output pixel and few distinct matrices). `radius`
    bounds the error of W entry by entry, as another such map.
    """

    linear = True

    def __init__(self, blocks, exp, size_in, size_out, radius=None):
        self.exp, self.size_in, self.size_out = exp, size_in, size_out
        self.radius = radius
        forms = {}
        for _, _, matrix in blocks:
            if id(matrix) not in forms:
                absolute = [list(map(abs, row)) for row in matrix]
                forms[id(matrix)] = (
                    matrix,
                    absolute,
                    [list(c) for c in zip(*matrix, strict=True)],
                )
        self.blocks = [(ks, js, *forms[id(matrix)]) for ks, js, matrix in blocks]
        rows = [row for _, absolute, _ in forms.values() for row in absolute]
        self.largest = max((max(row, default=0) for row in rows), default=0)
        met = Counter()
        for ks, js, _ in blocks:
            for j in js:
                met[j] += len(ks)
        self.most = max(met.values(), default=0)  # entries that meet one of the operand

    def apply(self, xs: list[int], absolute: bool = False) -> list[int]:
        """W @ xs, or |W| @ xs."""
        result = [0] * self.size_out
        for ks, js, matrix, magnitudes, _ in self.blocks:
            some = [xs[j] for j in js]
            for k, row in zip(ks, magnitudes if absolute else matrix, strict=True):
                result[k] += dot(row, some)
        return result

    def transposed(self, row: list[int]) -> list[int]:
        """row @ W; blocks and entries with zero coefficients cost little."""
        result = [0] * self.size_in
        for ks, js, matrix, _, columns in self.blocks:
            some = [row[k] for k in ks]
            used = [(a, weights) for a, weights in zip(some, matrix, strict=True) if a]
            if not used:
                continue
            if len(used) == 1:
                ((a, weights),) = used
                for j, w in zip(js, weights, strict=True):
                    result[j] += a * w
            else:
                for j, column in zip(js, columns, strict=True):
                    result[j] += dot(column, some)
        return result

    def forward(self, boxes):
        middle, radius, exp = midpoint_radius(boxes[0])
        exp += self.exp
        result = self.apply(middle)
        if radius is None and self.radius is None:
            return tidy(result, result, exp)
        error = [0] * self.size_out if radius is None else self.apply(radius, True)
        if self.radius is not None:
            reach = magnitude(Tensor(middle, middle, 0))
            if radius is not None:
                reach = [a + r for a, r in zip(reach, radius, strict=True)]
            by = self.radius.apply(reach)
            error = [a + b for a, b in zip(error, by, strict=True)]
        lo = [m - r for m, r in zip(result, error, strict=True)]
        hi = [m + r for m, r in zip(result, error, strict=True)]
        return tidy(lo, hi, exp)

    def backward(self, rows, exp, boxes, bias):
        if self.radius is not None:
            errors = self.radius.apply(magnitude(boxes[0]))
            bias.charge(rows, errors, exp + self.exp + boxes[0].exp)
        found = all_at_once(self.transposed, rows, self.largest * self.most)
        yield 0, found, exp + self.exp
