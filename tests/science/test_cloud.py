"""Clouds of points under every rotation: beside scipy's, closed forms and numpy."""

import dataclasses
import json

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import torchlean_check
import torchlean_jax as tl
from torchlean_jax.cli import main
from torchlean_jax.science import _clouds, rotated

SQUARE = [[1.0, 1.0, 0.0], [-1.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [1.0, -1.0, 0.0]]


@pytest.mark.parametrize("axes", ["x", "y", "z", "zx", "xz", "yxz"])
def test_turns_are_those_of_scipy(axes):
    rng = np.random.default_rng(len(axes))
    points, angles = rng.normal(size=(5, 3)), rng.uniform(-4, 4, len(axes))
    with jax.enable_x64(True):
        found = np.asarray(rotated(points, axes)(jnp.asarray(angles)))
    assert found.dtype == np.float64
    assert np.allclose(
        found, Rotation.from_euler(axes, angles).apply(points), atol=1e-14
    )
    # a turn the other way is another one: the comparison sees it
    other = Rotation.from_euler(axes, -angles).apply(points)
    assert not np.allclose(found, other, atol=1e-3)


LEANING = Rotation.from_euler("z", 0.25).apply(SQUARE).astype(np.float32)


def reach(angles):
    """|cos| + |sin| of a + 1/4: from 1, near the angles k pi / 2 - 1/4, to sqrt(2)."""
    return rotated(LEANING, "z")(angles)[:, 0].max()


def test_what_holds_at_every_angle_is_proved_and_what_fails_at_few_refuted():
    whole = tl.box([-_clouds.HALF_TURN], [_clouds.HALF_TURN])
    ask = lambda least: tl.verify(
        reach, whole, tl.spec.linear([1.0], least), split=True, timeout=60
    )
    found = ask(0.75)
    assert found.status == "proved" and 0 < found.margin <= 0.25
    # |cos| + |sin| <= 1.01 only within 0.0102 of a quarter turn: 2.6 % of all angles
    found = ask(1.01)
    assert found.status == "refuted"
    turns = (float(found.counterexample[0]) + 0.25) / (np.pi / 2)
    assert abs(turns - round(turns)) < 0.0066


def test_half_a_turn_covers_the_turn():
    half = np.float32(_clouds.HALF_TURN)
    assert half == _clouds.HALF_TURN and np.nextafter(half, np.float32(0)) < np.pi
    assert flint.arb(_clouds.HALF_TURN) > flint.arb.pi()


def test_points_may_range_over_sets_too():
    """Of points within 1/4 of the square's: the largest x at the angles 0 to 1/4."""
    corners = tl.box(np.array(SQUARE, np.float32), radius=0.25)
    angles = tl.box([0.0], [0.25])
    largest = lambda points, angles: rotated(points, "z")(angles)[:, 0].max()
    found = tl.bounds(largest, method="ibp")(corners, angles)
    most = 1.25 * (np.cos(0.25) + np.sin(0.25))  # by the corner that moved outward
    assert 0.5 < float(found.lo) <= 0.75 and most <= float(found.hi) < 2.0


def on_surface(solid, points):
    """How far points are from the surface of their solid, from its equations."""
    x, y, z = points.T.astype(np.float64)
    radius = np.hypot(x, y)
    if solid == "cube":
        return abs(np.abs(points).max(1) - 0.6)
    if solid == "sphere":
        return abs(np.linalg.norm(points, axis=1) - 0.75)
    if solid == "cylinder":
        return np.where(abs(z) > 0.9 - 1e-6, radius > 0.4501, abs(radius - 0.45))
    return np.where(z < -0.7 + 1e-6, radius > 0.7001, abs(radius - (0.35 - z / 2)))


@pytest.mark.parametrize("solid", _clouds.SOLIDS)
def test_points_lie_on_their_solid(solid):
    points = _clouds.cloud(solid, np.random.default_rng(0), 500)
    assert on_surface(solid, points).max() < 1e-6
    assert np.ptp(points, axis=0).min() > 0.8  # all around it
    others = [s for s in _clouds.SOLIDS if s != solid]
    assert all(on_surface(s, points).max() > 1e-2 for s in others)


def scores_by_numpy(network, points):
    """In float64, without JAX."""
    for weights, biases in network.each:
        points = np.maximum(points @ np.float64(weights) + np.float64(biases), 0)
    weights, biases = map(np.float64, network.last)
    return points.max(axis=-2) @ weights + biases


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The command on the claim of a cone with 8 points: its network and its files."""
    asked = dataclasses.replace(_clouds.EXAMPLES["cone"], points=8)
    network = _clouds.train(asked.points, True, steps=200)
    folder = tmp_path_factory.mktemp("cone")
    files = {kind: folder / kind for kind in ("certificate", "plot", "json")}
    wanted = [word for kind, file in files.items() for word in (f"--{kind}", str(file))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_clouds.EXAMPLES, "cone", asked)
        patch.setattr(_clouds, "train", lambda points, turned: network)
        assert main(["science", "cloud", "cone", *wanted]) == 0
    return network, files


def test_a_cone_stays_a_cone_at_every_angle(small):
    network, files = small
    found = json.loads(files["json"].read_text())
    assert found["status"] == "proved" and "8 points of a cone" in found["claim"]
    held_out, solids = _clouds.clouds(1, 50, 8)
    cone = held_out[solids == 3][0]
    angles = np.random.default_rng(3).uniform(-np.pi, np.pi, 4000)
    turned = np.stack([Rotation.from_euler("z", a).apply(cone) for a in angles])
    scores = scores_by_numpy(network, turned)
    least = (scores[:, 3] - scores[:, :3].max(axis=1)).min()
    assert 0 < found["certified"] <= least
    assert found["sampled"] == pytest.approx(least, abs=0.02)
    assert torchlean_check.check(files["certificate"]).accepted
    assert files["plot"].read_bytes().startswith(b"\x89PNG")


def test_the_order_of_the_points_does_not_matter(small):
    network, _ = small
    points = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    there, back = network(jnp.asarray(points)), network(jnp.asarray(points[::-1]))
    assert np.allclose(there, back, atol=1e-5)
    assert np.allclose(there, scores_by_numpy(network, points), atol=1e-4)


@pytest.mark.parametrize(
    ("cloud", "axes", "said"),
    [
        (SQUARE, "", "axes are letters"),
        (SQUARE, "zw", "axes are letters"),
        (np.zeros((0, 3)), "z", "shape"),
        (np.zeros((4, 2)), "z", "shape"),
        ("points", "z", "real numbers"),
        ([[1.0, 2.0, 3.0], [1.0]], "z", "real numbers"),
        ([[1.0, np.nan, 0.0]], "z", "finite"),
        (np.array([[1.0, 1j, 0.0]]), "z", "real numbers"),
        ([[1.0, 1j, 0.0]], "z", "real numbers"),
    ],
)
def test_what_cannot_be_turned_is_refused(cloud, axes, said):
    with pytest.raises(tl.InputError, match=said):
        rotated(cloud, axes)


def test_as_many_angles_as_axes_are_needed():
    with pytest.raises(tl.InputError, match="2 angles"):
        rotated(SQUARE, "zx")(jnp.zeros(3))
