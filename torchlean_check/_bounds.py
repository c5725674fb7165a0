"""Bounds of one region: boxes forward, linear forms backward, only the graph trusted.

A region is a box for each input, optionally within a ball and within halfspaces, and
optionally with further bounds on values inside the graph (a case split). Boxes flow
through the steps in order. Before a step that is not linear, the entries that its boxes
leave undecided are refined: a linear form in the value is carried back to the inputs,
where its minimum is known.
"""

from collections.abc import Callable
from itertools import starmap
from operator import gt, is_
from typing import Any, NamedTuple

from torchlean_check._errors import UnsupportedCertificate
from torchlean_check._graph import Program
from torchlean_check._linear import Bias, Blocks, Move, Scale, Sum
from torchlean_check._packed import Forms, total
from torchlean_check._tensor import MAX_EXP, Tensor, aligned, at_exp, tidy

COEFFICIENT_BITS = 96
LONGEST = 150
CHUNK = 64  # linear forms carried back together


class Empty(Exception):
    """No input of the region satisfies its splits: every claim about it holds."""


class End(NamedTuple):
    """An entry of a value is at most, or at least, a number."""

    value: int
    entry: int
    at_most: bool
    at: Tensor  # one number


class Region(NamedTuple):
    boxes: dict[int, Tensor]  # input -> box
    balls: dict[int, Any]  # input -> Ball
    splits: tuple[End, ...] = ()  # what makes it a part of a larger one
    known: tuple[End, ...] = ()  # what holds on it, as was proved
    halfspaces: Any = None  # or a Halfspaces


class Bounds:
    """Boxes of all values of `program` over `region`."""

    def __init__(
        self,
        program: Program,
        region: Region,
        refine: bool,
        slopes: dict,
        outer: "Bounds | None" = None,
        last: int | None = None,
        watch: Callable[[], None] = lambda: None,
    ):
        """slopes: step -> free parameters of its lines while boxes are refined. outer:
        all bounds of a region of which this one is a part, by further splits and ends.
        last: value after which there are no boxes. watch: called on the way."""
        self.program, self.region, self.watch = program, region, watch
        self.boxes: dict[int, Tensor] = {}
        self.lines: dict[tuple[int, int], Any] = {}
        self.refined: dict[int, set[int]] = {}
        self.ends = _further(region, outer and outer.region)
        for k, step in enumerate(program.steps[: None if last is None else last + 1]):
            known = program.values[k].known
            if known is not None:
                self.boxes[k] = known
                continue
            operands = program.operands[k]
            if step is None:
                box = (region if outer is None else outer).boxes[k]
            else:
                if refine and not step.linear:
                    self._refine(step, operands, slopes)
                box = self._forward(k, step, operands, outer)
            self.boxes[k] = self._split(k, box)

    def _forward(self, k: int, step, operands, outer: "Bounds | None") -> Tensor:
        boxes = [self.boxes[j] for j in operands]
        if outer is None:
            return step.forward(boxes)
        if all(map(is_, boxes, [outer.boxes[j] for j in operands])):
            return outer.boxes[k]  # which came from these, and is no wider
        return common(step.forward(boxes), outer.boxes[k])

    def _split(self, k: int, box: Tensor) -> Tensor:
        ends = [end for end in self.ends if end.value == k]
        if not ends:
            return box
        box = at_exp(box, min(box.exp, *[end.at.exp for end in ends]))
        lo, hi = list(box.lo), list(box.hi)
        for _, entry, at_most, at in ends:
            end = at_exp(at, box.exp).lo[0]
            if at_most:
                hi[entry] = min(hi[entry], end)
            else:
                lo[entry] = max(lo[entry], end)
            if lo[entry] > hi[entry]:
                raise Empty
        return Tensor(lo, hi, box.exp)

    def _refine(self, step, operands, slopes) -> None:
        for position, j in enumerate(operands):
            if self._is_tight(j):
                continue
            # what the operands before it left open, now that they are refined
            open_ends = step.undecided([self.boxes[i] for i in operands])[position]
            done = self.refined.setdefault(j, set())
            entries = [e for e in open_ends if e not in done]
            done.update(entries)
            for start in range(0, len(entries), CHUNK):
                self._refine_some(j, entries[start : start + CHUNK], slopes)

    def _refine_some(self, j: int, entries: list[int], slopes) -> None:
        self.watch()
        size = self.program.values[j].size
        rows = []
        for sign in (1, -1):
            for entry in entries:
                row = [0] * size
                row[entry] = sign
                rows.append(row)
        least, exp = self.minimum({j: [(rows, 0)]}, slopes)
        box = self.boxes[j]
        box = at_exp(box, min(exp, box.exp))
        least = [v << (exp - box.exp) for v in least]
        lo, hi = list(box.lo), list(box.hi)
        lows, highs = least[: len(entries)], least[len(entries) :]
        for entry, low, high in zip(entries, lows, highs, strict=True):
            lo[entry] = max(lo[entry], low)
            hi[entry] = min(hi[entry], -high)
            if lo[entry] > hi[entry]:
                raise Empty
        self.boxes[j] = tidy(lo, hi, box.exp)

    def _is_tight(self, k: int) -> bool:
        """Does back-substitution gain nothing, each entry being one sum over a box?"""
        while True:
            step, operands = self.program.steps[k], self.program.operands[k]
            varying = [j for j in operands if self.program.values[j].known is None]
            if step is None or len(varying) != 1:
                break
            if isinstance(step, Blocks):
                return self._is_plain(varying[0])
            if not isinstance(step, (Sum, Scale, Move)):
                return False
            k = varying[0]
        return step is None and self._is_plain(k)

    def _is_plain(self, k: int) -> bool:
        """Is each entry a function of one entry of a box, a different one for each?"""
        while self.program.steps[k] is not None:
            step, operands = self.program.steps[k], self.program.operands[k]
            varying = [j for j in operands if self.program.values[j].known is None]
            spreads = isinstance(step, Move) and step.most > 1
            if not isinstance(step, (Sum, Scale, Move)) or spreads or len(varying) != 1:
                return False
            k = varying[0]
        return k not in self.region.balls

    def minimum(self, forms: dict, slopes, constant=None) -> tuple[list[int], int]:
        """A lower bound of each linear form over the region, in units of 2**exp.

        forms: value -> [(one list of coefficients per form, exp), ...], to be added up.
        """
        pending = {k: list(starmap(Forms.of, parts)) for k, parts in forms.items()}
        bias = _bias(forms, constant)
        while pending:
            k = max(pending)
            one = total(pending.pop(k))
            step, box = self.program.steps[k], self.boxes[k]
            if step is None:
                if k in self.region.balls:
                    self.region.balls[k].add_minimum(one, box, bias)
                else:
                    bias.add_minimum(one, box)
                continue
            one = _shortened(one, box, bias)
            operands = self.program.operands[k]
            boxes = [self.boxes[j] for j in operands]
            extra = () if step.linear else (self._lines(k, step, boxes, slopes),)
            for position, back in step.backward(one, boxes, bias, *extra):
                pending.setdefault(operands[position], []).append(back)
        return bias.values, bias.exp

    def interval_minimum(self, forms: dict, constant=None) -> tuple[list[int], int]:
        """The same from the boxes of the values alone."""
        bias = _bias(forms, constant)
        for k, parts in forms.items():
            bias.add_minimum(total(list(starmap(Forms.of, parts))), self.boxes[k])
        return bias.values, bias.exp

    def _lines(self, k: int, step, boxes, slopes):
        chosen = slopes.get(k)
        if (k, id(chosen)) not in self.lines:
            self.lines[k, id(chosen)] = step.lines(boxes, chosen)
        return self.lines[k, id(chosen)]


