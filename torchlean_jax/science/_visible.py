"""Which triangles of a mesh every camera of a set has in view, and which none has."""

from dataclasses import dataclass
from fractions import Fraction

from torchlean_check._cameras import View
from torchlean_check._container import canonical_json
from torchlean_check._lenses import turning
from torchlean_check._visibility import KINDS, inside, outside
from torchlean_jax.science._camera import (
    Cameras,
    Set,
    claim_of,
    of,
    ranges,
    sets_of,
    short,
    text_of,
    views_of,
)
from torchlean_jax.science._mesh import Mesh


@dataclass(frozen=True)
class Visibility:
    """words: what is certain of each triangle, in the order of the mesh.

    claim, document: the certificate of those inside and outside; None if there is none.
    """

    words: tuple[str, ...]
    claim: str | None
    document: bytes | None


def visible(
    mesh: Mesh, cameras: Cameras, view: Set, *, splits: int = 16, pieces: int = 1
) -> Visibility:
    """What is certain of each triangle of a mesh, for every camera of a set.

    view: the rectangle (lo, hi) of the picture that is kept. For every camera,
    "inside": all of the triangle is in front of it and in the view; "outside": nothing
    of it is, since it is behind, or all to one side of the view. Else: "behind": a part
    may be at or behind a camera; "folded": a lens may fold it in; "undecided". Whether
    something else hides it is not asked. splits, pieces: as of `envelope`.

    Raises InputError for inconsistent sets, UndecidedError if the quaternion may be 0.

    >>> still = Cameras(((1, 0, 0, 0),) * 2, ((0, 0, 4),) * 2, ((1, 1),) * 2)
    >>> corners = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (9, 0, 0), (9, 1, 0), (0, 0, -9)]
    >>> mesh = Mesh(corners, [(0, 1, 2), (3, 4, 3), (0, 1, 5), (0, 1, 3)])
    >>> visible(mesh, still, ((-1, -1), (1, 1))).words
    ('inside', 'outside', 'behind', 'undecided')
    """
    view = ranges(view, "view", 2)
    seen, camera, counts, pieces = views_of(of(mesh), cameras, splits, pieces)
    field = max(v.field for v in seen)
    turn = turning(camera["distortion"], field)
    safe = field if turn is None else turn
    found: list[set[str]] = [set() for _ in mesh.triangles]
    for one in seen:
        found[one.part].add(_word(one, view, safe))
    words = tuple(map(_joined, found))
    numbers = {
        word: [k for k, said in enumerate(words) if said == word] for word in KINDS
    }
    if not any(numbers.values()):
        return Visibility(words, None, None)
    named = {k for some in numbers.values() for k in some}
    farthest = max(v.field for v in seen if v.part in named)
    shorter = short(farthest, 1)
    if turning(camera["distortion"], shorter) is None:
        farthest = shorter
    document = canonical_json(
        sets_of(cameras)
        | numbers
        | {
            "format": "torchlean-visibility",
            "version": 1,
            "mesh": mesh.document(),
            "view": text_of(view),
            "field": str(farthest),
            "splits": counts,
            "pieces": pieces,
        }
    )
    return Visibility(words, claim_of(document), document)


def _word(one: View, view, safe: Fraction) -> str:
    window = list(zip(*view, strict=True))
    if one.field > safe:
        return "folded"
    if outside(one, window):
        return "outside"
    if one.at is None:
        return "behind"
    return "inside" if inside(one, window) else "undecided"


def _joined(words: set[str]) -> str:
    """What holds in all cells, of what holds in each."""
    if len(words) == 1:
        return next(iter(words))
    order = ("behind", "folded", "undecided")
    return next((word for word in order if word in words), "undecided")
