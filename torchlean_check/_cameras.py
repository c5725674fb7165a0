"""A box of points in the picture of a camera whose parameters range over a set.

A camera turns a point p of the world into R p + t, R the rotation of the quaternion q
divided by |q|^2, so that q need not be of length 1 and everything stays rational. In
the convention "opencv" (x right, y down, z forward) the depth is the third coordinate;
in "opengl" (x right, y up, z backward) it is its negative, and the second changes sign
as well. The picture is focal * (X / depth, Y / depth) + center.

For one camera the depth is linear in p, and X / depth, where the depth is positive, is
a quotient of linear functions, so both are extreme at corners of the box. Only the
camera needs intervals, in exact arithmetic, cell by cell of its quaternion.
"""

import itertools
from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._schema import fail, fields
from torchlean_check._splines import rational

CONVENTIONS = ("opencv", "opengl")
MAX_CELLS = 20_000
Range = tuple[Fraction, Fraction]


def add(*xs: Range) -> Range:
    return sum(x[0] for x in xs), sum(x[1] for x in xs)  # type: ignore[return-value]


def scale(x: Range, c: Fraction | int) -> Range:
    return (x[0] * c, x[1] * c) if c >= 0 else (x[1] * c, x[0] * c)


def times(x: Range, y: Range) -> Range:
    ends = [a * b for a in x for b in y]
    return min(ends), max(ends)


def square(x: Range) -> Range:
    low, high = sorted((x[0] ** 2, x[1] ** 2))
    return (Fraction(0) if x[0] < 0 < x[1] else low), high


def read_ranges(entry, where: str, count: int) -> list[Range]:
    entry = fields(entry, where, lo=[str], hi=[str])
    if not len(entry["lo"]) == len(entry["hi"]) == count:
        fail(where, f"lo and hi need {count} numbers each")
    pairs = []
    for k, both in enumerate(zip(entry["lo"], entry["hi"], strict=True)):
        lo, hi = (rational(text, f"{where}[{k}]") for text in both)
        if lo > hi:
            fail(f"{where}[{k}]", "lo > hi")
        pairs.append((lo, hi))
    return pairs


def turned(q: list[Range], p) -> tuple[list[Range], Range]:
    """|q|^2 R p, coordinate by coordinate, and |q|^2."""
    ww, xx, yy, zz = map(square, q)
    pairs = {(i, j): times(q[i], q[j]) for i, j in itertools.combinations(range(4), 2)}

    def cross(i, j, k, m, sign):
        return scale(add(pairs[i, j], scale(pairs[k, m], sign)), 2)

    rows = [
        [_diagonal(ww, xx, yy, zz), cross(1, 2, 0, 3, -1), cross(1, 3, 0, 2, 1)],
        [cross(1, 2, 0, 3, 1), _diagonal(ww, yy, xx, zz), cross(2, 3, 0, 1, -1)],
        [cross(1, 3, 0, 2, -1), cross(2, 3, 0, 1, 1), _diagonal(ww, zz, xx, yy)],
    ]
    found = [add(*(scale(r, c) for r, c in zip(row, p, strict=True))) for row in rows]
    return found, add(ww, xx, yy, zz)


def _diagonal(a, b, c, d):
    return add(a, b, scale(c, -1), scale(d, -1))


def project(camera: dict, q: list[Range], p):
    """(depth, [u, v]) of a point for all cameras with quaternions in the cell q.

    None in place of [u, v] if the depth may be 0 or less. Raises NotProved if q may be
    0, which is no rotation.
    """
    numerators, length = turned(q, p)
    if length[0] <= 0:
        raise NotProved("the quaternion may be 0, which is no rotation")
    moved = [
        add(n, times(t, length))
        for n, t in zip(numerators, camera["translation"], strict=True)
    ]
    if camera["convention"] == "opengl":
        moved = [moved[0], scale(moved[1], -1), scale(moved[2], -1)]
    inverse = 1 / length[1], 1 / length[0]
    depth = times(moved[2], inverse)
    if moved[2][0] <= 0:
        return depth, None
    over = 1 / moved[2][1], 1 / moved[2][0]
    flat = [times(x, over) for x in moved[:2]]
    pairs = zip(camera["focal"], flat, camera["center"], strict=True)
    return depth, [add(times(f, x), c) for f, x, c in pairs]


def cells(ranges: list[Range], counts: list[int]):
    """Boxes of equal parts along each range."""
    parts = []
    for (lo, hi), n in zip(ranges, counts, strict=True):
        cuts = [lo + (hi - lo) * Fraction(k, n) for k in range(n + 1)]
        parts.append(list(itertools.pairwise(cuts)))
    return map(list, itertools.product(*parts))


def read_camera(document: dict) -> dict:
    camera = {
        "translation": read_ranges(document["translation"], "translation", 3),
        "focal": read_ranges(document["focal"], "focal", 2),
        "center": read_ranges(document["center"], "center", 2),
        "convention": document["convention"],
    }
    if camera["convention"] not in CONVENTIONS:
        fail("convention", f"must be one of {', '.join(CONVENTIONS)}")
    if any(lo <= 0 for lo, _ in camera["focal"]):
        fail("focal", "must be positive")
    return camera


def check_camera(document: dict) -> str:
    """The claim of a document, in words; NotProved if a cell does not keep it."""
    names = ("box", "quaternion", "translation", "focal", "center", "image")
    document = fields(
        document,
        "camera",
        format=str,
        version=int,
        convention=str,
        depth=str,
        splits=[int],
        **dict.fromkeys(names),
    )
    if document["version"] != 1:
        fail("version", "must be 1")
    camera, least = read_camera(document), rational(document["depth"], "depth")
    box = read_ranges(document["box"], "box", 3)
    quaternion = read_ranges(document["quaternion"], "quaternion", 4)
    image = read_ranges(document["image"], "image", 2)
    splits, total = document["splits"], 1
    if len(splits) != 4 or any(not 1 <= n <= MAX_CELLS for n in splits):
        fail("splits", f"four numbers in 1 .. {MAX_CELLS}")
    for n in splits:
        total *= n
    if total > MAX_CELLS or least <= 0:
        fail("splits", f"at most {MAX_CELLS} cells, and a positive depth")
    for q in cells(quaternion, splits):
        for corner in itertools.product(*box):
            depth, at = project(camera, q, corner)
            where = f"corner {[str(c) for c in corner]}"
            if at is None or depth[0] < least:
                raise NotProved(f"depth {depth[0]} < {least} at {where}", "depth")
            for k, ((lo, hi), (a, b)) in enumerate(zip(at, image, strict=True)):
                if lo < a or hi > b:
                    raise NotProved(
                        f"[{lo}, {hi}] leaves [{a}, {b}] at {where}", "uv"[k]
                    )
    u, v = (f"[{lo}, {hi}]" for lo, hi in image)
    return (
        f"Every point of the box of the file has depth at least {least} and lies in "
        f"{u} x {v} in the picture of every camera of the file ({camera['convention']} "
        "axes). Assumed: nothing further."
    )
