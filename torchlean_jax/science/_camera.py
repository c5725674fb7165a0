"""Pictures of a box or a mesh by every camera of a set, with an exact certificate.

The geometry is decided by `torchlean_check._cameras`; here an envelope is found: the
union over cells of the camera's rotation, in exact arithmetic, and from it a document.
"""

import math
import operator
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torchlean_check
from torchlean_check._cameras import (
    CONVENTIONS,
    MAX_WORK,
    Shape,
    View,
    of_box,
    views,
    work,
)
from torchlean_check._container import canonical_json
from torchlean_check._errors import NotProved
from torchlean_check._lenses import turning
from torchlean_check._ranges import told
from torchlean_jax.domains._errors import InputError, UndecidedError
from torchlean_jax.science._mesh import Mesh
from torchlean_jax.science._spline import exact

SIZES = {"quaternion": 4, "translation": 3, "focal": 2, "center": 2, "distortion": 5}
Set = tuple[Sequence, Sequence]  # (lo, hi)


@dataclass(frozen=True)
class Cameras:
    """A set of cameras: each parameter between two corners.

    quaternion: (w, x, y, z), of any length but 0: world to camera. translation, focal,
    center: of the camera. convention: "opencv" (x right, y down, z forward) or "opengl"
    (x right, y up, z backward): the wrong one puts the object behind the camera.
    distortion: (k1, k2, p1, p2, k3) of the lens, in OpenCV's order and meaning
    (`torchlean_check._lenses` has the formula and its source); none by default.
    """

    quaternion: Set
    translation: Set
    focal: Set
    center: Set = ((0, 0), (0, 0))
    convention: str = "opencv"
    distortion: Set = ((0,) * 5, (0,) * 5)

    def __post_init__(self):
        if self.convention not in CONVENTIONS:
            raise InputError(f"a convention is one of {CONVENTIONS}")
        for name, size in SIZES.items():
            object.__setattr__(self, name, ranges(getattr(self, name), name, size))
        if min(self.focal[0]) <= 0:
            raise InputError("focal lengths must be positive")


class FoldError(UndecidedError):
    """A lens that may show points at a place where nearer ones are seen already.

    radius: up to which r (1 + k1 r^2 + k2 r^4 + k3 r^6) increases for every lens of the
    set, r being what a pinhole shows. What is farther out is folded in.
    """

    radius: float = 0.0


@dataclass(frozen=True)
class Envelope:
    """Where every point of a box or a mesh appears, for every camera.

    depth: the least. lo, hi: corners in the picture. field: the most of (X^2 + Y^2) /
    depth^2, the squared tangent of the angle to the axis. All exact. document: the
    certificate.
    """

    depth: Fraction
    lo: tuple[Fraction, ...]
    hi: tuple[Fraction, ...]
    field: Fraction
    claim: str
    document: bytes
    seconds: float

    def save(self, path) -> None:
        with open(path, "wb") as stream:
            stream.write(self.document)


def turn(axis: Sequence, lo: float, hi: float) -> Set:
    """Quaternions of rotations about an axis by every angle in [lo, hi], in radians.

    (1, s axis / |axis|) with s = tan(angle / 2), rounded outward; the angles must lie
    within (-pi, pi). The axis is taken as one of the coordinate axes, exactly.
    """
    axis = [exact(a) for a in axis]
    if sorted(map(abs, axis)) != [0, 0, 1] or not -math.pi < lo <= hi < math.pi:
        raise InputError("an axis like (0, -1, 0), and -pi < lo <= hi < pi, are needed")
    # tan of a double is off by an ulp or two, and its argument by half of one
    ends = []
    for angle, sign in ((lo, -1), (hi, 1)):
        s = Fraction(math.tan(angle / 2))
        ends.append(s + sign * (abs(s) + 1 + s * s) * Fraction(1, 2**48))
    pairs = [sorted(a * s for s in ends) for a in axis]
    return (1, *(p[0] for p in pairs)), (1, *(p[1] for p in pairs))


