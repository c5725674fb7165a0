"""What steps make of zonotopes (`_zonotopes`).

A linear step acts on coefficients and loses nothing. Any other goes between lines: f(x)
- m x lies in an interval while x is in its box, for whatever slope m, and that becomes
part of the rest of the result.

Source: Singh et al. 2018 (DeepZ, section 4).
"""

from collections.abc import Sequence
from operator import add, mul, neg
from typing import Any

from torchlean_check._errors import UnsupportedCertificate
from torchlean_check._linear import Blocks, Move, Scale, Sum
from torchlean_check._matrices import Matrix
from torchlean_check._piecewise import Max
from torchlean_check._relax import Elementwise, Relu
from torchlean_check._tensor import Tensor, at_exp, product, total
from torchlean_check._windows import WindowMax
from torchlean_check._zonotopes import ROOM, Zonotope, aligned, limit, reach_of

SUMS = 6  # bits that the sum of a few products may add


def most(step) -> int:
    """How often a step meets one entry of its operand, at most."""
    if isinstance(step, Move):
        return step.most
    if isinstance(step, Blocks):
        met = [0] * step.size_in
        for ks, js, *_ in step.blocks:
            for j in js:
                met[j] += len(ks)
        return max(met)
    return 2 if isinstance(step, WindowMax) else 1


def image(step, zs: list[Zonotope], boxes, count: int) -> Zonotope:
    """What a step makes of its operands, which are within `boxes`."""
    if isinstance(step, Sum):
        return added(step, zs, count)
    if isinstance(step, Move):
        return _move(step, zs, count)
    if isinstance(step, Scale):
        return _scale(step, zs[0].measured(count), count)
    if isinstance(step, Blocks):
        return mixed(step, zs[0], count)
    if isinstance(step, Elementwise):
        return _between(step, zs, boxes, count)
    if isinstance(step, WindowMax):
        return _largest(step, zs[0].measured(count), boxes[0], count)
    raise UnsupportedCertificate(f"no zonotope of {type(step).__name__}")


def added(step, zs, count) -> Zonotope:
    moving = [pair for pair in zip(zs, step.signs, strict=True) if pair[0].bound]
    if len(moving) == 1 and moving[0][1] > 0:  # a constant was added
        return moving[0][0]._replace(rest=step.forward([z.rest for z in zs]))
    zs = aligned(zs, count)
    # what rounding to one unit costs is in their rests
    rest = step.forward([z.rest for z in zs])
    signed = [
        z.columns if sign > 0 else map(neg, z.columns)
        for z, sign in zip(zs, step.signs, strict=True)
    ]
    columns = list(map(sum, zip(*signed, strict=True)))
    return Zonotope(rest, columns, zs[0].exp, sum(z.bound for z in zs))


def _move(step, zs, count) -> Zonotope:
    zs = aligned([z.measured(count) for z in zs], count)
    columns, reach = (
        [*(a for v in parts for a in v), 0]  # -1 finds what is at the end
        for parts in ([z.columns for z in zs], [z.reach or () for z in zs])
    )
    columns, reach = ([v[k] for k in step.index] for v in (columns, reach))
    rest, bound = step.forward([z.rest for z in zs]), max(z.bound for z in zs)
    return Zonotope(rest, columns, zs[0].exp, bound, reach)


def _scale(step, z, count) -> Zonotope:
    by = max(0, step.largest.bit_length() + z.bound.bit_length() - ROOM)
    factors = _rounded(step.middle, by)
    errors = [a << by >> 1 for a in z.reach] if by else [0] * len(factors)
    if step.radius is not None:
        errors = list(map(add, errors, map(mul, step.radius, z.reach)))
    columns = list(map(mul, z.columns, factors))
    bound, exp = z.bound * max(map(abs, factors)), z.exp + step.exp
    image = Zonotope(step.forward([z.rest]), columns, exp + by, bound)
    return image.off_by(errors, exp)


def mixed(step, z, count) -> Zonotope:
    """Rounding a factor to units of 2**by costs half of one for all that an entry
    reaches."""
    limit(step.size_out, count)
    gain, terms = _gain(step)
    longest = ROOM - 1 - gain.bit_length()
    if step.radius is not None or z.bound.bit_length() > longest:
        z = z.measured(count)
    by = max(0, z.bound.bit_length() - longest)
    short: dict[int, Matrix] = {}
    columns, errors = [0] * step.size_out, [0] * step.size_out
    for ks, js, matrix, *_ in step.blocks:
        if id(matrix) not in short:
            rows = [_rounded(row, by) for row in matrix.rows]
            short[id(matrix)] = Matrix(rows) if by else matrix
        found = short[id(matrix)].times([z.columns[j] for j in js])
        lost = sum([z.reach[j] for j in js]) << by >> 1 if by else 0
        for k, a in zip(ks, found, strict=True):
            columns[k] += a
            errors[k] += lost
    if step.radius is not None:
        errors = list(map(add, errors, step.radius.apply(z.reach)))
    bound = z.bound * ((gain >> by) + terms if by else gain)
    exp = z.exp + step.exp
    image = Zonotope(step.forward([z.rest]), columns, exp + by, bound)
    return image.off_by(errors, exp)


