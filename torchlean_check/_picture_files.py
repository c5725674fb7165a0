"""Points in the picture of one camera (`torchlean.camera.box3d.v1` and `.v2`).

The camera is a matrix of 3 by 4 numbers, P; a point x appears at (P0 . [x, 1], P1 . [x,
1]) / P2 . [x, 1]. Where all depths P2 . [x, 1] are positive, a convex combination of
points appears at a convex combination of their pictures, so what holds of the points
holds of their hull.
"""

from torchlean_check._errors import NotProved
from torchlean_check._plain_json import number, numbers, take
from torchlean_check._schema import fail

MAX_POINTS = 100_000
V1, V2 = "torchlean.camera.box3d.v1", "torchlean.camera.box3d.v2"


def check_picture(document: dict) -> str:
    count = document.get("point_count", 8 if document["format"] == V1 else None)
    if type(count) is not int or not 1 <= count <= MAX_POINTS:
        fail("point_count", f"must be in 1 .. {MAX_POINTS}")
    if document["format"] == V1 and count != 8:
        fail("point_count", f"{V1} has 8 points")
    fields = take(document, "camera", **dict.fromkeys(
        ("image_width", "image_height", "tol", "camera_P", "corners3d", "bbox2d")
    ))  # fmt: skip
    size = [number(fields[k], k) for k in ("image_width", "image_height")]
    tolerance = number(fields["tol"], "tol")
    matrix = numbers(fields["camera_P"], "camera_P", 12)
    points = numbers(fields["corners3d"], "corners3d", 3 * count)
    box = numbers(fields["bbox2d"], "bbox2d", 4)
    if min(size) <= 0 or tolerance < 0:
        fail("image_width", "a positive size, and a tolerance of 0 or more, are needed")
    for k, name in enumerate(("u", "v")):
        lo, hi, most = box[k], box[k + 2], size[k]
        if not 0 <= lo <= hi <= most:
            raise NotProved(f"the box [{lo}, {hi}] is not within [0, {most}]", name)
    for k in range(count):
        point = [*points[3 * k : 3 * k + 3], 1]
        u, v, depth = (
            sum(a * x for a, x in zip(matrix[4 * r : 4 * r + 4], point, strict=True))
            for r in range(3)
        )
        if depth <= 0:
            raise NotProved(f"the depth of point {k} is {depth} <= 0", "corners3d")
        for axis, top in enumerate((u, v)):
            at, name = top / depth, "uv"[axis]
            if not 0 <= at <= size[axis]:
                raise NotProved(f"point {k} at {name} = {at} is not in the picture")
            if not box[axis] - tolerance <= at <= box[axis + 2] + tolerance:
                raise NotProved(
                    f"point {k} at {name} = {at} is not within {tolerance} of "
                    f"[{box[axis]}, {box[axis + 2]}]"
                )
    u, v = (f"[{float(box[k]):g}, {float(box[k + 2]):g}]" for k in (0, 1))
    return (
        f"Every point of the convex hull of the {count} points of the file has a "
        f"positive depth and is seen within {float(tolerance):g} of {u} x {v}, in a "
        f"picture of {float(size[0]):g} x {float(size[1]):g}. Assumed: nothing further."
    )
