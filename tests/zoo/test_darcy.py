"""The operator of Darcy's flow: its solver, its claims, planted faults.

The oracles of the solver are a solution by hand and Poisson's equation as a series.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import darcy
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.darcy import claims, data, model

SMALL = darcy.make(
    darcy.Config(points=8, modes=(5, 3), width=2, depth=1), train=2, held_out=2
)
CLAIMS = {claim.__name__: claim for claim in SMALL.claims}


@pytest.fixture(scope="module")
def trained():
    return zoo.train(SMALL, replace(SMALL.settings, steps=20, batch=4))


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_holds(name, trained):
    finding = check_claim(CLAIMS[name], trained)
    assert finding.status == "holds", finding.evidence


def test_training_comes_closer_on_both_grids(trained):
    before = SMALL.evaluate(SMALL.network.init(jax.random.key(0)), trained.data)
    for metric in ("relative_error", "on_a_finer_grid"):
        assert trained.metrics[metric] < before[metric]


def test_a_pressure_that_is_off_is_not_proved(monkeypatch, trained):
    right = data.pressure
    monkeypatch.setattr(data, "pressure", lambda a: right(a) * (1 + 1e-9))
    finding = check_claim(CLAIMS["pressures_solve_their_equations"], trained)
    assert finding.status == "unknown"
    a = np.exp(data.drawn(1, 8)[0])
    off = right(a)
    off[3, 4] += 1e-6  # the true distance
    assert 1e-6 * (1 - 1e-6) <= claims.distance(a, off) < 1e-2
    assert claims.distance(a, off * np.nan) == np.inf
    assert claims.distance(-a, -right(a)) == np.inf  # solves, but not of a ground


def test_another_equation_is_not_solved(monkeypatch, trained):
    right = claims.outflow
    monkeypatch.setattr(claims, "outflow", lambda a, u: right(1 / a, u))
    finding = check_claim(CLAIMS["pressures_solve_their_equations"], trained)
    assert finding.status == "unknown"


def test_a_wall_that_lets_through_is_found(monkeypatch, trained):
    right = darcy.Darcy.held
    monkeypatch.setattr(darcy.Darcy, "held", lambda self, u: right(self, u) + 1e-9)
    assert check_claim(CLAIMS["is_0_on_the_boundary"], trained).status == "fails"


def test_pressures_without_a_bound_are_found(monkeypatch, trained):
    monkeypatch.setattr(model.jax.nn, "sigmoid", lambda x: 2.0 + 0 * x)
    assert check_claim(CLAIMS["is_bounded_on_a_box"], trained).status == "fails"


def test_a_constant_ground_beside_the_series_of_poisson():
    """u = sum over odd p, q of 16 / (pi^4 p q (p^2 + q^2)) sin(p pi x) sin(q pi y)."""
    n, odd = 64, np.arange(1, 400, 2)
    sines = np.sin(np.pi * np.outer(np.arange(n) / n, odd))
    size = 16 / (np.pi**4 * np.outer(odd, odd) * np.add.outer(odd**2, odd**2))
    exact = sines @ size @ sines.T
    # second order, with derivatives of order 4 of about 1
    np.testing.assert_allclose(data.pressure(np.full((n, n), 1.0)), exact, atol=5e-5)
    assert exact.max() > 0.07


def test_a_solution_by_hand_of_a_ground_that_varies():
    """Of a = 2 + sin(2 pi x) and u = sin(pi x) sin(pi y), whose outflow is known: the
    discrete one is near it, to second order."""

    def off(n):
        x = np.arange(n) / n
        sin, cos = np.sin(np.pi * x), np.cos(np.pi * x)
        a = np.broadcast_to(2 + np.sin(2 * np.pi * x)[:, None], (n, n))
        u = np.outer(sin, sin)
        slope = 2 * np.pi**2 * np.cos(2 * np.pi * x)
        exact = 2 * np.pi**2 * a * u - np.outer(slope * cos, sin)
        found = data.equations(a) @ u[1:, 1:].ravel()
        return abs(found - exact[1:, 1:].ravel()).max()

    assert off(32) < 0.2 and 3.5 < off(32) / off(64) < 4.5


def test_matrix_and_outflow_are_written_twice():
    a, u = np.exp(data.drawn(1, 8)[0]), np.zeros((8, 8))
    u[1:, 1:] = np.random.default_rng(0).standard_normal((7, 7))
    with jax.enable_x64(True):
        found = np.asarray(claims.outflow(jnp.asarray(a), jnp.asarray(u)))
    np.testing.assert_allclose(found.ravel(), data.equations(a) @ u[1:, 1:].ravel())


def test_grounds_have_the_spread_that_is_stated():
    log_a = data.drawn(2000, 8)
    # 2000 draws of 64 points that hang together: 5 standard errors of 2000 alone
    np.testing.assert_allclose(log_a.std(), data.SPREAD, rtol=5 / np.sqrt(4000))
    assert abs(log_a.mean()) < 5 * data.SPREAD / np.sqrt(2000)


def test_the_eight_positions_are_solutions():
    """The pressure of a ground that is moved is the pressure, moved."""
    a = np.exp(data.drawn(1, 8)[0])
    moved = list(data.positions(a))
    assert len({x.tobytes() for x in moved}) == 8
    for ground, pressure in zip(moved, data.positions(data.pressure(a)), strict=True):
        np.testing.assert_allclose(data.pressure(ground), pressure, atol=1e-14)


def test_a_ground_that_lets_nothing_through_is_named():
    """Where a check of the data has been left out: the logarithm of 0."""
    dry = SMALL.load(None)
    dry = replace(dry, train=(0 * dry.train[0], dry.train[1]))
    blind = replace(SMALL, load=lambda path: dry)
    with pytest.raises(zoo.NonFiniteError) as error:
        zoo.train(blind, replace(SMALL.settings, steps=2, batch=4))
    assert error.value.node is not None and error.value.node.primitive == "log"


def test_a_file_is_checked(tmp_path):
    good = np.random.default_rng(0).uniform(1, 2, (8, 2, 16, 16))
    np.save(tmp_path / "good.npy", good)
    found = data.solutions(str(tmp_path / "good.npy"), points=8)
    assert found.train[0].shape == (7, 8, 8) and found.fine[1].shape == (1, 16, 16)
    for name, array in {
        "dry": -good,
        "flat": good[:, :, 0],
        "odd": good[..., 1:],
    }.items():
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(InputError, match=name):
            data.solutions(str(tmp_path / f"{name}.npy"), points=8)
