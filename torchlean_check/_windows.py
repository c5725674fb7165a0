"""Sums and maxima over axes and windows. Padding counts as absent."""

from collections import Counter

from torchlean_check._arithmetic import negative
from torchlean_check._graph import operation
from torchlean_check._layout import lines_along, windows
from torchlean_check._operands import floats, is_order, linear, only, require
from torchlean_check._schema import fail
from torchlean_check._tensor import Tensor

WINDOW = {
    "window_dimensions": [int],
    "window_strides": [int],
    "padding": [(int, int)],
    "base_dilation": [int],
    "window_dilation": [int],
}


class WindowMax:
    """Entry k of the result is the largest of the operand's entries windows[k].

    Lower line: the entry with the largest lower bound. Upper line: that entry too, if
    its lower bound is at least the upper bound of every other; else the largest upper
    bound.
    """

    linear = False
    has_slopes = False

    def __init__(self, windows: list[list[int]], size_in: int):
        self.windows, self.size_in = windows, size_in

    def undecided(self, boxes):
        (x,) = boxes
        wanted = set()
        for window in self.windows:
            best = max(window, key=lambda j: (x.lo[j], x.hi[j]))
            rivals = [j for j in window if j != best and x.hi[j] > x.lo[best]]
            wanted.update([best, *rivals] if rivals else [])
        return [sorted(wanted)]

    def forward(self, boxes):
        (x,) = boxes
        lo = [max([x.lo[j] for j in window]) for window in self.windows]
        if x.exact:
            return Tensor(lo, lo, x.exp)
        return Tensor(lo, [max([x.hi[j] for j in w]) for w in self.windows], x.exp)

    def lines(self, boxes, slopes):
        """(entry of the lower line, constant of the upper line or None, unit)."""
        (x,) = boxes
        pick, ceiling = [], []
        for window in self.windows:
            best = max(window, key=lambda j: (x.lo[j], x.hi[j]))
            others = [x.hi[j] for j in window if j != best]
            decided = not others or x.lo[best] >= max(others)
            pick.append(best)
            ceiling.append(None if decided else max(*others, x.hi[best]))
        return pick, ceiling, x.exp

    def backward(self, forms, boxes, bias, lines):
        pick, ceiling, unit = lines
        bound = forms.bound * max(Counter(pick).values())
        forms = forms.widened(bound)
        columns, weights, tops = [0] * self.size_in, [], []
        for a, source, top in zip(forms.columns, pick, ceiling, strict=True):
            positive = a if top is None or not a else forms.positive(a)
            columns[source] += positive
            if positive != a:
                weights.append(a - positive)
                tops.append(top)
        bias.add(forms.dot(tops, weights), forms.exp + unit)
        yield 0, forms.like(columns, forms.exp, bound)


@operation("_largest")
def largest(g, operands, shape, windows):
    (x,) = operands
    floats([x])
    if not all(windows):
        fail("params", "a window covers no entry")
    g.spend(sum(map(len, windows)))
    return g.emit(WindowMax(windows, x.size), [x], shape)


@operation("reduce_max", axes=[int])
def _reduce_max(g, operands, shape, axes):
    (x,) = only(operands, 1)
    require(is_order(axes, len(x.shape), False), "bad axes")
    sizes = [n for d, n in enumerate(x.shape) if d not in axes]
    return largest(g, [x], sizes, lines_along(x.shape, axes))


@operation("reduce_min", axes=[int])
def _reduce_min(g, operands, shape, axes):
    (x,) = only(operands, 1)
    return negative(g, _reduce_max(g, [negative(g, x)], shape, axes))


@operation("reduce_window_max", **WINDOW)
def _reduce_window_max(g, operands, shape, **params):
    (x,) = only(operands, 1)
    sizes, covered = windows(g.spend, x.shape, *(params[name] for name in WINDOW))
    return largest(g, [x], sizes, covered)


@operation("reduce_window_sum", **WINDOW)
def _reduce_window_sum(g, operands, shape, **params):
    (x,) = only(operands, 1)
    floats([x])
    sizes, covered = windows(g.spend, x.shape, *(params[name] for name in WINDOW))
    ones = {len(js): [[1] * len(js)] for js in covered}
    blocks = [([k], js, ones[len(js)]) for k, js in enumerate(covered)]
    return linear(g, x, blocks, 0, len(covered), sizes)
