"""Pictures of a box by every camera of a set, with an exact certificate.

The geometry is decided by `torchlean_check._cameras`; here an envelope is found: the
union over cells of the camera's rotation, in exact arithmetic, and from it a document.
"""

import itertools
import math
import operator
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torchlean_check
from torchlean_check._cameras import CONVENTIONS, cells, project
from torchlean_check._container import canonical_json
from torchlean_check._errors import NotProved
from torchlean_jax.domains._errors import InputError, UndecidedError
from torchlean_jax.science._spline import exact

Set = tuple[Sequence, Sequence]  # (lo, hi)


@dataclass(frozen=True)
class Cameras:
    """A set of cameras: each parameter between two corners.

    quaternion: (w, x, y, z), of any length but 0: world to camera. translation, focal,
    center: of the camera. convention: "opencv" (x right, y down, z forward) or "opengl"
    (x right, y up, z backward): the wrong one puts the object behind the camera.
    """

    quaternion: Set
    translation: Set
    focal: Set
    center: Set = ((0, 0), (0, 0))
    convention: str = "opencv"

    def __post_init__(self):
        if self.convention not in CONVENTIONS:
            raise InputError(f"a convention is one of {CONVENTIONS}")
        for name, size in (
            ("quaternion", 4), ("translation", 3), ("focal", 2), ("center", 2),
        ):  # fmt: skip
            object.__setattr__(self, name, _ranges(getattr(self, name), name, size))
        if min(self.focal[0]) <= 0:
            raise InputError("focal lengths must be positive")


@dataclass(frozen=True)
class Envelope:
    """Where every point of the box appears, for every camera.

    depth: the least. lo, hi: corners in the picture, exact. document: the certificate.
    """

    depth: Fraction
    lo: tuple[Fraction, ...]
    hi: tuple[Fraction, ...]
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


def envelope(box: Set, cameras: Cameras, *, splits: int = 16) -> Envelope:
    """The picture of a box, (lo, hi) of three coordinates, by every camera of a set.

    splits: cells along each coordinate of the quaternion that varies; more are tighter.

    Raises InputError for inconsistent sets, and UndecidedError, naming corner and
    depth, if a point of the box may be at or behind a camera, or the quaternion 0.

    >>> still = Cameras(((1, 0, 0, 0),) * 2, ((0, 0, 4),) * 2, ((1, 1),) * 2)
    >>> found = envelope(((-1, -1, -1), (1, 1, 1)), still)
    >>> round(float(found.depth), 6), round(float(found.hi[0]), 6)
    (3.0, 0.333333)
    """
    start = time.perf_counter()
    box = _ranges(box, "box", 3)
    quaternion = list(zip(*cameras.quaternion, strict=True))
    counts = [1 if lo == hi else splits for lo, hi in quaternion]
    names = ("translation", "focal", "center")
    plain: dict[str, Any] = {
        name: list(zip(*getattr(cameras, name), strict=True)) for name in names
    }
    plain["convention"] = cameras.convention
    depths, places = [], []
    for q in cells(quaternion, counts):
        for corner in itertools.product(*zip(*box, strict=True)):
            depth, at = _projected(plain, q, corner)
            depths.append(depth[0])
            places.append(at)
    lo = tuple(_short(min(p[k][0] for p in places), -1) for k in (0, 1))
    hi = tuple(_short(max(p[k][1] for p in places), 1) for k in (0, 1))
    least = _short(min(depths), -1)
    least = least if least > 0 else min(depths)
    sets = {name: _text(getattr(cameras, name)) for name in ("quaternion", *names)}
    document = canonical_json(
        sets
        | {
            "format": "torchlean-camera",
            "version": 1,
            "convention": cameras.convention,
            "box": _text(box),
            "image": _text((lo, hi)),
            "depth": str(least),
            "splits": counts,
        }
    )
    try:
        report = torchlean_check.check(document)
    except torchlean_check.CertificateError as error:
        raise InputError(f"the claim cannot be stated: {error}") from error
    assert report.accepted, report.reason
    seconds = time.perf_counter() - start
    return Envelope(least, lo, hi, report.claim, document, seconds)


def _projected(camera, q, corner):
    try:
        depth, at = project(camera, q, corner)
    except NotProved as error:
        raise UndecidedError(error.message) from error
    if at is None:
        shown = [float(c) for c in corner]
        raise UndecidedError(
            f"the corner {shown} may have depth {float(depth[0]):.6g}: at or behind a "
            f"camera, in the convention {camera['convention']!r}; choose the other, "
            "narrow the set, or take more splits"
        )
    return depth, at


def _ranges(pair, name, size):
    try:
        lo, hi = ([exact(v) for v in end] for end in pair)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is (lo, hi), each of {size} numbers") from error
    if not len(lo) == len(hi) == size or any(map(operator.gt, lo, hi)):
        raise InputError(f"{name} is (lo, hi), each of {size} numbers, with lo <= hi")
    return tuple(lo), tuple(hi)


def _text(pair):
    return {k: [str(v) for v in end] for k, end in zip(("lo", "hi"), pair, strict=True)}


def _short(x: Fraction, sign: int) -> Fraction:
    """A multiple of 2^-24 beyond x: shorter to write."""
    scaled = x * 2**24
    whole = scaled.numerator // scaled.denominator
    return Fraction(whole if sign < 0 or whole == scaled else whole + 1, 2**24)
