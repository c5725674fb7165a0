"""The switch of the classifiers to training on the worst case within a radius."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import mlp
from torchlean_jax.zoo._classifiers import Classifier
from torchlean_jax.zoo._network import Variables
from torchlean_jax.zoo._settings import BOUNDS

RADIUS = 0.05
RANDOM = np.random.default_rng(0)
BATCH = {
    "image": RANDOM.uniform(0, 1, (5, 64)).astype(np.float32),
    "label": RANDOM.integers(0, 10, 5),
}
LINEAR = RANDOM.standard_normal((64, 10)).astype(np.float32)


PERCEPTRON = Classifier(mlp.ENTRY.network.apply)


def linear(variables, image, training=False):
    return image @ variables.params["w"], variables.state


def exactly(radius):
    """The mean cross entropy of the largest differences of a linear map on a box,
    z_k - z_y = (w_k - w_y) x + radius |w_k - w_y|_1, in float64."""
    w, images = LINEAR.astype(float), BATCH["image"].astype(float)
    found = []
    for image, label in zip(images, BATCH["label"], strict=True):
        apart = w - w[:, [label]]
        found.append(image @ apart + radius * np.abs(apart).sum(0))
    return np.mean(np.log(np.exp(found).sum(-1)))


@pytest.mark.parametrize("radius", [0.0, RADIUS])
def test_of_a_linear_map_crown_ibp_is_exact_and_intervals_are_not_less(radius):
    variables = Variables({"w": jnp.asarray(LINEAR)}, {})

    @functools.partial(jax.jit, static_argnums=1)
    def worst(radius, method):
        given = variables, BATCH, None, radius, method
        return Classifier(linear).certified_loss(*given)[0]

    by_crown, by_intervals = (
        float(worst(jnp.float32(radius), m)) for m in ("crown-ibp", "ibp")
    )
    assert by_crown == pytest.approx(exactly(radius), rel=1e-4)
    assert by_intervals >= (1 - 1e-4) * exactly(radius)


@pytest.mark.parametrize("method", BOUNDS)
def test_the_loss_of_the_worst_case_is_above_that_of_an_attack(method):
    """And its gradient is finite."""
    entry = mlp.ENTRY
    variables = entry.network.init(jax.random.key(0))

    def ordinary(image):
        logits = entry.network.apply(variables, image)[0]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, BATCH["label"])
        return losses.mean()

    image = jnp.asarray(BATCH["image"])
    attack = image + RADIUS * jnp.sign(jax.grad(ordinary)(image))

    def certified(params):
        given = Variables(params, variables.state), BATCH, None, RADIUS, method
        return PERCEPTRON.certified_loss(*given)[0]

    worst, gradient = jax.value_and_grad(certified)(variables.params)
    assert float(ordinary(image)) < float(ordinary(attack)) <= float(worst)
    assert all(bool(jnp.isfinite(g).all()) for g in gradient.values())
    assert float(optax.tree.norm(gradient)) > 0


def test_the_radius_grows_over_the_first_half():
    """From nothing, at step 0."""
    settings = replace(mlp.ENTRY.settings, steps=100, certified=RADIUS)
    variables = mlp.ENTRY.network.init(jax.random.key(0))

    @jax.jit
    def at(number):
        return mlp.ENTRY.loss_for(settings, number)(variables, BATCH, None)[0]

    @jax.jit
    def within(radius):
        return PERCEPTRON.certified_loss(variables, BATCH, None, radius)[0]

    none, half, whole = (float(within(share * RADIUS)) for share in (0.0, 0.5, 1.0))
    found = [float(at(number)) for number in (0, 25, 50, 99)]
    assert found == pytest.approx([none, half, whole, whole])
    ordinary = float(mlp.ENTRY.loss(variables, BATCH, None)[0])
    assert ordinary <= none < half < whole  # bounds are rounded outward


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet", "vit", "rnn", "lstm", "gru"])
def test_every_classifier_of_images_has_the_switch(name):
    assert zoo.entry(name).certified_loss is not None


def test_bounds_of_another_name_are_refused():
    with pytest.raises(InputError, match="crown-ibp"):
        zoo.Settings(certified_by="crwn")
