"""Balls in the L1 and L2 norms: min a.x is a.center - radius * (dual norm of a)."""

import math
from typing import NamedTuple

from torchlean_check._linear import Bias
from torchlean_check._matrices import dot
from torchlean_check._packed import Forms
from torchlean_check._schema import Arrays, dyadic, fail, fields
from torchlean_check._tensor import Tensor, aligned, tidy


class Ball(NamedTuple):
    """All x with |x - center| <= radius; center and radius are exact."""

    center: Tensor
    radius: Tensor  # one entry
    norm: int  # 1 or 2

    def box(self) -> Tensor:
        center, radius = aligned([self.center, self.radius])
        (r,) = radius.lo
        lo = [c - r for c in center.lo]
        return tidy(lo, [c + r for c in center.lo], center.exp)

    def add_minimum(self, forms: Forms, box: Tensor, bias: Bias) -> None:
        """The better of two minima for each form: over the ball, and over the box."""
        over_ball, over_box = Bias(forms.count), Bias(forms.count)
        over_box.add_minimum(forms, box)
        over_ball.add_minimum(forms, self.center)
        dual = max if self.norm == 1 else _norm2
        sizes = [self.radius.lo[0] * dual(list(map(abs, row))) for row in forms.rows()]
        over_ball.add([-s for s in sizes], forms.exp + self.radius.exp)
        unit = min(over_ball.exp, over_box.exp)
        a = [v << (over_ball.exp - unit) for v in over_ball.values]
        b = [v << (over_box.exp - unit) for v in over_box.values]
        bias.add(list(map(max, a, b)), unit)


def _norm2(row: list[int]) -> int:
    """The least integer that is at least sqrt(row . row)."""
    square = dot(row, row)
    return math.isqrt(square - 1) + 1 if square else 0


def read_ball(entry, where: str, value, arrays: Arrays) -> Ball:
    entry = fields(entry, where, value=int, center=str, radius=(int, int), norm=int)
    center = arrays.load(entry["center"], f"{where}.center", value.shape)
    m, e = dyadic(entry["radius"], f"{where}.radius")
    if m < 0 or entry["norm"] not in (1, 2):
        fail(where, "the radius must not be negative, and the norm 1 or 2")
    return Ball(center, Tensor([m], [m], e), entry["norm"])
