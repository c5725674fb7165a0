"""The Kolmogorov-Arnold network: its edges, its claims, planted faults."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import kan
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.kan import claims, data, model

BRIEF = claims.CLAIMS[:3]  # the last is about a whole training


@pytest.fixture(scope="module")
def trained():
    return zoo.train(kan.ENTRY, replace(kan.ENTRY.settings, steps=200))


@pytest.mark.parametrize("claim", BRIEF, ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim, trained):
    finding = check_claim(claim, trained)
    assert finding.status == "holds", finding.evidence


def test_training_comes_closer(trained):
    before = kan.ENTRY.evaluate(kan.ENTRY.network.init(jax.random.key(0)), trained.data)
    assert trained.metrics["rmse"] < 0.2 * before["rmse"]
    assert trained.metrics["rmse"] < trained.metrics["largest"]


def test_the_basis_is_that_of_scipy():
    from scipy.interpolate import BSpline

    x = np.linspace(-3, 3, 97)
    found = np.asarray(kan.basis(jnp.asarray(x)))
    for k, center in enumerate(model.CENTERS):
        knots = center + model.STEP * np.arange(-2, 3)
        expected = np.nan_to_num(BSpline.basis_element(knots, extrapolate=False)(x))
        np.testing.assert_allclose(found[:, k], expected, atol=1e-6)


def test_a_network_that_is_far_off_is_found(trained):
    params = dict(trained.variables.params)
    params["layers.1.splines"] = params["layers.1.splines"] + np.float32(0.5)
    broken = replace(trained, variables=trained.variables._replace(params=params))
    assert check_claim(claims.is_close_everywhere, broken).status == "fails"


def test_a_wrong_basis_is_found(monkeypatch, trained):
    def shifted(x):
        return model.basis(x + 1e-9)

    monkeypatch.setattr(claims, "basis", shifted)
    assert check_claim(claims.edges_are_those_splines, trained).status == "fails"


def test_edges_of_other_knots_are_found(monkeypatch, trained):
    def coarse(array):
        splines = model.edges(array)
        return [replace(s, pieces=(s.pieces[1], *s.pieces[1:])) for s in splines]

    monkeypatch.setattr(claims, "edges", coarse)
    assert check_claim(claims.edges_are_smooth, trained).status == "fails"


def test_a_wrong_gradient_is_found(monkeypatch, trained):
    right = model.KAN.__call__

    def stopped(self, point):
        return right(self, point) + jax.lax.stop_gradient(right(self, point))

    monkeypatch.setattr(model.KAN, "__call__", stopped)
    assert check_claim(claims.gradient_is_the_derivative, trained).status == "fails"


def test_a_file_is_refused():
    with pytest.raises(InputError, match="takes no file"):
        data.points("points.csv")
