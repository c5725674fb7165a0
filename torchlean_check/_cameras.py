"""A box or a mesh in the picture of a camera whose parameters range over a set.

A camera turns a point p of the world into R p + t, R the rotation of the quaternion q
divided by |q|^2, so that q need not be of length 1 and everything stays rational. In
the convention "opencv" (x right, y down, z forward) the depth is the third coordinate;
in "opengl" (x right, y up, z backward) it is its negative, and the second changes sign
as well. A pinhole shows the point at (x, y) = (X / depth, Y / depth), a lens elsewhere
(`_lenses`), and the picture is focal * that + center.

For one camera the depth is linear in p, and X / depth, where the depth is positive, is
a quotient of linear functions, so both are extreme at corners of a convex hull: a box
is one of 8 points, a mesh many of 3. Only the camera needs intervals, in exact
arithmetic, cell by cell of its quaternion; and the lens, over the rectangle in which a
pinhole shows the hull.
"""

import itertools
import math
from fractions import Fraction
from typing import Any, NamedTuple

from torchlean_check._errors import NotProved
from torchlean_check._lenses import distorted, turning
from torchlean_check._ranges import (
    Range,
    add,
    cells,
    hull,
    outward,
    read_ranges,
    scale,
    square,
    times,
    told,
)
from torchlean_check._schema import fail, fields
from torchlean_check._splines import rational

CONVENTIONS = ("opencv", "opengl")
MAX_WORK = 400_000


class Shape(NamedTuple):
    """Convex hulls of points; a part lists the numbers of its own."""

    points: list
    parts: list[tuple[int, ...]]


class View(NamedTuple):
    """A part of a shape by the cameras of a cell.

    nearest: the point that may have the least depth. field: the most that x^2 + y^2 may
    be without the lens. at: ranges of both coordinates of the picture; None if the
    depth may be 0 or less.
    """

    part: int
    nearest: int
    depth: Range
    field: Fraction
    at: list[Range] | None


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


