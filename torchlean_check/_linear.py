"""Steps that are linear in their operands: what they do to boxes and to linear forms.

`forward(boxes)` encloses the result. `backward(forms, boxes, bias)` takes linear forms
in the result (_packed.py) and returns, for each operand, equivalent ones in it as
`(position, forms)`; whatever the exact arithmetic cannot carry is charged to `bias`, so
that each form only ever gets smaller. A step that is not linear has the same two
methods (see _relax.py) and a third, `undecided`.
"""

from collections import Counter
from operator import mul, neg, or_

from torchlean_check._matrices import Matrix
from torchlean_check._packed import Forms
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

    def charge(self, forms: Forms, errors: list[int], exp: int) -> None:
        """Subtract sum_k |coefficient k| * errors[k] from each form."""
        used = [k for k, e in enumerate(errors) if e and forms.columns[k]]
        sizes = [forms.magnitude(forms.columns[k]) for k in used]
        losses = forms.dot([-errors[k] for k in used], sizes)
        self.add(losses, forms.exp + exp)

    def add_minimum(self, forms: Forms, t: Tensor) -> None:
        """Add the least value of each form over t."""
        middle, radius, unit = midpoint_radius(t)
        self.add(forms.dot(middle), forms.exp + unit)
        if radius is not None:
            self.charge(forms, radius, unit)


class Sum:
    """The sum of all operands with signs +1 or -1."""

    linear = True

    def __init__(self, signs: tuple[int, ...]):
        self.signs = signs

    def forward(self, boxes):
        signed = zip(boxes, self.signs, strict=True)
        return total([box if sign > 0 else negated(box) for box, sign in signed])

    def backward(self, forms, boxes, bias):
        opposite = None
        if min(self.signs) < 0:
            columns = list(map(neg, forms.columns))
            opposite = forms.like(columns, forms.exp, forms.bound)
        for position, sign in enumerate(self.signs):
            yield position, forms if sign > 0 else opposite


class Scale:
    """The operand times a known tensor, entry by entry."""

    linear = True

    def __init__(self, factor: Tensor):
        self.factor = factor
        self.middle, self.radius, self.exp = midpoint_radius(factor)
        self.largest = max(map(abs, self.middle))

    def forward(self, boxes):
        return product(boxes[0], self.factor)

    def backward(self, forms, boxes, bias):
        if self.radius is not None:
            errors = list(map(mul, self.radius, magnitude(boxes[0])))
            bias.charge(forms, errors, self.exp + boxes[0].exp)
        bound = forms.bound * self.largest
        forms = forms.widened(bound)
        columns = list(map(mul, forms.columns, self.middle))
        yield 0, forms.like(columns, forms.exp + self.exp, bound)


class Move:
    """Entry k of the result is entry index[k] of the operands laid end to end.

    index[k] == -1 stands for the number `fill` instead.
    """

    linear = True

    def __init__(self, index: list[int], sizes: list[int], fill: Tensor | None = None):
        self.index, self.sizes, self.fill = index, sizes, fill
        self.same = len(sizes) == 1 and index == list(range(sizes[0]))
        used = [k for k in index if k >= 0]
        self.most = max(Counter(used).values(), default=0)  # results of one entry

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

    def backward(self, forms, boxes, bias):
        if self.same:
            yield 0, forms
            return
        if self.fill:
            holes = [a for a, k in zip(forms.columns, self.index, strict=True) if k < 0]
            sums = forms.dot([self.fill.lo[0]] * len(holes), holes)
            bias.add(sums, forms.exp + self.fill.exp)
        bound = forms.bound * self.most
        forms = forms.widened(bound)
        moved = self._moved(forms.columns)
        start = 0
        for position, size in enumerate(self.sizes):
            yield position, forms.like(moved[start : start + size], forms.exp, bound)
            start += size

    def _moved(self, columns):
        result = [0] * (sum(self.sizes) + 1)  # the last entry catches the fills
        for source, a in zip(self.index, columns, strict=True):
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
        distinct, met = {}, [0] * size_in
        for _, js, rows in blocks:
            if id(rows) not in distinct:
                sizes = [list(map(abs, row)) for row in rows]
                turned = [list(column) for column in zip(*rows, strict=True)]
                sums = [sum(map(abs, column)) for column in turned]
                distinct[id(rows)] = (*map(Matrix, (rows, sizes, turned)), sums)
            for j, a in zip(js, distinct[id(rows)][-1], strict=True):
                met[j] += a
        self.blocks = [(ks, js, *distinct[id(rows)][:3]) for ks, js, rows in blocks]
        self.gain = max(met)  # of the largest coefficient, on its way to the operand

    def apply(self, xs: list[int], absolute: bool = False) -> list[int]:
        """W @ xs, or |W| @ xs."""
        result = [0] * self.size_out
        for ks, js, matrix, sizes, _ in self.blocks:
            found = (sizes if absolute else matrix).times([xs[j] for j in js])
            for k, a in zip(ks, found, strict=True):
                result[k] += a
        return result

    def transposed(self, columns: list[int], wanted: list) -> list[int]:
        """columns @ W at the wanted entries, 0 at others."""
        result = [0] * self.size_in
        for ks, js, _, _, turned in self.blocks:
            some = [columns[k] for k in ks]
            found = turned.times(some, [wanted[j] for j in js])
            for j, a in zip(js, found, strict=True):
                result[j] += a
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

    def backward(self, forms, boxes, bias):
        if self.radius is not None:
            errors = self.radius.apply(magnitude(boxes[0]))
            bias.charge(forms, errors, self.exp + boxes[0].exp)
        bound = forms.bound * self.gain
        forms = forms.widened(bound)
        # what is zero in all of the region (a neuron that is off) needs no coefficient
        wanted = list(map(or_, boxes[0].lo, boxes[0].hi))
        columns = self.transposed(forms.columns, wanted)
        yield 0, forms.like(columns, forms.exp + self.exp, bound)
