"""Diffusion of digits: its claims hold, and planted faults are found."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import _judge, diffusion
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.diffusion import claims, schedule
from torchlean_jax.zoo.diffusion import train as training
from torchlean_jax.zoo.diffusion.model import guided

TINY = diffusion.make(diffusion.Config(width=8, depth=1))


@pytest.fixture(scope="module")
def tiny():
    return zoo.untrained(TINY)


@pytest.fixture(autouse=True)
def ten_steps(monkeypatch):
    """A hundred steps are for `torchlean claims`."""
    monkeypatch.setattr(claims, "COUNTS", (1, 7, 10))


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim, tiny):
    finding = check_claim(claim, tiny)
    assert finding.status == "holds", finding.evidence


def fails(claim, tiny):
    return check_claim(claim, tiny).status == "fails"


def test_a_table_that_is_off_by_one_is_found(monkeypatch, tiny):
    monkeypatch.setattr(schedule, "NOISE", np.roll(schedule.NOISE, 1))
    assert fails(claims.forward_variances_add_up, tiny)


def test_a_table_that_is_off_by_a_few_roundings_is_found(monkeypatch, tiny):
    monkeypatch.setattr(schedule, "SIGNAL", schedule.SIGNAL * np.float32(1 + 2.0**-20))
    assert fails(claims.forward_variances_add_up, tiny)


def test_noise_that_is_scaled_twice_is_found(monkeypatch, tiny):
    monkeypatch.setattr(schedule, "denoised", lambda x, time, noise: x - noise)
    assert fails(claims.noise_that_is_known_can_be_taken_away, tiny)


def test_a_network_that_is_told_the_time_after_the_step_is_found(monkeypatch, tiny):
    def ddim(predict, x, count):
        path = schedule.times(count)
        for time, before in itertools.pairwise(path):
            x = schedule.ddim_step(x, time, before, predict(x, max(before, 1)))
        return x

    monkeypatch.setattr(schedule, "ddim", ddim)
    assert fails(claims.ddim_inverts_and_its_indices_are_right, tiny)


def test_a_sampler_that_stops_a_step_early_is_found(monkeypatch, tiny):
    times = schedule.times
    monkeypatch.setattr(schedule, "times", lambda count: [*times(count)[:-1], 1])
    assert fails(claims.ddim_inverts_and_its_indices_are_right, tiny)


def test_a_step_of_ddpm_leads_to_the_mean_of_the_posterior():
    """Ho et al., equation 7, in float64: the step is their equation 11."""
    x, noise, time = np.array([0.3, -0.7]), np.array([1.1, 0.4]), 50
    beta = schedule.BETA.astype(np.float64)
    kept = np.cumprod(1 - beta)
    image = (x - np.sqrt(1 - kept[time]) * noise) / np.sqrt(kept[time])
    towards = np.sqrt(kept[time - 1]) * beta[time] * image
    stays = np.sqrt(1 - beta[time]) * (1 - kept[time - 1]) * x
    mean = (towards + stays) / (1 - kept[time])
    found = schedule.ddpm_step(jnp.asarray(x), time, jnp.asarray(noise), jnp.zeros(2))
    # about ten roundings of numbers below 2
    assert np.abs(np.asarray(found, np.float64) - mean).max() < 20 * 2.0**-24
    last = schedule.ddpm_step(jnp.asarray(x), 1, jnp.asarray(noise), 1e3 * jnp.ones(2))
    assert np.abs(last).max() < 10  # nothing is drawn in the last step


def test_no_guidance_is_the_prediction_for_the_label(tiny):
    x, label = jnp.ones((2, 64)), jnp.array([3, 4])
    network = TINY.network
    found = guided(network, tiny.variables, label, 0.0)(x, 5)
    alone = network.function(tiny.variables)(x, jnp.array([5, 5]), label)
    assert jnp.array_equal(found, alone)


def test_training_lowers_the_loss(monkeypatch):
    monkeypatch.setattr(_judge, "judge", lambda: lambda x: x[:, :10])
    monkeypatch.setattr(training, "COUNT", 2)
    trained = zoo.train(TINY, replace(TINY.settings, steps=60, lr=0.01, warmup=5))
    before = TINY.evaluate(TINY.network.init(jax.random.key(0)), trained.data)
    assert trained.metrics["loss"] < before["loss"]
    assert 0 <= trained.metrics["recognised"] <= 1