def project(camera: dict, q: list[Range], p) -> tuple[Range, list[Range] | None]:
    """(depth, [X / depth, Y / depth]) of a point for all cameras with q in a cell.

    None in place of the pair if the depth may be 0 or less. Raises NotProved if q may
    be 0, which is no rotation.
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
    return depth, [times(x, over) for x in moved[:2]]


def views(camera: dict, quaternion, splits, shape: Shape, pieces: int):
    """A View of each part of a shape by each cell of quaternions."""
    used = sorted({k for part in shape.parts for k in part})
    for q in cells(quaternion, splits):
        seen = {k: project(camera, q, shape.points[k]) for k in used}
        for number, part in enumerate(shape.parts):
            depth = hull(seen[k][0] for k in part)
            nearest = min(part, key=lambda k: seen[k][0][0])
            flat = [seen[k][1] for k in part]
            if None in flat:
                yield View(number, nearest, depth, Fraction(0), None)
                continue
            x, y = (hull(axis) for axis in zip(*flat, strict=True))  # type: ignore
            yield View(number, nearest, depth, *_through(camera, x, y, pieces))


def _through(camera, x, y, pieces):
    """(field, at) of what a pinhole shows in the rectangle x, y."""
    if any(map(any, camera["distortion"])):
        x, y = outward(x), outward(y)
        at = distorted(camera["distortion"], x, y, pieces)
    else:
        at = x, y
    triples = zip(camera["focal"], at, camera["center"], strict=True)
    field = square(x)[1] + square(y)[1]
    return field, [add(times(f, v), c) for f, v, c in triples]


def read_camera(document: dict) -> dict:
    sizes = {"translation": 3, "focal": 2, "center": 2, "distortion": 5}
    camera: dict[str, Any] = {
        name: read_ranges(document[name], name, n) for name, n in sizes.items()
    }
    camera["convention"] = document["convention"]
    if camera["convention"] not in CONVENTIONS:
        fail("convention", f"must be one of {', '.join(CONVENTIONS)}")
    if any(lo <= 0 for lo, _ in camera["focal"]):
        fail("focal", "must be positive")
    return camera


def read_shape(document: dict) -> Shape:
    if (document["box"] is None) == (document["mesh"] is None):
        fail("box", "there must be a box or a mesh, and not both")
    if document["mesh"] is None:
        return of_box(read_ranges(document["box"], "box", 3))
    triple = (str, str, str), (int, int, int)
    mesh = fields(document["mesh"], "mesh", vertices=[triple[0]], triangles=[triple[1]])
    points = [
        tuple(rational(text, f"mesh.vertices[{k}]") for text in vertex)
        for k, vertex in enumerate(mesh["vertices"])
    ]
    if not mesh["triangles"]:
        fail("mesh.triangles", "there must be one at least")
    for k, triangle in enumerate(mesh["triangles"]):
        if not all(0 <= v < len(points) for v in triangle):
            fail(f"mesh.triangles[{k}]", f"a vertex is not in 0 .. {len(points) - 1}")
    return Shape(points, mesh["triangles"])


def read_cells(document: dict, shape: Shape) -> tuple[list[int], int]:
    """(splits, pieces), if they are not too many for the shape."""
    splits, pieces = document["splits"], document["pieces"]
    if len(splits) != 4 or any(not 1 <= n <= MAX_WORK for n in (*splits, pieces)):
        fail("splits", f"four numbers, and pieces, in 1 .. {MAX_WORK}")
    if work(splits, pieces, shape) > MAX_WORK:
        fail("splits", f"cells times points and pieces are more than {MAX_WORK}")
    return splits, pieces


def require_growing(lens: list[Range], field: Fraction) -> None:
    """NotProved if a lens of the set shows points again within x^2 + y^2 <= field."""
    if (turn := turning(lens, field)) is not None:
        raise NotProved(f"a lens turns back at r^2 = {told(turn)}, within it", "field")


def of_box(box) -> Shape:
    return Shape(list(itertools.product(*box)), [tuple(range(8))])


def check_camera(document: dict) -> str:
    """The claim of a document, in words; NotProved if a cell does not keep it."""
    names = ("quaternion", "translation", "focal", "center", "distortion", "image")
    document = fields(
        document,
        "camera",
        ("box", "mesh"),
        format=str,
        version=int,
        convention=str,
        depth=str,
        field=str,
        splits=[int],
        pieces=int,
        **dict.fromkeys((*names, "box", "mesh")),
    )
    if document["version"] != 2:
        fail("version", "must be 2")
    camera, shape = read_camera(document), read_shape(document)
    least, field = (rational(document[k], k) for k in ("depth", "field"))
    if least <= 0 or field < 0:
        fail("depth", "a positive depth, and a field of 0 or more, are needed")
    quaternion = read_ranges(document["quaternion"], "quaternion", 4)
    image = read_ranges(document["image"], "image", 2)
    splits, pieces = read_cells(document, shape)
    require_growing(camera["distortion"], field)
    for view in views(camera, quaternion, splits, shape, pieces):
        _require(view, least, field, image)
    u, v = (f"[{lo}, {hi}]" for lo, hi in image)
    triangles = f"{len(shape.parts)} triangles" if document["mesh"] else "box"
    lens = ""
    if any(map(any, camera["distortion"])):
        lens = ", through every lens of the file, whose radial part increases so far"
    return (
        f"Every point of the {triangles} of the file has depth at least {least}, is "
        f"seen without distortion within x^2 + y^2 <= {field} of the axis, and lies in "
        f"{u} x {v} in the picture of every camera of the file "
        f"({camera['convention']} axes{lens}). Assumed: nothing further."
    )


def work(splits, pieces: int, shape: Shape) -> int:
    """How many points are projected and how many pieces are seen through a lens."""
    points = sum(map(len, shape.parts))
    return math.prod(splits) * (points + len(shape.parts) * pieces**2)


def _require(view: View, least, field, image):
    where = f"part {view.part}"
    if view.at is None or view.depth[0] < least:
        raise NotProved(
            f"depth {told(view.depth[0])} < {told(least)} at point {view.nearest}",
            "depth",
        )
    if view.field > field:
        raise NotProved(f"{told(view.field)} > {told(field)} at {where}", "field")
    for k, ((lo, hi), (a, b)) in enumerate(zip(view.at, image, strict=True)):
        if lo < a or hi > b:
            text = f"[{told(lo)}, {told(hi)}] leaves [{told(a)}, {told(b)}]"
            raise NotProved(f"{text} at {where}", "uv"[k])
