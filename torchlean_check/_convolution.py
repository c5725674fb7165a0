"""conv_general_dilated with a known kernel: one dense block for each output place."""

import itertools
import math

from torchlean_check._errors import UnsupportedCertificate
from torchlean_check._graph import operation
from torchlean_check._layout import offsets, strides, taps
from torchlean_check._operands import floats, is_order, linear, only, require
from torchlean_check._tensor import midpoint_radius


@operation(
    "conv_general_dilated",
    window_strides=[int],
    padding=[(int, int)],
    lhs_dilation=[int],
    rhs_dilation=[int],
    feature_group_count=int,
    batch_group_count=int,
    dimension_numbers=([int], [int], [int]),
)
def _conv(g, operands, shape, **params):
    """Output (n, o, p) sums kernel (o, i, q) times input (n, i, place of tap q at p).

    Each specification lists the axes (batch, feature, space...) of the operand, those
    of the kernel being (out feature, in feature, space...). With feature groups the
    features o of group r see input features of group r only; with batch groups, batches
    of group r.
    """
    x, kernel = only(operands, 2)
    floats([x, kernel])
    if kernel.known is None:
        raise UnsupportedCertificate("convolution with an abstract kernel")
    layout = _ConvLayout(x, kernel, params)
    g.spend(layout.terms)
    middle, radius, exp = midpoint_radius(kernel.known)
    blocks = layout.blocks(middle)
    errors = None if radius is None else layout.blocks(radius)
    return linear(g, x, blocks, exp, math.prod(layout.shape), layout.shape, errors)


class _ConvLayout:
    def __init__(self, x, kernel, params):
        rank = len(x.shape)
        specs = params["dimension_numbers"]
        require(rank >= 2 and len(kernel.shape) == rank, "ranks do not match")
        require(all(is_order(s, rank, True) for s in specs), "bad dimension_numbers")
        self.groups = params["feature_group_count"]
        self.batches = params["batch_group_count"]
        require(min(self.groups, self.batches) == 1, "one kind of groups at a time")
        self.x, self.kernel, self.specs = x, kernel, specs
        lhs, rhs, out = specs
        n, self.features = x.shape[lhs[0]], x.shape[lhs[1]]
        self.outs, self.ins = kernel.shape[rhs[0]], kernel.shape[rhs[1]]
        divides = (
            n % self.batches == 0 and self.outs % (self.groups * self.batches) == 0
        )
        require(divides and self.features == self.ins * self.groups, "bad groups")
        self.count = n // self.batches
        names = ("window_strides", "padding", "rhs_dilation", "lhs_dilation")
        require(all(len(params[k]) == rank - 2 for k in names), "one entry per axis")
        self.axes = [
            taps(
                x.shape[lhs[k + 2]],
                kernel.shape[rhs[k + 2]],
                params["window_strides"][k],
                params["padding"][k],
                params["lhs_dilation"][k],
                params["rhs_dilation"][k],
            )
            for k in range(rank - 2)
        ]
        sizes = [0] * rank
        for axis, size in zip(
            out, (self.count, self.outs, *map(len, self.axes)), strict=True
        ):
            sizes[axis] = size
        self.shape = tuple(sizes)
        covered = math.prod(1 + sum(map(len, axis)) for axis in self.axes)
        self.terms = self.count * self.outs * self.ins * covered

    def blocks(self, weights):
        """One block for each batch, group and output place."""
        (lhs, _, out), kernels, result = self.specs, {}, []
        parts = self.groups * self.batches
        width = self.outs // parts
        step_in, step_out = strides(self.x.shape), strides(self.shape)
        places = list(enumerate(itertools.product(*self.axes)))
        positions = offsets(self.shape, out[2:])
        for batch, part in itertools.product(range(self.count), range(parts)):
            source = batch + (part * self.count if self.batches > 1 else 0)
            first = part * self.ins if self.groups > 1 else 0
            base = source * step_in[lhs[0]]
            for place, covered in places:
                pairs = [
                    tuple(zip(*tap, strict=True)) for tap in itertools.product(*covered)
                ]
                if not pairs:
                    continue
                marks = tuple(pair[0] if pair else () for pair in pairs)
                if (part, marks) not in kernels:
                    kernels[part, marks] = self._matrix(
                        weights, part * width, width, marks
                    )
                js = [
                    base
                    + i * step_in[lhs[1]]
                    + sum(
                        p * step_in[a]
                        for p, a in zip(pair[1] if pair else (), lhs[2:], strict=True)
                    )
                    for i in range(first, first + self.ins)
                    for pair in pairs
                ]
                start = positions[place] + batch * step_out[out[0]]
                ks = [
                    start + o * step_out[out[1]]
                    for o in range(part * width, (part + 1) * width)
                ]
                result.append((ks, js, kernels[part, marks]))
        return result

    def _matrix(self, weights, first, width, marks):
        _, rhs, _ = self.specs
        step = strides(self.kernel.shape)
        inner = [
            sum(q * step[a] for q, a in zip(mark, rhs[2:], strict=True))
            for mark in marks
        ]
        return [
            [
                weights[o * step[rhs[0]] + i * step[rhs[1]] + at]
                for i in range(self.ins)
                for at in inner
            ]
            for o in range(first, first + width)
        ]