def _between(step, zs, boxes, count) -> Zonotope:
    """m x plus what f(x) is beside it, m halfway between the slopes of two lines,
    rounded to what there is room for."""
    zs = [z.measured(count) for z in zs]
    lines = step.lines(boxes, None)
    if isinstance(step, (Relu, Max)):  # whose lower line may be parallel
        lines = step.lines(boxes, lines.upper[0])
    pairs = list(zip(lines.lower, lines.upper, strict=True))
    room, exps = ROOM - SUMS - len(zs).bit_length(), []
    for z, pair in zip(zs, pairs, strict=True):
        bits = max(max(map(abs, s)) for s in pair).bit_length()
        more = max(0, bits + z.bound.bit_length() - room)
        exps += [z.exp + lines.slope_exp + more] if z.bound else []
    exp = max(exps, default=0)
    low, high = lines.lower_constant, lines.upper_constant
    slopes, rests, bound = [], [Tensor(low, high, lines.exp)], 0
    for z, (p, q), box in zip(zs, pairs, boxes, strict=True):
        by = exp - z.exp - lines.slope_exp if z.bound else 0
        m = [a + b >> (by + 1) for a, b in zip(p, q, strict=True)]
        slope = Tensor(m, m, lines.slope_exp + by)
        rests += [product(z.rest, slope), _beside(p, q, m, by, box, lines)]
        slopes, bound = [*slopes, m], bound + max(map(abs, m)) * z.bound
    columns = Planes(slopes, [z.columns for z in zs])
    return Zonotope(total(rests), columns, exp, bound)


def _largest(step, z, box, count) -> Zonotope:
    """An entry, and as much more as another one can be above it."""
    picked, *_ = step.lines([box], None)
    unit = min(z.exp, z.rest.exp)
    rest, above = at_exp(z.rest, unit), []
    for window, best in zip(step.windows, picked, strict=True):
        more = [0]
        for j in window:
            if j != best and box.hi[j] > box.lo[best]:
                apart = z.columns[j] - z.columns[best]
                apart = apart and reach_of(apart, count)
                more.append(rest.hi[j] - rest.lo[best] + (apart << (z.exp - unit)))
        above.append(max(more))
    z = _move(Move(picked, [step.size_in]), [z], count)
    more = Tensor([0] * len(above), above, unit)
    return z._replace(rest=total([z.rest, more]))


class Planes(Sequence[int]):
    """Sums of slopes times columns, each computed when it is asked for: those of all
    pairs that a product of matrices multiplies would take gigabytes."""

    def __init__(self, slopes: list[list[int]], columns: list[Sequence[int]]):
        self.slopes, self.columns = slopes, columns

    def __len__(self) -> int:
        return len(self.slopes[0])

    def __getitem__(self, k) -> Any:
        pairs = zip(self.slopes, self.columns, strict=True)
        return sum([m[k] * columns[k] for m, columns in pairs])


def _gain(step) -> tuple[int, int]:
    """(the largest sum of magnitudes in a row, or more; how many terms it has)."""
    sums, terms = [0] * step.size_out, [0] * step.size_out
    for ks, js, _, magnitudes, _ in step.blocks:
        for k, row in zip(ks, magnitudes.rows, strict=True):
            sums[k] += sum(row)
            terms[k] += len(js)
    return max(sums), max(terms)


def _rounded(values: list[int], by: int) -> list[int]:
    """In units of 2**by, to nearest."""
    return [a + (1 << by >> 1) >> by for a in values] if by else values


def _beside(p, q, m, by: int, box: Tensor, lines) -> Tensor:
    """(p - m) x from below and (q - m) x from above, over a box."""
    lo, hi = [], []
    for below, above, slope, a, b in zip(p, q, m, box.lo, box.hi, strict=True):
        slope <<= by
        lo.append(min((below - slope) * a, (below - slope) * b))
        hi.append(max((above - slope) * a, (above - slope) * b))
    return Tensor(lo, hi, lines.slope_exp + box.exp)
