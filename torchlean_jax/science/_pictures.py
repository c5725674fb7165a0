"""Examples of cameras: where a cube or a mesh appears in their pictures."""

import dataclasses
import math
import time

import numpy as np

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.science._camera import Cameras, Set, envelope, of, turn
from torchlean_jax.science._mesh import Mesh
from torchlean_jax.science._outcome import Outcome

_CUBE = (-1, -1, -1), (1, 1, 1)
_ONE = (1, 1), (1, 1)
CAMERAS = {
    "pan": Cameras(turn((0, 1, 0), -0.25, 0.25), ((0, 0, 4), (0, 0, 4)), _ONE),
    "handheld": Cameras(
        turn((0, 0, 1), -0.125, 0.125),
        ((-0.125, -0.125, 4), (0.125, 0.125, 4.5)),
        ((1, 1), (1.0625, 1.0625)),
    ),
}


def picture(
    name: str, *, distortion: Set | None = None, mesh: str | None = None
) -> Outcome:
    """The cameras of that name, through a lens, and a file's mesh for the cube."""
    cameras, start = CAMERAS[name], time.perf_counter()
    if distortion is not None:
        cameras = dataclasses.replace(cameras, distortion=distortion)
    shape = _CUBE if mesh is None else Mesh.read(mesh)
    try:
        found = envelope(shape, cameras)
    except UndecidedError as error:
        said, seconds = f"not decided: {error}", time.perf_counter() - start
        return Outcome(said, "unknown", math.nan, math.nan, seconds, {}, _draw_nothing)
    width, height = (float(b - a) for a, b in zip(found.lo, found.hi, strict=True))
    met = _pictured(shape, cameras)
    at_points = np.ptp(met, axis=0)
    angle = math.degrees(math.atan(math.sqrt(found.field)))
    return Outcome(
        claim=found.claim,
        status="proved",
        certified=width * height,
        sampled=float(at_points.prod()),
        seconds=found.seconds,
        figures={
            "least depth": float(found.depth),
            "width": width,
            "width, at points": float(at_points[0]),
            "height": height,
            "height, at points": float(at_points[1]),
            "largest angle to the axis, in degrees": angle,
        },
        draw=lambda axes: _draw_picture(axes, found, met),
        certificate=lambda: found.document,
    )


def _pictured(shape, cameras: Cameras, count=4000) -> np.ndarray:
    """Where points of a shape are, in pictures by random cameras of a set."""
    return sampled(shape, cameras, count)[2]


def sampled(shape, cameras: Cameras, count: int):
    """(part, depth, picture) of random points of a shape by random cameras of a set.

    Of corners, and of points between two, since a lens bends edges.
    """
    rng = np.random.default_rng(0)
    w, x, y, z = (
        rng.uniform(float(a), float(b), count)
        for a, b in zip(*cameras.quaternion, strict=True)
    )
    others = cameras.translation, cameras.focal, cameras.center, cameras.distortion
    t, focal, center, lens = (
        rng.uniform(np.array(a, float), np.array(b, float), (count, len(a)))
        for a, b in others
    )
    hulls = of(shape)
    corners = np.array([[hulls.points[k] for k in p] for p in hulls.parts], float)
    part = rng.integers(len(corners), size=count)
    a, b = corners[part, rng.integers(corners.shape[1], size=(2, count))]
    mix = rng.uniform(0, 1, (count, 1)) * rng.integers(2, size=(count, 1))
    q = np.stack([w, x, y, z], -1)
    return part, *pictured(a + mix * (b - a), q, t, focal, center, lens)


def pictured(p, quaternion, t, focal, center, lens):
    """(depth, picture) of points, each by its own camera; z is forward ("opencv")."""
    w, q = quaternion[:, :1], quaternion[:, 1:]
    length = (quaternion**2).sum(1, keepdims=True)
    twist = w * np.cross(q, p) + np.cross(q, np.cross(q, p))
    moved = p + 2 * twist / length + t
    seen = _bent(*(moved[:, :2] / moved[:, 2:]).T, *lens.T)
    return moved[:, 2], focal * seen + center


def _bent(x, y, k1, k2, p1, p2, k3):
    s = x * x + y * y
    grown = 1 + s * (k1 + s * (k2 + s * k3))
    u = x * grown + 2 * p1 * x * y + p2 * (s + 2 * x * x)
    v = y * grown + 2 * p2 * x * y + p1 * (s + 2 * y * y)
    return np.stack([u, v], -1)


def _draw_nothing(axes) -> None:
    axes.text(0.5, 0.5, "not decided", ha="center")
    axes.set_axis_off()


def _draw_picture(axes, found, met) -> None:
    axes.plot(*met.T, ".", color="#0072B2", markersize=2, label="points, at samples")
    (a, b), (c, d) = ([float(v) for v in end] for end in (found.lo, found.hi))
    axes.plot([a, c, c, a, a], [b, b, d, d, b], color="#D55E00", label="proved")
    axes.set(xlabel="u", ylabel="v", aspect="equal")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
