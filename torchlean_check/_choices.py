"""Choices between two numbers that are equal where the choice turns; elu is one.

Over the reals `larger` is max, `smaller` is min, and elu is x where x > 0, alpha
(exp(x) - 1) elsewhere. An execution compares reads of its operands and returns another
read of one of them, which may be rounded differently. So next to the turning point it
may return the wrong operand, and that one is off by more than its own error.

What an execution of `larger` or `smaller` compares is x with y or, where y = c x for
some number c, x with 0.
"""

import math
from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._executions import (
    GRID,
    ONE,
    Node,
    Number,
    grown,
    limit,
    plus,
    rounding,
)
from torchlean_check._exponential import exp
from torchlean_check._graph import operation
from torchlean_check._operands import floats, only, require
from torchlean_check._piecewise import _max, _min
from torchlean_check._roundings import _negated
from torchlean_check._schema import dyadic
from torchlean_check._smooth import Curve, Smooth

operation("larger")(_max)
operation("smaller")(_min)


def _larger(x: Number, y: Number) -> list[int]:
    """With a for the error of x and b for that of y:

    x is returned where y is larger. If x' >= y' was read, y - x <= a + b, and x'' is
    within a of x, hence within 2 a + b of y. If it was x' >= 0, then |x| <= a, and
    |x - c x| <= a + |c| a <= a + b: the same. y returned where x is larger: a + 2 b.
    """
    ends = zip(x.lo, x.hi, x.errors, y.lo, y.hi, y.errors, strict=True)
    errors = []
    for x_low, x_high, a, y_low, y_high, b in ends:
        if y_high + b < x_low - a:
            errors.append(a)
        elif x_high + a < y_low - b:
            errors.append(b)
        else:
            errors.append(a + b + max(a, b))
    return errors


@rounding("larger")
def _larger_runs(node: Node):
    return _larger(*node.spread)


@rounding("smaller")
def _smaller_runs(node: Node):
    return _larger(*map(_negated, node.spread))


class Elu(Curve):
    """x for x >= 0, else alpha (exp(x) - 1), with alpha > 0.

    Convex up to alpha = 1; beyond, it bends down at 0.
    """

    def __init__(self, alpha: Fraction):
        self.alpha = alpha

    def _scaled(self, low: int, high: int) -> tuple[int, int]:
        n, d = self.alpha.numerator, self.alpha.denominator
        return low * n // d, -(-high * n // d)

    def value(self, x, p):
        if x >= 0:
            return x, x
        low, high = exp(x, p)
        return self._scaled(low - (1 << p), high - (1 << p))

    def slope(self, x, p):
        """At 0 one that a line of either piece may have."""
        one = 1 << p
        if x:
            return (one, one) if x > 0 else self._scaled(*exp(x, p))
        return one, max(one, self._scaled(one, one)[1])

    def sketch(self, x):
        if x > 0:
            return x, 1.0
        alpha, rest = float(self.alpha), math.exp(x)
        return alpha * (rest - 1), alpha * rest

    def pieces(self, lo, hi, p):
        if lo < 0 < hi and self.alpha > 1:
            return [(lo, 0, 1), (0, hi, -1)]
        return [(lo, hi, 1)]


def _number(alpha) -> Fraction:
    m, e = dyadic(alpha, "params.alpha")
    require(m > 0, "alpha must be positive")
    return Fraction(m) * Fraction(2) ** e


@operation("elu", alpha=(int, int))
def _elu(g, operands, shape, alpha):
    (x,) = only(operands, 1)
    floats([x])
    return g.emit(Smooth(Elu(_number(alpha))), [x], x.shape)


@rounding("elu")
def _elu_runs(node: Node):
    """x'' where x' > 0, else alpha expm1(m'), with m either x or min(x, 0).

    With a for the error of x: m' is within 2 a of min(x, 0), where |expm1| <= min(1,
    |x|), and b is what expm1, the product and 2 a add up to. If the wrong side is
    returned, |x| <= a: x'' is within a + max(1, alpha) a of the other, since x and
    alpha expm1(x) have one sign; the product within b + a of x.
    """
    (x,), alpha = node.operands, _number(node.params["alpha"])
    size, moved = [], []
    for low, high, a in zip(x.lo, x.hi, x.errors, strict=True):
        size.append(min(ONE, max(0, -low)))
        moved.append(a if high + a < 0 else 2 * a)
    if max(moved) > ONE or alpha * ONE < node.format.tiny:
        raise NotProved(
            "an argument or the factor of elu is too uncertain", "semantics"
        )
    below = _product(node, alpha, size, moved)
    errors = []
    for low, high, a, b in zip(x.lo, x.hi, x.errors, below, strict=True):
        if low - a > 0:
            errors.append(a)
        elif high + a < 0:
            errors.append(b)
        else:
            wrong = a + max(a, *grown(alpha, [a]))
            errors.append(max(wrong, a + b))
    return errors


def _product(node: Node, alpha: Fraction, size: list[int], moved: list[int]):
    """The error of alpha expm1(m') where |expm1(m)| <= size, |m' - m| <= moved, m <= 0.

    |exp(m') - exp(m)| <= exp(moved) - 1 <= moved + moved**2.
    """
    tiny = [node.format.tiny] * len(size)
    carried = [e - (-e * e >> GRID) for e in moved]
    relative = node.model.relative("expm1", node.dtype)
    called = plus(carried, grown(relative, plus(size, carried)), tiny, tiny)
    rounded = grown(node.format.unit * alpha, plus(size, called))
    below = plus(grown(alpha, called), rounded, tiny)
    limit(node, plus(size, called))
    limit(node, plus(grown(alpha, size), below))
    return below
