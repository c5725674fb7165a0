"""Optimisers, schedules, losses and norms are what was published; faults are found."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

from torchlean_jax import zoo
from torchlean_jax.zoo import published
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo._optimizers import OPTIMIZERS, SCHEDULES
from torchlean_jax.zoo.published import losses, norms, optimizers, schedules


@pytest.mark.parametrize("name", published.NAMES)
def test_every_claim_holds(name):
    for finding in zoo.published.check(name):
        assert finding.status == "holds", finding


def test_every_optimiser_and_schedule_has_a_claim():
    assert [claim.__name__ for claim in optimizers.CLAIMS] == list(OPTIMIZERS)
    assert [c.__name__.replace("_", "-") for c in schedules.CLAIMS] == list(SCHEDULES)


def status(claim):
    return check_claim(claim, None).status


def without_correction(rate, settings):
    """Adam whose averages begin at zero and are not made up for it."""

    def update(g, state, w):
        m, v = state
        m = settings.b1 * m + (1 - settings.b1) * g
        v = settings.b2 * v + (1 - settings.b2) * g**2
        return -rate * m / (jnp.sqrt(v) + 1e-8), (m, v)

    return SimpleNamespace(init=lambda w: (0.0 * w, 0.0 * w), update=update)


FAULTS = {
    "sgd": lambda rate, s: optax.sgd(2 * rate),
    "momentum": lambda rate, s: optax.sgd(rate, momentum=s.momentum, nesterov=True),
    "adam": without_correction,
    "adamw": lambda rate, s: optax.chain(
        optax.add_decayed_weights(s.weight_decay), optax.adam(rate, s.b1, s.b2)
    ),
    "adagrad": lambda rate, s: optax.adagrad(rate, initial_accumulator_value=0.2),
    "rmsprop": lambda rate, s: optax.rmsprop(rate, eps_in_sqrt=False),
    "lion": lambda rate, s: optax.lion(rate, b1=0.99, b2=0.9, weight_decay=0.125),
    "muon": lambda rate, s: optax.contrib.muon(
        rate, nesterov=False, weight_decay=0.125
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_another_recurrence_is_found(name, monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, name, FAULTS[name])
    assert status(getattr(optimizers, name)) == "fails"


@pytest.mark.parametrize("name", SCHEDULES)
def test_another_curve_is_found(name, monkeypatch):
    right = SCHEDULES[name]

    def late(settings):
        return lambda t: right(settings)(t - 1) * (1 + 1e-6)

    monkeypatch.setitem(SCHEDULES, name, late)
    assert status(getattr(schedules, name.replace("-", "_"))) == "fails"


def smoothed(logits, label):
    p = optax.smooth_labels(jax.nn.one_hot(label, logits.size), 0.125)
    return optax.softmax_cross_entropy(logits, p)


@pytest.mark.parametrize(
    ("claim", "name", "wrong"),
    [
        (losses.cross_entropy, "softmax_cross_entropy_with_integer_labels", smoothed),
        (
            losses.cross_entropy_of_a_distribution,
            "softmax_cross_entropy",
            lambda x, p: optax.softmax_cross_entropy(x / 2, p),
        ),
        (losses.squared_error, "l2_loss", lambda x, y: (x - y) ** 2),
        (
            losses.divergence,
            "kl_divergence",
            lambda q, p: optax.kl_divergence(q, p) + p.sum(),
        ),
    ],
)
def test_another_loss_is_found(claim, name, wrong, monkeypatch):
    monkeypatch.setattr(losses, "optax", SimpleNamespace(**{name: wrong}))
    assert status(claim) == "fails"


@pytest.mark.parametrize("claim", norms.CLAIMS)
def test_another_epsilon_is_found(claim, monkeypatch):
    def other(kind):
        return functools.partial(_with_epsilon, kind)

    def _with_epsilon(kind, *args, epsilon, **kwargs):
        return kind(*args, epsilon=2 * epsilon, **kwargs)

    kinds = (nnx.LayerNorm, nnx.RMSNorm, nnx.GroupNorm, nnx.BatchNorm)
    names = {kind.__name__: other(kind) for kind in kinds}
    monkeypatch.setattr(norms, "nnx", SimpleNamespace(**names))
    assert status(claim) == "fails"
