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
    sizes = [float(b - a) for a, b in zip(found.lo, found.hi, strict=True)]
    met = _pictured(shape, cameras)
    angle = math.degrees(math.atan(math.sqrt(found.field)))
    return Outcome(
        claim=found.claim,
        status="proved",
        certified=sizes[0],
        sampled=float(np.ptp(met[:, 0])),
        seconds=found.seconds,
        figures={
            "least depth": float(found.depth),
            "height": sizes[1],
            "largest angle to the axis, in degrees": angle,
        },
        draw=lambda axes: _draw_picture(axes, found, met),
        certificate=lambda: found.document,
    )


def _pictured(shape, cameras: Cameras, count=4000) -> np.ndarray:
    """Corners, and points between two, since a lens bends edges, by random cameras."""
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
    p = a + mix * (b - a)
    q = np.stack([x, y, z], -1)
    crossed = np.cross(q, p)
    length = w**2 + (q**2).sum(1)
    twist = w[:, None] * crossed + np.cross(q, crossed)
    moved = p + 2 * twist / length[:, None] + t
    return focal * _bent(*(moved[:, :2] / moved[:, 2:]).T, *lens.T) + center


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
    axes.legend()
