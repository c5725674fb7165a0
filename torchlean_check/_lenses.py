"""The distortion of a lens by Brown and Conrady, as OpenCV writes it.

What a pinhole would show at (x, y) = (X / depth, Y / depth) appears, with r^2 = x^2 +
y^2 and the coefficients in OpenCV's order, (k1, k2, p1, p2, k3), at

    x (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p1 x y + p2 (r^2 + 2 x^2)
    y (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p2 x y + p1 (r^2 + 2 y^2).

The second is the first with x and y, and p1 and p2, exchanged.

Source: D. C. Brown, Decentering distortion of lenses, Photogrammetric Engineering 32,
1966; OpenCV, module calib3d, "Detailed description".
"""

from fractions import Fraction

from torchlean_check._polynomials import negative_somewhere
from torchlean_check._ranges import Range, add, cells, hull, scale, square, times

COEFFICIENTS = ("k1", "k2", "p1", "p2", "k3")
ONE = Fraction(1), Fraction(1)


def distorted(lens: list[Range], x: Range, y: Range, pieces: int) -> list[Range]:
    """Where all of the rectangle x, y appears through all lenses of the set.

    pieces: the rectangle is cut into so many along x and along y; more are tighter.
    """
    k1, k2, p1, p2, k3 = lens
    radial = k1, k2, k3
    found = [
        (_along(a, b, radial, p1, p2), _along(b, a, radial, p2, p1))
        for a, b in cells([x, y], [pieces, pieces])
    ]
    return [hull(axis) for axis in zip(*found, strict=True)]


def turning(lens: list[Range], field: Fraction) -> Fraction | None:
    """Whether r (1 + k1 r^2 + k2 r^4 + k3 r^6) increases up to r^2 = field.

    None if it does for every lens of the set. Else how far it does, as r^2, to one part
    in 2^24 of field: beyond, a lens shows points again that are farther out.
    """
    low = [lo for lo, _ in lens]
    # of r^2; a derivative that only touches 0 leaves the function increasing
    slope = [Fraction(1), 3 * low[0], 5 * low[1], 7 * low[4]]
    below, beyond = Fraction(0), field
    if negative_somewhere(slope, below, beyond) is None:
        return None
    for _ in range(24):
        middle = (below + beyond) / 2
        if negative_somewhere(slope, Fraction(0), middle) is None:
            below = middle
        else:
            beyond = middle
    return below


def _along(x, y, radial, p, q):
    """The first of the two functions; where it is monotone, from ends alone."""
    slopes = _slopes(x, y, radial, p, q)
    low, high = (
        _value(_extreme(x, slopes[0], end), _extreme(y, slopes[1], end), radial, p, q)
        for end in (0, 1)
    )
    return low[0], high[1]


def _extreme(x: Range, slope: Range, end: int) -> Range:
    """The part of x where a function of that slope is least (end 0) or greatest (1)."""
    if slope[0] >= 0:
        return x[end], x[end]
    if slope[1] <= 0:
        return x[1 - end], x[1 - end]
    return x


def _value(x, y, radial, p, q):
    xx, yy = square(x), square(y)
    powers = _powers(add(xx, yy))
    grown = add(ONE, *map(times, radial, powers[1:]))
    bent = times(q, add(scale(xx, 3), yy))
    return add(times(x, grown), scale(times(p, times(x, y)), 2), bent)


def _slopes(x, y, radial, p, q):
    """Ranges of the derivatives by x and by y: r^2n has 2 n r^(2n-2) x and so on."""
    xx, yy = square(x), square(y)
    s = add(xx, yy)
    terms = list(zip(radial, _powers(s), (1, 2, 3), strict=False))
    own = [times(c, times(r, add(s, scale(xx, 2 * n)))) for c, r, n in terms]
    other = add(*(scale(times(c, r), n) for c, r, n in terms))
    return (
        add(ONE, *own, scale(times(p, y), 2), scale(times(q, x), 6)),
        scale(add(times(times(x, y), other), times(p, x), times(q, y)), 2),
    )


def _powers(s: Range) -> list[Range]:
    return [(s[0] ** n, s[1] ** n) for n in range(4)]  # s >= 0
