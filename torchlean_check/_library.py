"""What executions of elementary functions carry and round.

f(x') is off f(x) by at most the slope of f on everything between, times |x' - x|; the
library returns f(x') within the ulps of the error model. A function in several steps
may lose one subnormal number on the way, beside the result.
"""

import math
from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._executions import GRID, ONE, Node, Rounded, grown, rounding, times
from torchlean_check._roundings import quotient


def _called(node: Node, carried: list[int]) -> Rounded:
    """A call of the library's function of that name."""
    absolute = [node.format.tiny] * len(carried)
    return Rounded(carried, node.model.relative(node.name, node.dtype), absolute)


def _least(node: Node) -> list[int]:
    """The least number that may be read of the operand."""
    (x,) = node.operands
    return [a - e for a, e in zip(x.lo, x.errors, strict=True)]


@rounding("tanh")
def _tanh(node: Node):
    """1 - tanh**2, where |tanh| is least; it is within e of what it is at x."""
    (x,) = node.operands
    ends = zip(node.out.lo, node.out.hi, x.errors, strict=True)
    least = [max(a - e, -b - e, 0) for a, b, e in ends]
    steep = [ONE - (t * t >> GRID) for t in least]
    return _called(node, times(steep, x.errors))


@rounding("logistic")
def _logistic(node: Node):
    """s (1 - s), where s is nearest to 1/2; it is within e / 4 of what it is at x."""
    (x,), half = node.operands, ONE >> 1
    ends = zip(node.out.lo, node.out.hi, x.errors, strict=True)
    near = [max(a - e, ONE - b - e, 0) for a, b, e in ends]
    # s or 1 - s is at least that far from 0, and the slope symmetric around 1/2
    steep = [ONE >> 2 if s <= half else -(-s * (ONE - s) >> GRID) for s in near]
    return _called(node, times(steep, x.errors))


@rounding("erf")
def _erf(node: Node):
    """2 / sqrt(pi) < 1.129."""
    return _called(node, grown(Fraction(1129, 1000), node.operands[0].errors))


@rounding("sin", "cos")
def _wave(node: Node):
    return _called(node, node.operands[0].errors)


def _exponential(node: Node, least: int):
    """exp(x) (exp(e) - 1) <= exp(x) (e + e**2) for e <= 1."""
    errors = node.operands[0].errors
    if max(errors) > ONE:
        raise NotProved("an argument of exp is too uncertain", "semantics")
    size = [b + least for b in node.out.hi]
    steps = [e - (-e * e >> GRID) for e in errors]
    return _called(node, times(size, steps))


@rounding("exp")
def _exp(node: Node):
    return _exponential(node, 0)


@rounding("expm1")
def _expm1(node: Node):
    return _exponential(node, ONE)


@rounding("log")
def _log(node: Node):
    return _called(node, quotient(node.operands[0].errors, _least(node)))


@rounding("log1p")
def _log1p(node: Node):
    return _called(
        node, quotient(node.operands[0].errors, [ONE + a for a in _least(node)])
    )


@rounding("sqrt")
def _sqrt(node: Node):
    """Correctly rounded. sqrt(x') - sqrt(x) = (x' - x) / (sqrt(x') + sqrt(x))."""
    (x,), least = node.operands, _least(node)
    if min(least) <= 0:
        raise NotProved("an execution may take the root of 0, or less", "semantics")
    ends = zip(x.lo, least, strict=True)
    roots = [math.isqrt(a << GRID) + math.isqrt(b << GRID) for a, b in ends]
    return Rounded(quotient(x.errors, roots), node.format.unit)


@rounding("rsqrt")
def _rsqrt(node: Node):
    """The slope is 1 / (2 x sqrt(x))."""
    least = _least(node)
    if min(least) <= 0:
        raise NotProved("an execution may take the root of 0, or less", "semantics")
    below = [2 * (a * math.isqrt(a << GRID) >> GRID) for a in least]
    return _called(node, quotient(node.operands[0].errors, below))
