"""What each operation of an execution carries and rounds.

With x' for what is read of x, |x' - x| <= e: every bound here is a consequence of the
two magnitudes |x| and |x'| <= |x| + e. A product that is fused into a sum is not
rounded by itself; each bound holds with its rounding left out as well.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 2.2.
Sums of many terms are in `_sums`, functions of the library in `_library`.
"""

from fractions import Fraction

from torchlean_check._errors import NotProved, UnsupportedCertificate
from torchlean_check._executions import (
    FORMATS,
    GRID,
    ONE,
    Node,
    Number,
    Rounded,
    accumulated,
    plus,
    rounding,
    times,
)
from torchlean_check._layout import lines_along, windows
from torchlean_check._windows import WINDOW


def quotient(numerators: list[int], denominators: list[int]) -> list[int]:
    if min(denominators) <= 0:
        raise NotProved("an execution may divide by zero", "semantics")
    pairs = zip(numerators, denominators, strict=True)
    return [-(-(a << GRID) // b) for a, b in pairs]


@rounding(
    *"reshape squeeze transpose broadcast_in_dim slice rev concatenate pad".split(),
    *"take select_n copy stop_gradient".split(),
)
def _moved(node: Node):
    step, operands = node.program.made(node.result)
    if step.fill is not None and any(step.fill.lo):
        raise UnsupportedCertificate("a fill that is not zero", "semantics")
    errors = [e for k in operands for e in node.executions.errors[k]]
    return [errors[k] if k >= 0 else 0 for k in step.index]


@rounding("convert_element_type")
def _convert(node: Node):
    (x,) = node.operands
    before, after = node.format, FORMATS[node.result.dtype]
    wider = after.precision >= before.precision and after.least <= before.least
    if wider and after.most >= before.most:
        return x.errors
    return Rounded(x.errors, after.unit)


@rounding("neg", "abs")
def _sign(node: Node):
    return node.operands[0].errors


def _moved_by(x: Number, entries) -> int:
    """How far the largest of some entries moves: by the most that one of them does
    which may be the largest, over the reals or in an execution."""
    least = max([x.lo[j] - x.errors[j] for j in entries])
    return max([x.errors[j] for j in entries if x.hi[j] + x.errors[j] >= least])


def _negated(x: Number) -> Number:
    return x._replace(lo=[-b for b in x.hi], hi=[-a for a in x.lo])


def _larger(x: Number, y: Number) -> Number:
    both = x._replace(lo=x.lo + y.lo, hi=x.hi + y.hi, errors=x.errors + y.errors)
    n = len(x.lo)
    errors = [_moved_by(both, (k, n + k)) for k in range(n)]
    return x._replace(
        lo=list(map(max, x.lo, y.lo)), hi=list(map(max, x.hi, y.hi)), errors=errors
    )


@rounding("max")
def _max(node: Node):
    return _larger(*node.spread).errors


@rounding("min")
def _min(node: Node):
    return _larger(*map(_negated, node.spread)).errors


@rounding("clamp")
def _clamp(node: Node):
    low, x, high = node.spread
    return _larger(_negated(_larger(low, x)), _negated(high)).errors


@rounding("reduce_max")
def _reduce_max(node: Node):
    (x,) = node.operands
    lines = lines_along(x.value.shape, node.params["axes"])
    return [_moved_by(x, js) for js in lines]


@rounding("reduce_min")
def _reduce_min(node: Node):
    x = _negated(*node.operands)
    lines = lines_along(x.value.shape, node.params["axes"])
    return [_moved_by(x, js) for js in lines]


@rounding("reduce_window_max")
def _window_max(node: Node):
    (x,) = node.operands
    options = (node.params[name] for name in WINDOW)
    _, covered = windows(node.program.spend, x.value.shape, *options)
    return [_moved_by(x, js) for js in covered]


@rounding("add", "add_any", "sub")
def _add(node: Node):
    """Adding what is certainly 0 rounds nothing."""
    x, y = node.spread
    idle = any(not any(v.read) for v in (x, y))
    unit = Fraction(0) if idle else node.format.unit
    return Rounded(plus(x.errors, y.errors), unit)


def _scales(x: Number) -> bool:
    """Is every read a power of two, or its negative?"""
    if any(x.errors) or x.lo != x.hi:
        return False
    return all(a and abs(a) & (abs(a) - 1) == 0 for a in x.lo)


@rounding("mul")
def _mul(node: Node):
    """x' y' - x y = (x' - x) y' + x (y' - y)."""
    x, y = node.spread
    carried = plus(times(x.errors, y.read), times(x.real, y.errors))
    exact = _scales(x) or _scales(y)
    return Rounded(carried, Fraction(0) if exact else node.format.unit)


@rounding("div")
def _div(node: Node):
    """x' / y' - x / y = ((x' - x) - (x / y) (y' - y)) / y'.

    x / y may be x (1 / y), in which nothing may be lost to 1 / y being subnormal.
    """
    x, y = node.spread
    ends = zip(y.lo, y.hi, y.errors, strict=True)
    least = [max(a, -b) - e for a, b, e in ends]
    if max(y.read) * node.format.tiny > ONE * ONE >> 2:
        raise NotProved("the inverse of a divisor may be subnormal", "semantics")
    moved = plus(x.errors, times(node.out.real, y.errors))
    roundings = Fraction(node.model.quotient, 100)
    unit = Fraction(0) if _scales(y) else accumulated(node.format.unit, roundings)
    return Rounded(quotient(moved, least), unit)


@rounding("square")
def _square(node: Node):
    (x,) = node.operands
    return Rounded(times(x.errors, plus(x.read, x.real)), node.format.unit)


@rounding("integer_pow")
def _power(node: Node):
    """The slope is n x**(n - 1); n - 1 products, each of which may lose a subnormal
    number, or what is large only if the result is."""
    (x,), n = node.operands, node.params["y"]
    if n < 1:
        raise UnsupportedCertificate("powers below 1", "semantics")
    steep = [ONE * n] * x.value.size
    for _ in range(n - 1):
        steep = times(steep, x.read)
    absolute = [n * node.format.tiny] * x.value.size
    relative = accumulated(node.format.unit, n - 1)
    return Rounded(times(steep, x.errors), relative, absolute)
