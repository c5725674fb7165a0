"""The Fourier neural operator: its solver, its claims, planted faults."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import fno
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.fno import claims, data

SMALL = fno.make(fno.Config(points=8, modes=3, width=2, depth=2), train=8, held_out=2)
CLAIMS = {claim.__name__: claim for claim in SMALL.claims}
SHALLOW = fno.make(fno.Config(points=8, modes=3, width=2, depth=1), train=4, held_out=1)


@pytest.fixture(scope="module")
def trained():
    return zoo.train(SMALL, replace(SMALL.settings, steps=20, batch=4))


@pytest.mark.parametrize("name", sorted(CLAIMS.keys() - {"errors_hardly_grow"}))
def test_the_claim_holds(name, trained):
    finding = check_claim(CLAIMS[name], trained)
    assert finding.status == "holds", finding.evidence


def scaled(trained, by):
    """With ends that are so many times as far from their own constant."""
    params = dict(trained.variables.params)
    params["project.kernel"] = by * params["project.kernel"]
    return replace(trained, variables=trained.variables._replace(params=params))


def test_growing_errors_are_found(monkeypatch):
    """By corners of the boxes where they grow, not by bounds where these are wide."""
    (claim,) = (c for c in SHALLOW.claims if c.__name__ == "errors_hardly_grow")
    steady = scaled(zoo.untrained(SHALLOW), 0.1)
    assert check_claim(claim, steady).status == "holds"
    assert check_claim(claim, scaled(steady, 100.0)).status == "fails"
    vacuous = tl.Interval(jnp.full(8, -1.0), jnp.full(8, 1.0))
    monkeypatch.setattr(claims.tl, "bounds", lambda f, method: lambda box: vacuous)
    assert check_claim(claim, steady).status == "unknown"


def test_training_comes_closer_on_both_grids(trained):
    before = SMALL.evaluate(SMALL.network.init(jax.random.key(0)), trained.data)
    for metric in ("relative_error", "on_a_finer_grid"):
        assert trained.metrics[metric] < before[metric]


def test_a_hundred_steps_beat_a_comparable_project():
    """Which reports a test MSE of 0.022 after 100 steps, of its own data: here the
    entry's network and settings, and an eighth of its functions."""
    entry = fno.make(train=128, held_out=32)
    found = zoo.train(entry, replace(entry.settings, steps=100))
    before = entry.evaluate(entry.network.init(jax.random.key(0)), found.data)
    assert found.metrics["squared_error"] < 0.022 < before["squared_error"]


def fails(name, trained):
    assert check_claim(CLAIMS[name], trained).status == "fails"


def test_an_operator_that_knows_where_it_is_is_found(monkeypatch, trained):
    right = fno.FNO.__call__

    def placed(self, u):
        return right(self, u + 1e-3 * jnp.arange(u.shape[-1]))

    monkeypatch.setattr(fno.FNO, "__call__", placed)
    fails("commutes_with_translations", trained)


def test_functions_that_mix_are_found(monkeypatch, trained):
    right = fno.FNO.__call__
    monkeypatch.setattr(fno.FNO, "__call__", lambda self, u: right(self, u - u.mean(0)))
    fails("rows_are_independent", trained)


def test_the_solver_beside_the_solution_of_cole_and_hopf():
    """u = -2 nu (log phi)_x, with phi_t = nu phi_xx: here phi has one wave."""
    nu, x, wave = 0.05, np.arange(64) / 64, 2 * np.pi

    def exact(t):
        decay = 0.5 * np.exp(-nu * wave**2 * t)
        phi = 1 + decay * np.cos(wave * x)
        return 2 * nu * decay * wave * np.sin(wave * x) / phi

    found = data.burgers(exact(0.0)[None], 0.5, steps=100, viscosity=nu)[0]
    np.testing.assert_allclose(found, exact(0.5), atol=1e-9)
    assert abs(exact(0.5)).max() > 0.05


def test_starts_have_the_covariance_that_is_stated():
    u = data.drawn(20_000, 16)
    power = (abs(np.fft.rfft(u) / 16) ** 2).mean(0)
    wave = 2 * np.pi * np.arange(8)
    stated = (25 / (wave**2 + 25)) ** 2
    # the mean of n squares is off by about sqrt(2 / n): 7 standard deviations
    np.testing.assert_allclose(power[:8], stated, rtol=0.07)


def test_a_file_is_checked(tmp_path):
    good = np.random.default_rng(0).standard_normal((16, 2, 32))
    np.save(tmp_path / "good.npy", good)
    found = data.solutions(str(tmp_path / "good.npy"), points=8)
    assert found.train[0].shape == (14, 8) and found.fine[1].shape == (2, 16)
    np.testing.assert_array_equal(found.held_out[0][0], good[7, 0, ::4].astype("f"))
    wrong = {"few": good[:4], "odd": good[:, :, :20], "nan": good * np.nan}
    for name, array in wrong.items():
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(InputError, match=name):
            data.solutions(str(tmp_path / f"{name}.npy"), points=8)
    with pytest.raises(InputError):
        data.solutions(str(tmp_path / "missing.npy"), points=8)
