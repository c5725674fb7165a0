"""Points behind the camera that are seen."""

import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(point):
    """1 where a point in camera coordinates [x, y, depth] is in the picture, else 0."""
    u, v = point[0] / point[2], point[1] / point[2]
    inside = (abs(u) < 1) & (abs(v) < 1)
    return jnp.where(inside, 1.0, 0.0)


def fixed(point):
    u, v = point[0] / point[2], point[1] / point[2]
    inside = (abs(u) < 1) & (abs(v) < 1) & (point[2] > 0)
    return jnp.where(inside, 1.0, 0.0)


def examine(seen):
    behind = tl.box([-4.0, -4.0, -8.0], [4.0, 4.0, -1.0])
    verdict = tl.verify(seen, behind, tl.spec.linear([-1.0], -0.5), method="ibp")
    said = str(verdict).partition(" Tried")[0]
    if verdict.status == "refuted":
        at = np.asarray(verdict.counterexample)
        return Finding(False, f"{said}\n  the point {at} counts as {float(seen(at)):g}")
    return Finding(verdict.status == "proved", said)


CARD = Card(
    name="point-behind-camera",
    title="A camera with eyes in the back of its head",
    family="geometry",
    story=(
        "A point is projected by dividing by its depth. With a negative depth that "
        "works as well, and gives the mirrored place: points behind the camera land "
        "in the middle of the picture. Features are sampled for them there, and boxes "
        "are drawn around nothing."
    ),
    contract="No point of depth between -8 and -1 is in the picture.",
    check="tl.verify",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("facebookresearch/pytorch3d#1359",),
)
