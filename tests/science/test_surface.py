"""Cells and rays without a surface, beside a sphere and a torus, and planted faults."""

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.science import _surface, free_cells, trace


def ball(x):
    """No distance: its gradient is up to 6 long on the box, and 0 in the middle."""
    return jnp.sum(x * x) - 1.0


def corner(cells):
    """The least and the largest distance of cells from 0."""
    lo, hi = cells[:, 0], cells[:, 1]
    nearest = np.where((lo <= 0) & (hi >= 0), 0.0, np.minimum(abs(lo), abs(hi)))
    farthest = np.maximum(abs(lo), abs(hi))
    return np.linalg.norm(nearest, axis=1), np.linalg.norm(farthest, axis=1)


def test_free_cells_have_no_point_of_a_sphere():
    found = free_cells(ball, [-1.5] * 3, [1.5] * 3, rounds=12)
    near, far = corner(found.free)
    assert ((near > 1) | (far < 1)).all()
    # together they are the box
    sides = np.concatenate([found.free, found.open])
    sides = sides[:, 1] - sides[:, 0]
    assert np.isclose(np.prod(sides, axis=1).sum(), 27.0, rtol=1e-12)
    # a cell of 3/16 in which the sphere is not, and not near, is seen to be free
    near, far = corner(found.open)
    assert ((near < 1.2) & (far > 0.8)).all() and found.volume > 0.5


DIRECTIONS = np.array([[1.0, 0.0, 0.0], [1.0, 0.25, 0.0], [1.0, 0.0, 1.0]])


def test_rays_stop_where_a_sphere_begins():
    """From (-3, 0, 0): roots of |o + t d|^2 = 1; the third ray misses."""
    found = trace(ball, [-3.0, 0.0, 0.0], DIRECTIONS, 6.0, tolerance=2.0**-10)
    a = (DIRECTIONS**2).sum(1)
    roots = (3 - np.sqrt(np.maximum(9 - 8 * a, 0))) / a
    assert (found.clear[:2] <= roots[:2]).all()
    assert (roots[:2] <= found.met[:2]).all()
    assert (found.met - found.clear)[:2].max() < 2.0**-7
    assert found.clear[2] == 6.0 and np.isinf(found.met[2])


def test_a_thin_shell_is_not_jumped_over():
    """|x| within 2^-12 of 1: points of a march by 2^-10 would not see it."""
    shell = lambda x: (jnp.sum(x * x) - 1.0) ** 2 - 2.0**-24
    found = trace(shell, [-3.0, 0.0, 0.0], DIRECTIONS[:1], 6.0, tolerance=2.0**-10)
    assert 1.9 < found.clear[0] < 2.0


def test_planted_faults_are_noticed(monkeypatch):
    """A sign that is read at the end of an interval that is not the nearer one."""
    wrong = lambda value: np.sign(np.asarray(value.hi)).astype(int)
    monkeypatch.setattr(_surface, "_sign", wrong)
    found = free_cells(ball, [-1.5] * 3, [1.5] * 3, rounds=2)
    near, far = corner(found.free)
    assert not ((near > 1) | (far < 1)).all()
    assert trace(ball, [-3.0, 0.0, 0.0], DIRECTIONS[:1], 6.0).clear[0] > 2.0


@pytest.mark.parametrize(
    ("lo", "hi"), [([0.0], [0.0]), ([0.0], [np.inf]), ([0.0], [1.0, 1.0])]
)
def test_boxes_without_an_inside_are_refused(lo, hi):
    with pytest.raises(tl.InputError, match="finite box"):
        free_cells(ball, lo, hi)


def test_rays_without_a_direction_are_refused():
    with pytest.raises(tl.InputError, match="none of them 0"):
        trace(ball, [0.0, 0.0], [[0.0, 0.0]], 1.0)
    with pytest.raises(tl.InputError, match="tolerance < far"):
        trace(ball, [0.0, 0.0], [[0.0, 1.0]], np.inf)
