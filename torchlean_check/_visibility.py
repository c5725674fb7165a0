"""Triangles that every camera of a set has in view, and those that none has.

Cameras, meshes and lenses are those of `_cameras`. The view is a rectangle of the
picture. A triangle is inside if all of it is in front of the camera and seen in the
view; it is outside if all of it is at or behind the plane of the camera, or in front
and seen to one side of the view. Whether something else hides it is not asked.
"""

from torchlean_check._cameras import (
    Shape,
    View,
    read_camera,
    read_cells,
    read_shape,
    require_growing,
    views,
)
from torchlean_check._errors import NotProved
from torchlean_check._ranges import Range, read_ranges, told
from torchlean_check._schema import fail, fields
from torchlean_check._splines import rational

KINDS = ("inside", "outside")


def inside(view: View, window: list[Range]) -> bool:
    return view.at is not None and all(
        a <= lo and hi <= b for (lo, hi), (a, b) in zip(view.at, window, strict=True)
    )


def outside(view: View, window: list[Range]) -> bool:
    if view.at is None:
        return view.depth[1] <= 0
    return any(
        hi < a or b < lo for (lo, hi), (a, b) in zip(view.at, window, strict=True)
    )


def check_visibility(document: dict) -> str:
    """The claim of a document, in words; NotProved if a cell does not keep it."""
    names = ("quaternion", "translation", "focal", "center", "distortion")
    document = fields(
        document,
        "visibility",
        format=str,
        version=int,
        convention=str,
        field=str,
        splits=[int],
        pieces=int,
        inside=[int],
        outside=[int],
        **dict.fromkeys((*names, "mesh", "view")),
    )
    if document["version"] != 1:
        fail("version", "must be 1")
    camera, shape = read_camera(document), read_shape(document | {"box": None})
    field = rational(document["field"], "field")
    quaternion = read_ranges(document["quaternion"], "quaternion", 4)
    window = read_ranges(document["view"], "view", 2)
    named = document["inside"] + document["outside"]
    if not named or len(set(named)) < len(named):
        fail("inside", "some triangles, and none twice, are needed")
    if field < 0 or not all(0 <= k < len(shape.parts) for k in named):
        fail("inside", "a field of 0 or more, and numbers of triangles, are needed")
    shape = Shape(shape.points, [shape.parts[k] for k in named])
    splits, pieces = read_cells(document, shape)
    require_growing(camera["distortion"], field)
    for view in views(camera, quaternion, splits, shape, pieces):
        kept = inside if view.part < len(document["inside"]) else outside
        where = f"{kept.__name__}: triangle {named[view.part]}"
        if view.at is not None and view.field > field:
            raise NotProved(f"{told(view.field)} > {told(field)} at {where}", "field")
        if not kept(view, window):
            raise NotProved(f"not shown, by the cells given, of {where}", "view")
    u, v = (f"[{lo}, {hi}]" for lo, hi in window)
    total = len(document["mesh"]["triangles"])
    kept, left = (len(document[kind]) for kind in KINDS)
    return (
        f"Of the {total} triangles of the file every camera of the file "
        f"({camera['convention']} axes) has {kept} wholly in front and in view, {u} x "
        f"{v}, and none has any point of {left} others in view. Those in front lie in "
        f"x^2 + y^2 <= {field}, and there the radial part of every lens of the file "
        "increases. Assumed: nothing further."
    )
