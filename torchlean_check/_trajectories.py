"""Where every solution of y' = f(t, y) is that starts in a box: step by step, exactly.

One step of length h from time t, of all solutions that are then in the set Y:

1. If Y + [0, h] f([t, t + h], B) lies in the box B of the file, each of them exists for
   the time h and stays in B (Schauder; f is smooth on B, since it has values there).
2. Let T(y0) be the Taylor polynomial of degree K in h of the solution from y0, and J
   hold its derivative over Y. The solution ends in T(m) + J (y0 - m) + h^(K+1) c, with
   c the coefficient K + 1 over [t, t + h] and B.
3. Y is kept as m + C x + A r, x in the first box less its middle, so that y0 - m is
   C x + A r. The next C is the middle of J C, the next A is given (any matrix that has
   an inverse), and what is left over goes into the next r, through that inverse.

Source: Lohner 1992; Nedialkov, Jackson and Corliss 1999.
"""

from fractions import Fraction
from typing import NamedTuple

from torchlean_check._errors import NotProved
from torchlean_check._fixed import ONE, Fixed, exact, fixed, minus, plus, times
from torchlean_check._grades import Grades
from torchlean_check._programs import NOTHING, Program, Series, values

Matrix = list[list[Fixed]]


class State(NamedTuple):
    """m, C, A are points (intervals of no width); box holds all of the set."""

    middle: list[Fixed]
    mapped: Matrix
    first: list[Fixed]
    frame: Matrix
    rest: list[Fixed]
    box: list[Fixed]


def begin(box: list[Fixed]) -> State:
    middle = [_middle(x) for x in box]
    first = [minus(x, m) for x, m in zip(box, middle, strict=True)]
    unit = identity(len(box))
    return State(middle, unit, first, unit, [NOTHING] * len(box), box)


def identity(size: int) -> Matrix:
    return [[(ONE, ONE) if i == k else NOTHING for k in range(size)]
            for i in range(size)]  # fmt: skip


def _middle(x: Fixed) -> Fixed:
    m = (x[0] + x[1]) // 2
    return m, m


def image(field: Program, box, times_: Fixed, h: Fixed, around) -> list[Fixed]:
    """Y + [0, h] f([t, t + h], B)."""
    rates = values(field, [times_, *around])
    while_ = (0, h[1])
    return [plus(y, times(while_, rate)) for y, rate in zip(box, rates, strict=True)]


def step(field: Program, order: int, state: State, start, end, around, frame) -> State:
    """The set at time `end`; frame(M) chooses the next A, M being where A is mapped.

    Raises NotProved if B is not seen to hold the solutions.
    """
    t, h = fixed(start), fixed(end - start)
    span = t[0], fixed(end)[1]
    for k, (x, b) in enumerate(
        zip(image(field, state.box, span, h, around), around, strict=True)
    ):
        if not (b[0] <= x[0] and x[1] <= b[1]):
            raise NotProved(f"solutions may leave the box of this step, in y[{k}]")
    size = len(around)
    own = expand(field, order, t, state.middle, False)
    beyond = expand(field, order + 1, span, around, False)
    hull = [(min(b[0], m[0]), max(b[1], m[1]))
            for b, m in zip(state.box, state.middle, strict=True)]  # fmt: skip
    over = expand(field, order + 1, t, hull, True)
    landed = [
        at([own[n][k][0] for n in range(order + 1)] + [beyond[order + 1][k][0]], h)
        for k in range(size)
    ]
    jacobian = [
        [at([over[n + 1][k][1 + i] for n in range(order + 1)], h) for i in range(size)]
        for k in range(size)
    ]
    middle = [_middle(x) for x in landed]
    left = [minus(x, m) for x, m in zip(landed, middle, strict=True)]
    moved = product(jacobian, state.mapped)
    mapped = [[_middle(x) for x in row] for row in moved]
    off = [[minus(a, b) for a, b in zip(*rows, strict=True)]
           for rows in zip(moved, mapped, strict=True)]  # fmt: skip
    left = _sums(left, image_of(off, state.first))
    turned = product(jacobian, state.frame)
    frame = frame(turned)
    back = inverse(frame)
    rest = _sums(image_of(product(back, turned), state.rest), image_of(back, left))
    box = _sums(_sums(middle, image_of(mapped, state.first)), image_of(frame, rest))
    box = [(max(x[0], b[0]), min(x[1], b[1])) for x, b in zip(box, around, strict=True)]
    if any(x[0] > x[1] for x in box):
        raise NotProved("no solution is left, which cannot be")
    return State(middle, mapped, state.first, frame, rest, box)


def at(coefficients: list[Fixed], h: Fixed) -> Fixed:
    """The polynomial at h, by Horner."""
    total = NOTHING
    for c in reversed(coefficients):
        total = plus(c, times(total, h))
    return total


def expand(field: Program, order: int, t: Fixed, start, derived: bool) -> list:
    """Parts of the solution from `start` at time t: [degree][coordinate].

    Degree n holds the coefficient of s^n, s the time from t; if derived, behind it
    those of s^(n - 1) times the change of each coordinate of the start.
    """
    size = len(start) if derived else 0
    unit = [tuple(int(i == k) for i in range(size)) for k in range(size)]
    nothing = (0,) * size
    series = Series(field, Grades(
        [[(n, *nothing)] + [(n - 1, *e) for e in unit if n] for n in range(order + 1)]
    ))  # fmt: skip
    parts = [[[x] for x in start]]
    for n in range(order):
        own = [NOTHING] * (size if n else 0)
        now = [[t], [(ONE, ONE), *own]][n] if n < 2 else [NOTHING, *own]
        rates = series.extend([now, *parts[n]])
        parts.append([_integral(rate, n, k, size) for k, rate in enumerate(rates)])
    return parts


def _integral(rate, n: int, k: int, size: int) -> list[Fixed]:
    """The part of degree n + 1 of y[k], from that of degree n of its rate."""
    value = _over(rate[0], n + 1)
    if not n:
        return [value, *((ONE, ONE) if i == k else NOTHING for i in range(size))]
    return [value, *(_over(x, n) for x in rate[1:])]


def _over(x: Fixed, n: int) -> Fixed:
    return x[0] // n, -(-x[1] // n)


def _sums(x, y) -> list[Fixed]:
    return [plus(a, b) for a, b in zip(x, y, strict=True)]


def image_of(matrix: Matrix, x: list[Fixed]) -> list[Fixed]:
    found = [NOTHING] * len(matrix)
    for k, c in enumerate(x):
        found = [
            plus(a, times(row[k], c)) for a, row in zip(found, matrix, strict=True)
        ]
    return found


def product(a: Matrix, b: Matrix) -> Matrix:
    columns = [image_of(a, list(column)) for column in zip(*b, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def inverse(matrix: Matrix) -> Matrix:
    """Of points, by elimination in rationals; NotProved if there is none."""
    size = len(matrix)
    rows = [
        [exact(x[0]) for x in row] + [Fraction(int(i == k)) for k in range(size)]
        for i, row in enumerate(matrix)
    ]
    for k in range(size):
        best = max(range(k, size), key=lambda i: abs(rows[i][k]))
        if not rows[best][k]:
            raise NotProved("a frame has no inverse")
        rows[k], rows[best] = rows[best], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(size):
            if i != k and rows[i][k]:
                factor = rows[i][k]
                rows[i] = [
                    a - factor * b for a, b in zip(rows[i], rows[k], strict=True)
                ]
    return [[fixed(x) for x in row[size:]] for row in rows]
