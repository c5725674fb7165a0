"""The solution of the heat equation: its claims, planted faults."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.science import pinn as science
from torchlean_jax.zoo import pinn
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.pinn import claims
from torchlean_jax.zoo.pinn.train import HEAT, solved

SMALL = pinn.make(width=4)
CLAIMS = {claim.__name__: claim for claim in SMALL.claims}


@pytest.fixture(scope="module")
def trained():
    return zoo.train(SMALL, replace(SMALL.settings, steps=300, batch=64))


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    """Of a training of seconds, and of a search."""
    monkeypatch.setattr(claims, "RESIDUAL", 1.0)
    monkeypatch.setattr(claims, "SECONDS", 2.0)


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_holds(name, trained):
    finding = check_claim(CLAIMS[name], trained)
    assert finding.status == "holds", finding.evidence


def test_training_comes_closer(trained):
    before = SMALL.evaluate(SMALL.network.init(jax.random.key(0)), trained.data)
    for metric in before:
        assert trained.metrics[metric] < before[metric] / 2


def test_the_solution_solves_the_equation():
    """The oracle of the distance: no residual, and the conditions as stated."""
    assert science.sampled(HEAT, solved, count=1000) < 1e-12
    x = np.linspace(0, 1, 9)
    start = jax.vmap(lambda s: solved(jnp.array([0.0, s])))(x)
    np.testing.assert_allclose(start, np.sin(np.pi * x), atol=1e-6)


def planted(monkeypatch, wrong):
    """Another function in the place of the network's."""
    right = pinn.Solution.u
    monkeypatch.setattr(
        pinn.Solution, "u", lambda self, v: lambda x: wrong(right(self, v)(x), x)
    )


def status(name, trained):
    return check_claim(CLAIMS[name], trained).status


def test_an_end_that_is_not_held_is_found(monkeypatch, trained):
    """By 1e-4 at t = x = 1, with a residual that is within the limit."""
    planted(monkeypatch, lambda u, x: u + 1e-4 * x[0] * x[1])
    finding = check_claim(CLAIMS["is_a_solution_everywhere"], trained)
    assert finding.status == "fails", finding.evidence


def test_a_residual_beyond_the_limit_is_found(monkeypatch, trained):
    """Bent, though small: by its closed form, and by the search for a bound."""
    bump = lambda x: solved(x) + 0.01 * jnp.sin(100 * x[1]) * x[0]
    assert science.sampled(HEAT, bump, count=1000) > 5
    monkeypatch.setattr(pinn.Solution, "u", lambda self, v: bump)
    finding = check_claim(CLAIMS["is_a_solution_everywhere"], trained)
    assert finding.status == "fails", finding.evidence


def residuals(monkeypatch, wrong):
    """Another residual in the place of the problem's."""
    right = claims.pinn.residual_of
    monkeypatch.setattr(
        claims.pinn, "residual_of", lambda p, u: lambda x: wrong(right(p, u)(x))
    )


def test_another_equation_is_found(monkeypatch, trained):
    residuals(monkeypatch, jnp.negative)
    assert status("residual_is_the_equations", trained) == "fails"


def test_a_stopped_gradient_is_found(monkeypatch, trained):
    residuals(monkeypatch, jax.lax.stop_gradient)
    assert status("gradient_is_the_derivative", trained) == "fails"


def test_files_are_refused():
    with pytest.raises(InputError, match="from its equation"):
        pinn.ENTRY.load("a.csv")
