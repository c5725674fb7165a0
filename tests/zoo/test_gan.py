"""The adversarial network: its claims hold, and planted faults are found."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import _judge, gan
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.gan import model
from torchlean_jax.zoo.gan import train as training

CONFIG = gan.Config(latent=2, hidden=3)


def finding(name):
    """On a fresh entry: a network that was traced keeps what it was made of."""
    trained = zoo.untrained(gan.make(CONFIG))
    (claim,) = (c for c in trained.entry.claims if c.__name__ == name)
    return check_claim(claim, trained)


@pytest.mark.parametrize("claim", [c.__name__ for c in gan.make(CONFIG).claims])
def test_the_claim_holds(claim):
    found = finding(claim)
    assert found.status == "holds", found.evidence


def test_a_generators_loss_that_saturates_is_found(monkeypatch):
    """That of equation 1 itself, log(1 - D'), which is another."""
    monkeypatch.setattr(model, "generator_loss", lambda x: -model._surprise(-x).mean())
    assert finding("losses_are_those_published").status == "fails"


def test_labels_that_are_smoothed_are_found(monkeypatch):
    def smoothed(true, drawn):
        part = 0.9 * model._surprise(true) + 0.1 * model._surprise(-true)
        return part.mean() + model._surprise(-drawn).mean()

    monkeypatch.setattr(model, "discriminator_loss", smoothed)
    found = finding("the_best_discriminator_is_p_over_p_plus_q")
    assert found.status == "fails"
    assert finding("losses_are_those_published").status == "fails"


@pytest.mark.parametrize("leak", ["generator", "discriminator"])
def test_a_gradient_that_reaches_the_other_is_found(leak, monkeypatch):
    """The drawn images are not held, or the discriminator is not."""

    def losses(network, variables, image, label, latent):
        params, state = variables
        held = jax.tree.map(jax.lax.stop_gradient, params)

        def applied(params, x, method):
            given = type(variables)(params, state)
            return network.apply(given, x, label, method=method)[0]

        drawn = applied(params, latent, "draw")
        shown = drawn if leak == "generator" else jax.lax.stop_gradient(drawn)
        judge = params if leak == "discriminator" else held
        first = model.discriminator_loss(
            applied(params, image, "judge"), applied(params, shown, "judge")
        )
        return first, model.generator_loss(applied(judge, drawn, "judge"))

    monkeypatch.setattr(model, "losses", losses)
    assert finding("each_moves_itself_alone").status == "fails"


def test_pixels_that_are_out_of_range_are_found(monkeypatch):
    draw = model.GAN.draw
    monkeypatch.setattr(
        model.GAN, "draw", lambda self, latent, label: 2 * draw(self, latent, label)
    )
    assert finding("pixels_are_in_range").status == "fails"


def test_a_norm_over_the_batch_is_found(monkeypatch):
    judge = model.GAN.judge
    monkeypatch.setattr(
        model.GAN, "judge", lambda self, x, label: judge(self, x - x.mean(0), label)
    )
    assert finding("rows_are_independent").status == "fails"


def test_spread_is_a_mean_distance():
    images = np.array([[0.0, 0.0], [6.0, 8.0], [1.0, 1.0]])
    labels = np.array([4, 4, 7])  # two are 5 from their mean, one is its mean
    assert training._spread(images, labels) == pytest.approx(10 / 3)


def test_training_moves_both_and_is_judged(monkeypatch):
    """The judge here is one that takes every image for a 3."""
    monkeypatch.setattr(
        _judge, "judge", lambda: lambda x: jnp.eye(10)[jnp.full(len(x), 3)]
    )
    entry = gan.make(CONFIG)
    trained = zoo.train(entry, replace(entry.settings, steps=20))
    before = entry.network.init(jax.random.key(0)).params
    assert all(
        (trained.variables.params[name] != x).any() for name, x in before.items()
    )
    assert trained.metrics["recognised"] == 0.1
    assert 0 < trained.metrics["spread"] < 2