def envelope(
    shape: Set | Mesh,
    cameras: Cameras,
    *,
    splits: int = 16,
    pieces: int | None = None,
) -> Envelope:
    """The picture of a box, (lo, hi) of three coordinates, or a mesh, by all of a set.

    splits: cells along each coordinate of the quaternion that varies. pieces: parts,
    along both axes, of what a lens with distortion shows of the box (2 by default) or
    of each triangle (1). More of both are tighter, and take longer.

    Raises InputError for inconsistent sets, FoldError where a lens may fold, and
    UndecidedError, naming corner and depth, if a point of the shape may be at or behind
    a camera, or the quaternion 0.

    >>> still = Cameras(((1, 0, 0, 0),) * 2, ((0, 0, 4),) * 2, ((1, 1),) * 2)
    >>> found = envelope(((-1, -1, -1), (1, 1, 1)), still)
    >>> round(float(found.depth), 6), round(float(found.hi[0]), 6)
    (3.0, 0.333333)
    """
    start = time.perf_counter()
    if pieces is None:
        pieces = 1 if isinstance(shape, Mesh) else 2
    seen, camera, counts, pieces = views_of(of(shape), cameras, splits, pieces)
    for view in seen:
        if view.at is None:
            raise UndecidedError(_behind(view, of(shape), cameras))
    field = short(max(v.field for v in seen), 1)
    if (turn := turning(camera["distortion"], field)) is not None:
        raise _fold(turn, field)
    at: Any = [v.at for v in seen]
    lo = tuple(short(min(p[k][0] for p in at), -1) for k in (0, 1))
    hi = tuple(short(max(p[k][1] for p in at), 1) for k in (0, 1))
    least = min(v.depth[0] for v in seen)
    least = short(least, -1) if short(least, -1) > 0 else least
    what = (
        {"mesh": shape.document()}
        if isinstance(shape, Mesh)
        else {"box": text_of(ranges(shape, "box", 3))}
    )
    document = canonical_json(
        sets_of(cameras)
        | what
        | {
            "format": "torchlean-camera",
            "version": 2,
            "image": text_of((lo, hi)),
            "depth": str(least),
            "field": str(field),
            "splits": counts,
            "pieces": pieces,
        }
    )
    claim = claim_of(document)
    seconds = time.perf_counter() - start
    return Envelope(least, lo, hi, field, claim, document, seconds)


def of(shape: Set | Mesh) -> Shape:
    """A box or a mesh as the checker sees it."""
    if isinstance(shape, Mesh):
        return Shape(list(shape.vertices), list(shape.triangles))
    return of_box(list(zip(*ranges(shape, "box", 3), strict=True)))


def views_of(shape: Shape, cameras: Cameras, splits: int, pieces: int):
    """(views, camera, counts, pieces): each part by each cell, and what it took."""
    quaternion = list(zip(*cameras.quaternion, strict=True))
    counts = [1 if lo == hi else splits for lo, hi in quaternion]
    camera: dict[str, Any] = {
        name: list(zip(*getattr(cameras, name), strict=True)) for name in SIZES
    }
    camera["convention"] = cameras.convention
    pieces = pieces if any(map(any, camera["distortion"])) else 1
    if not (min(*counts, pieces) >= 1 and work(counts, pieces, shape) <= MAX_WORK):
        raise InputError(
            f"splits {splits} and pieces {pieces} must be 1 or more, and cells times "
            f"(points + pieces^2) at most {MAX_WORK}: it is "
            f"{work(counts, pieces, shape)}"
        )
    try:
        return (
            list(views(camera, quaternion, counts, shape, pieces)),
            camera,
            counts,
            pieces,
        )
    except NotProved as error:
        raise UndecidedError(error.message) from error


def _behind(view: View, shape: Shape, cameras: Cameras) -> str:
    shown = [float(c) for c in shape.points[view.nearest]]
    return (
        f"the corner {shown} may have depth {told(view.depth[0])}: at or behind a "
        f"camera, in the convention {cameras.convention!r}; choose the other, narrow "
        "the set, or take more splits"
    )


def _fold(turn: Fraction, field: Fraction) -> FoldError:
    error = FoldError(
        f"a lens of the set folds at radius {math.sqrt(turn):.6g}: from there on its "
        "radial polynomial decreases, and points farther out are shown nearer again. "
        f"The object may reach radius {math.sqrt(field):.6g}; narrow the set, take "
        "more splits, or use a lens that was calibrated so far out"
    )
    error.radius = math.sqrt(turn)
    return error


def ranges(pair, name: str, size: int):
    """(lo, hi), exact; InputError unless each has so many numbers and lo <= hi."""
    try:
        lo, hi = ([exact(v) for v in end] for end in pair)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is (lo, hi), each of {size} numbers") from error
    if not len(lo) == len(hi) == size or any(map(operator.gt, lo, hi)):
        raise InputError(f"{name} is (lo, hi), each of {size} numbers, with lo <= hi")
    return tuple(lo), tuple(hi)


def sets_of(cameras: Cameras) -> dict:
    """The cameras as certificates hold them."""
    sets = {name: text_of(getattr(cameras, name)) for name in SIZES}
    return sets | {"convention": cameras.convention}


def text_of(pair) -> dict:
    """(lo, hi) as certificates hold it."""
    return {k: [str(v) for v in end] for k, end in zip(("lo", "hi"), pair, strict=True)}


def short(x: Fraction, sign: int) -> Fraction:
    """A multiple of 2^-24 beyond x: shorter to write."""
    scaled = x * 2**24
    whole = scaled.numerator // scaled.denominator
    return Fraction(whole if sign < 0 or whole == scaled else whole + 1, 2**24)


def claim_of(document: bytes) -> str:
    """What the checker says of a document that was derived in exact arithmetic; it is
    InputError if the claim cannot be stated."""
    try:
        report = torchlean_check.check(document)
    except torchlean_check.CertificateError as error:
        raise InputError(f"the claim cannot be stated: {error}") from error
    assert report.accepted, report.reason
    return report.claim