def _further(region: Region, outer: Region | None) -> list[End]:
    """The ends in a region that its outer one has not."""
    if outer is None:
        return [*region.known, *region.splits]
    known, splits = region.known[len(outer.known) :], region.splits[len(outer.splits) :]
    return [*known, *splits]


def common(x: Tensor, y: Tensor) -> Tensor:
    """What two boxes around the same values have in common."""
    if x.exact or y.exact:
        return x if x.exact else y
    x, y = aligned([x, y])
    lo, hi = list(map(max, x.lo, y.lo)), list(map(min, x.hi, y.hi))
    if any(map(gt, lo, hi)):
        raise Empty
    return tidy(lo, hi, x.exp)


def _bias(forms: dict, constant) -> Bias:
    bias = Bias(len(next(iter(forms.values()))[0][0]))
    if constant is not None:
        bias.add(*constant)
    return bias


def _shortened(forms: Forms, box: Tensor, bias: Bias) -> Forms:
    """Coefficients rounded down where they are long.

    c * x >= c' * x + (c - c') * x >= c' * x - 2**exp * max(0, -lo) as 0 <= c - c' <
    2**exp.
    """
    bits = forms.bound.bit_length()
    if bits > LONGEST or abs(forms.exp + bits) > MAX_EXP:
        bits = forms.bits()
    if abs(forms.exp) > MAX_EXP or abs(forms.exp + bits) > MAX_EXP:
        raise UnsupportedCertificate("coefficients beyond 2**16384")
    if bits <= LONGEST:
        return forms
    forms = forms.cut(bits, bits - COEFFICIENT_BITS)
    least = sum([a for a in box.lo if a < 0])
    bias.add([least] * forms.count, forms.exp + box.exp)
    return forms
