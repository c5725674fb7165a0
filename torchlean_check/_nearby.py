"""What V and W = grad V . f are on a box N around 0, where no cell shows their signs.

Let f(0), V(0) and the gradient of V at 0 be 0, and V's Hessians positive definite on
all of N. Then V > 0 on N but at 0, V is convex there, and M, where V <= c on N, is
convex and has 0 in it: so M holds the way from 0 to each of its points. W < 0 on M but
at 0, if on every cell that is not seen to lie where V > c

    the Hessians of W are negative definite: x^T H x / 2 is W, with H their average over
    the way from 0, weighted as in Taylor's theorem; or

    V has one Hessian P on all of N, and P J + J^T P is negative definite for the
    Jacobians J of f: f(x) = A x with A the average of J over the way, so W = x^T P A x.

One of the two for all cells: averages of definite matrices are definite. The second
bears cubic terms twice as large, and C^T (P J + J^T P) C may be looked at in its place:
where that is definite, C has an inverse. So C is chosen in floats, to make it about the
identity at 0. Of cells above c we know by tangents, below which a
convex function never is.
"""

import itertools
from fractions import Fraction

from torchlean_check._curvature import Family, curvatures, hessian, negated, pulls
from torchlean_check._definite import Matrix, definite, inverse_root, reduced
from torchlean_check._errors import NotProved
from torchlean_check._fixed import Fixed, exact, fixed
from torchlean_check._loops import Box, Loop, all_grades, parts, spread
from torchlean_check._programs import NOTHING
from torchlean_check._trajectories import identity

SWEEPS = 40  # of the search for the point of a tangent, of which nothing is asked


def require_near(loop: Loop, box: Box, level: Fraction, most: int) -> tuple:
    """(a matrix below V's Hessians on the box, how many cells it took).

    NotProved unless the above is shown with at most so many.
    """
    curved = _Curved(loop, box, fixed(level)[1])
    waiting, hulls, seen = [box], [], 0
    while waiting:
        cell = waiting.pop()
        seen += 1
        v, w = curved.matrices(cell)
        if not _positive(v):
            open_, name = v, "the Hessian of V"
            hopeless = not definite(v.middle)
        else:
            hulls.append(v)
            if curved.above(cell) or _positive(w):
                continue
            open_, name = w, curved.name
            hopeless = not (definite(w.middle) or curved.above(_middle(cell)))
        axis = None if hopeless or seen + len(waiting) >= most else _widest(open_)
        if axis is None:
            shown = f"{[float(a) for a, _ in cell]} .. {[float(b) for _, b in cell]}"
            raise NotProved(f"{name} is not seen to be definite on the box around 0, "
                            f"at {shown}")  # fmt: skip
        (lo, hi), middle = cell[axis], sum(cell[axis]) / 2
        waiting += [[*cell[:axis], half, *cell[axis + 1 :]]
                    for half in ((lo, middle), (middle, hi))]  # fmt: skip
    size = range(loop.size)
    lo = [[min(v.lo[i][k] for v in hulls) for k in size] for i in size]
    hi = [[max(v.hi[i][k] for v in hulls) for k in size] for i in size]
    return reduced(lo, hi), seen


class _Curved:
    """A loop near 0. limit: c. weight: the Hessian of V at 0."""

    def __init__(self, loop: Loop, box: Box, limit: int):
        self.loop, self.limit, size = loop, limit, loop.size
        grades, origin = all_grades(size, 2), [NOTHING] * size
        self.weight = hessian(parts(loop.function, grades, origin, 3)[2][0])
        self.quadratic = _is_quadratic(loop, box)
        self.name = "P J + J^T P" if self.quadratic else "the Hessian of W"
        lo, hi = ([[exact(x[n]) for x in row] for row in self.weight] for n in (0, 1))
        still = [[Fraction(0)] * size] * size
        self.one = Family(lo, hi, lo, [still] * size)
        self.frame = identity(size)
        if self.quadratic:
            point: Box = [(Fraction(0), Fraction(0))] * size
            pull = pulls(loop, self.weight, self.frame, point)
            self.frame = _frame(negated(pull).middle)

    def matrices(self, cell: Box) -> tuple[Family, Family]:
        """What is to be positive definite, of V and of W."""
        if self.quadratic:
            return self.one, negated(pulls(self.loop, self.weight, self.frame, cell))
        v, w = curvatures(self.loop, cell)
        return v, negated(w)

    def above(self, cell: Box) -> bool:
        """Whether V > c on all of the cell, as a tangent tells."""
        point = self._lowest(cell)
        at = [fixed(x) for x in point]
        value, slopes = parts(self.loop.function, all_grades(self.loop.size, 1), at, 2)
        total = exact(value[0][0][0])
        for (low, high), x, (a, b) in zip(slopes[0], point, cell, strict=True):
            total += min(exact(g) * (e - x) for g in (low, high) for e in (a, b))
        return total > exact(self.limit)

    def _lowest(self, cell: Box) -> list[Fraction]:
        """About where x^T P x is least; any point of the cell would do."""
        P = [[float(exact(sum(x) // 2)) for x in row] for row in self.weight]
        ends = [(float(a), float(b)) for a, b in cell]
        x = [min(max(0.0, a), b) for a, b in ends]
        for k, (a, b) in itertools.chain(*[list(enumerate(ends))] * SWEEPS):
            pull = sum(c * y for c, y in zip(P[k], x, strict=True))
            if P[k][k] > 0:  # nothing was shown of V at 0 itself
                x[k] = min(max(x[k] - pull / P[k][k], a), b)
        return [min(max(Fraction(y), a), b) for y, (a, b) in zip(x, cell, strict=True)]


def _frame(matrix: Matrix) -> list[list[Fixed]]:
    """About L^-T for M = L L^T, in 24 bits; of no other M is anything asked."""
    size = len(matrix)
    rows = [[float(x) for x in row] for row in matrix]
    units = [[float(i == k) for k in range(size)] for i in range(size)]
    for k in range(size):  # L^-1, by elimination with roots of pivots
        if rows[k][k] <= 0:
            return identity(size)
        scale = rows[k][k] ** -0.5
        for i in range(k + 1, size):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
            units[i] = [a - factor * b for a, b in zip(units[i], units[k], strict=True)]
        units[k] = [scale * a for a in units[k]]
    turned = zip(*units, strict=True)
    return [[fixed(Fraction(round(x * 2**24), 2**24)) for x in row] for row in turned]


def _is_quadratic(loop: Loop, box: Box) -> bool:
    """Whether V's third derivatives are 0 on all of the box, exactly."""
    ranges, _, _ = spread(box)
    thirds = parts(loop.function, all_grades(loop.size, 3), ranges, 4)[3][0]
    return all(x == NOTHING for x in thirds)


def _positive(family: Family) -> bool:
    return definite(reduced(family.lo, family.hi))


def _middle(cell: Box) -> Box:
    return [(m, m) for m in ((a + b) / 2 for a, b in cell)]


def _widest(family: Family) -> int | None:
    """The coordinate that adds most to the widths, measured as `reduced` does; None if
    none adds anything."""
    size = range(len(family.middle))
    weight = [inverse_root(family.middle[i][i]) for i in size]
    adds = [
        sum(w[i][k] * weight[i] * weight[k] for i in size for k in size)
        for w in family.widths
    ]
    axis = max(size, key=adds.__getitem__)
    return axis if adds[axis] else None
