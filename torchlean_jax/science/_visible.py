"""Which triangles of a mesh every camera of a set has in view, and which none has."""

from fractions import Fraction

from torchlean_check._cameras import View
from torchlean_check._lenses import turning
from torchlean_jax.science._camera import Cameras, Set, of, ranges, views_of
from torchlean_jax.science._mesh import Mesh


def visible(
    mesh: Mesh, cameras: Cameras, view: Set, *, splits: int = 16, pieces: int = 2
) -> tuple[str, ...]:
    """What is certain of each triangle, in their order. Exact; no certificate.

    view: the rectangle (lo, hi) of the picture that is kept. For every camera of the
    set: "inside": all of the triangle is in front of it and in the view; "outside":
    nothing of it is, since it is behind, or all to one side of the view. Else:
    "behind": a part may be at or behind a camera; "folded": a lens may fold it in;
    "undecided". Whether something else hides it is not asked.

    Raises InputError for inconsistent sets, UndecidedError if the quaternion may be 0.

    >>> still = Cameras(((1, 0, 0, 0),) * 2, ((0, 0, 4),) * 2, ((1, 1),) * 2)
    >>> corners = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (9, 0, 0), (9, 1, 0), (0, 0, -9)]
    >>> mesh = Mesh(corners, [(0, 1, 2), (3, 4, 3), (0, 1, 5), (0, 1, 3)])
    >>> visible(mesh, still, ((-1, -1), (1, 1)))
    ('inside', 'outside', 'behind', 'undecided')
    """
    view = ranges(view, "view", 2)
    seen, camera, _, _ = views_of(of(mesh), cameras, splits, pieces)
    field = max(v.field for v in seen)
    safe = turning(camera["distortion"], field)
    words = [set() for _ in mesh.triangles]
    for one in seen:
        words[one.part].add(_word(one, view, field if safe is None else safe))
    order = ("behind", "folded", "undecided")
    return tuple(
        next(iter(found))
        if len(found) == 1
        else next((word for word in order if word in found), "undecided")
        for found in words
    )


def _word(one: View, view, safe: Fraction) -> str:
    if one.at is None:
        return "outside" if one.depth[1] <= 0 else "behind"
    if one.field > safe:
        return "folded"
    axes = list(zip(one.at, *view, strict=True))
    if any(hi < a or lo > b for (lo, hi), a, b in axes):
        return "outside"
    inside = all(a <= lo and hi <= b for (lo, hi), a, b in axes)
    return "inside" if inside else "undecided"
