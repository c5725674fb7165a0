"""The variational autoencoder: its claims hold, and planted faults are found."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import vae
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.vae import claims


@pytest.fixture(scope="module")
def trained():
    return zoo.train(vae.ENTRY, replace(vae.ENTRY.settings, steps=100))


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim, trained):
    finding = check_claim(claim, trained)
    assert finding.status == "holds", finding.evidence


def test_training_raises_the_bound(trained):
    before = vae.ENTRY.evaluate(vae.ENTRY.network.init(jax.random.key(0)), trained.data)
    assert trained.metrics["negative_elbo"] < before["negative_elbo"]
    assert trained.metrics["divergence"] > 0


def test_a_divergence_without_its_one_is_found(monkeypatch, trained):
    right = claims.divergence
    monkeypatch.setattr(claims, "divergence", lambda m, v: right(m, v) + m.size / 2)
    assert check_claim(claims.divergence_is_its_integral, trained).status == "fails"


def test_a_variable_that_stops_the_gradient_is_found(monkeypatch, trained):
    def stopped(mean, log_variance, noise):
        return mean + jax.lax.stop_gradient(jnp.exp(log_variance / 2)) * noise

    monkeypatch.setattr(claims, "drawn", stopped)
    assert check_claim(claims.bound_has_the_right_gradient, trained).status == "fails"
