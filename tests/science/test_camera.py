"""Boxes in pictures: beside trigonometry at random poses, and with planted faults."""

import json
import math

import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from torchlean_check._container import canonical_json
from torchlean_jax.science import Cameras, envelope, turn

CUBE = (-1, -1, -1), (1, 1, 1)
STILL = (1, 0, 0, 0), (1, 0, 0, 0)
AHEAD = (0, 0, 4), (0, 0, 4)
ONE = (1, 1), (1, 1)


def rotation(axis, angle):
    """Rodrigues' formula: no quaternion in it."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, -1, 0)])
@pytest.mark.parametrize("convention", ["opencv", "opengl"])
def test_random_poses_stay_in_the_envelope(axis, convention):
    side = 1 if convention == "opencv" else -1
    near, far = sorted((4.0 * side, 4.25 * side))
    cameras = Cameras(
        turn(axis, -0.25, 0.5),
        ((-0.125, 0, near), (0.125, 0, far)),
        ((1, 1.5), (1.25, 1.5)),
        ((0.5, 0.5), (0.5, 0.75)),
        convention,
    )
    found = envelope(CUBE, cameras, splits=8)
    rng, met = np.random.default_rng(0), []
    for _ in range(1500):
        p = rng.choice([-1.0, 1.0], 3)
        moved = rotation(axis, rng.uniform(-0.25, 0.5)) @ p
        moved += [rng.choice([-0.125, 0.125]), 0, rng.uniform(near, far)]
        x, y, depth = moved * [1, side, side]
        u = rng.choice([1, 1.25]) * x / depth + 0.5
        v = 1.5 * y / depth + rng.choice([0.5, 0.75])
        assert depth >= found.depth
        assert found.lo[0] <= u <= found.hi[0] and found.lo[1] <= v <= found.hi[1]
        met.append((depth, u, v))
    # tight: a tenth of the picture more than points attain, at most
    spread = np.ptp(np.array(met), axis=0)
    sizes = [float(b - a) for a, b in zip(found.lo, found.hi, strict=True)]
    assert sizes[0] <= 1.15 * spread[1] and sizes[1] <= 1.15 * spread[2]


def test_the_wrong_convention_puts_the_object_behind():
    assert envelope(CUBE, Cameras(STILL, AHEAD, ONE)).depth == 3
    with pytest.raises(tl.UndecidedError, match=r"behind a camera.*opengl"):
        envelope(CUBE, Cameras(STILL, AHEAD, ONE, convention="opengl"))


def test_swapped_axes_of_a_quaternion_change_the_picture():
    """Half a turn about y faces away; (x, y, z, w) for (w, x, y, z) is such a swap."""
    with pytest.raises(tl.UndecidedError, match="behind"):
        envelope(CUBE, Cameras(((0, 0, 1, 0),) * 2, ((0, 0, 0), (0, 0, 0)), ONE))
    with pytest.raises(tl.UndecidedError, match="may be 0"):
        envelope(CUBE, Cameras(((0, 0, 0, 0),) * 2, AHEAD, ONE))


def test_changed_documents_are_rejected():
    cameras = Cameras(turn((0, 1, 0), -0.25, 0.25), AHEAD, ONE)
    found = envelope(CUBE, cameras, splits=4)
    assert torchlean_check.check(found.document).accepted
    changes = [
        lambda d: d.update(depth="3"),
        lambda d: d.update(depth="0"),
        lambda d: d.update(convention="opengl"),
        lambda d: d.update(convention="other"),
        lambda d: d.update(splits=[1, 1, 0, 1]),
        lambda d: d.update(splits=[1, 1, 1, 1]),
        lambda d: d.update(splits=[200, 200, 200, 200]),
        lambda d: d["image"]["hi"].__setitem__(0, "3/8"),
        lambda d: d["image"]["lo"].__setitem__(1, "-1/4"),
        lambda d: d["box"]["lo"].__setitem__(2, "-2"),
        lambda d: d["box"]["hi"].__setitem__(2, "-2"),
        lambda d: d["focal"]["lo"].__setitem__(0, "0"),
        lambda d: d["quaternion"]["hi"].__setitem__(2, "1/2"),
        lambda d: d["translation"]["lo"].__setitem__(2, "3"),
        lambda d: d["center"]["lo"].append("0"),
        lambda d: d.update(version=3),
        lambda d: d.pop("box"),
    ]
    for k, change in enumerate(changes):
        document = json.loads(found.document)
        change(document)
        try:
            accepted = torchlean_check.check(canonical_json(document)).accepted
        except torchlean_check.MalformedCertificate:
            accepted = False
        assert not accepted, k


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Cameras(STILL, AHEAD, ((0, 1), (1, 1))),
        lambda: Cameras(STILL, AHEAD, ONE, convention="left"),
        lambda: Cameras(((1, 0, 0), (1, 0, 0)), AHEAD, ONE),
        lambda: Cameras(((2, 0, 0, 0), (1, 0, 0, 0)), AHEAD, ONE),
        lambda: Cameras(STILL, ((0, 0, math.nan),) * 2, ONE),
        lambda: Cameras(STILL, 4, ONE),
        lambda: envelope(((1, 1, 1), (0, 0, 0)), Cameras(STILL, AHEAD, ONE)),
        lambda: turn((1, 1, 0), 0, 1),
        lambda: turn((0, 0, 1), 1, 0),
        lambda: turn((0, 0, 1), 0, 4),
    ],
)
def test_inconsistent_sets_are_refused(wrong):
    with pytest.raises(tl.InputError):
        wrong()
