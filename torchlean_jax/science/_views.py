"""Examples of what is in view: triangles of a sphere or a mesh, by cameras of a set."""

import dataclasses
import math
import time
from collections import Counter

import numpy as np

from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.science._camera import Cameras, Set, ranges
from torchlean_jax.science._mesh import Mesh
from torchlean_jax.science._outcome import Outcome
from torchlean_jax.science._pictures import CAMERAS, pictured, sampled
from torchlean_jax.science._visible import visible

# a quarter to each side, which the sphere about fills
VIEW: Set = (("-1/4", "-1/4"), ("1/4", "1/4"))
_CELLS, _POINTS = 8, 400  # points for each triangle
_COLORS = {
    "inside": "#0072B2",
    "outside": "#E69F00",
    "undecided": "#CCCCCC",
    "behind": "#CC79A7",
    "folded": "#D55E00",
}


def sphere(rings: int = 5, sides: int = 12) -> Mesh:
    """The sphere of radius 1 around 0, in triangles whose corners are on it but for
    rounding."""
    corners = [(0.0, -1.0, 0.0), (0.0, 1.0, 0.0)]
    for k in range(1, rings + 1):
        height = -math.cos(math.pi * k / (rings + 1))
        radius = math.sqrt(1 - height**2)
        angles = (2 * math.pi * i / sides for i in range(sides))
        circle = ((math.cos(a), math.sin(a)) for a in angles)
        corners += [(radius * c, height, radius * s) for c, s in circle]
    at = lambda ring, i: 2 + ring * sides + i % sides  # noqa: E731
    triangles = []
    for i in range(sides):
        triangles += [(0, at(0, i), at(0, i + 1))]
        triangles += [(1, at(rings - 1, i), at(rings - 1, i + 1))]
        for ring in range(rings - 1):
            a, b = at(ring, i), at(ring + 1, i + 1)
            triangles += [(a, at(ring, i + 1), b), (a, at(ring + 1, i), b)]
    return Mesh(corners, triangles)


def seen(
    name: str,
    *,
    distortion: Set | None = None,
    mesh: str | None = None,
    view: Set | None = None,
) -> Outcome:
    """What is in view of the cameras of that name, of a sphere or of a file's mesh."""
    cameras, start = CAMERAS[name], time.perf_counter()
    if distortion is not None:
        cameras = dataclasses.replace(cameras, distortion=distortion)
    shape = sphere() if mesh is None else Mesh.read(mesh)
    window = ranges(VIEW if view is None else view, "view", 2)
    found = visible(shape, cameras, window, splits=_CELLS)
    count = Counter(found.words)
    certain = count["inside"] + count["outside"]
    return Outcome(
        claim=found.claim or "not decided, of any triangle, whether it is in view",
        status="proved" if found.document is not None else "unknown",
        certified=float(certain),
        sampled=float(_of_one_kind(shape, cameras, window)),
        seconds=time.perf_counter() - start,
        figures={"triangles": len(found.words)}
        | {f"triangles {word}": count[word] for word in _COLORS if count[word]},
        draw=lambda axes: _draw(axes, shape, cameras, window, found.words),
        certificate=lambda: _document(found),
    )


def _document(found) -> bytes:
    if found.document is None:
        raise CertificateWriteError("no certificate: no triangle is decided")
    return found.document


def _of_one_kind(mesh: Mesh, cameras: Cameras, view: Set) -> int:
    """Triangles whose points, at random cameras, are all in view or all out of it:
    nobody can decide more of them."""
    total = len(mesh.triangles)
    part, depth, at = sampled(mesh, cameras, _POINTS * total)
    lo, hi = (np.array([float(x) for x in end]) for end in view)
    inside = (depth > 0) & ((lo <= at) & (at <= hi)).all(1)
    met = np.bincount(part, minlength=total)
    within = np.bincount(part, inside, minlength=total)
    return int(((within == 0) | (within == met)).sum())


def _draw(axes, mesh: Mesh, cameras: Cameras, view: Set, words) -> None:
    """By the camera in the middle of the set."""
    names = ("quaternion", "translation", "focal", "center", "distortion")
    sets = (np.array(getattr(cameras, name), float) for name in names)
    corners = np.array(mesh.vertices, float)
    depth, at = pictured(corners, *(ends.mean(0, keepdims=True) for ends in sets))
    named = set()
    for triangle, word in zip(mesh.triangles, words, strict=True):
        rows = list(triangle)
        if depth[rows].min() <= 0:
            continue
        label = word if word not in named else None
        named.add(word)
        axes.fill(*at[rows].T, facecolor=_COLORS[word], edgecolor="white", alpha=0.5,
                  linewidth=0.5, label=label)  # fmt: skip
    (a, b), (c, d) = ([float(v) for v in end] for end in view)
    axes.plot([a, c, c, a, a], [b, b, d, d, b], color="black", label="view")
    axes.set(xlabel="u", ylabel="v", aspect="equal")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
