"""The switch of the classifiers to training on the worst case within a radius."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import cnn, mlp
from torchlean_jax.zoo._classifiers import Classifier
from torchlean_jax.zoo._network import Variables

RADIUS = 0.05
RANDOM = np.random.default_rng(0)
BATCH = {
    "image": RANDOM.uniform(0, 1, (5, 64)).astype(np.float32),
    "label": RANDOM.integers(0, 10, 5),
}
LINEAR = RANDOM.standard_normal((64, 10)).astype(np.float32)


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
    by_crown, by_intervals = (
        float(Classifier(linear).certified_loss(variables, BATCH, None, radius, m)[0])
        for m in ("crown-ibp", "ibp")
    )
    assert by_crown == pytest.approx(exactly(radius), rel=1e-4)
    assert by_intervals >= (1 - 1e-4) * exactly(radius)


@pytest.mark.parametrize(
    ("entry", "method"),
    [
        (mlp.ENTRY, "ibp"),
        (mlp.ENTRY, "crown-ibp"),
        (cnn.make(cnn.Config((2, 2, 2))), "ibp"),
    ],
    ids=["mlp by ibp", "mlp by crown-ibp", "cnn by ibp"],
)
def test_the_loss_of_the_worst_case_is_above_that_of_an_attack(entry, method):
    """And its gradient is finite."""
    variables = entry.network.init(jax.random.key(0))

    def ordinary(image):
        logits = entry.network.apply(variables, image)[0]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, BATCH["label"])
        return losses.mean()

    image = jnp.asarray(BATCH["image"])
    attack = image + RADIUS * jnp.sign(jax.grad(ordinary)(image))

    def certified(params):
        given = Variables(params, variables.state), BATCH, None, RADIUS, method
        return entry.certified_loss(*given)[0]

    worst, gradient = jax.value_and_grad(certified)(variables.params)
    assert float(ordinary(image)) < float(ordinary(attack)) <= float(worst)
    assert all(bool(jnp.isfinite(g).all()) for g in gradient.values())
    assert float(optax.tree.norm(gradient)) > 0


def test_the_radius_grows_over_the_first_half():
    """At step 0 the loss is the ordinary one."""
    settings = replace(mlp.ENTRY.settings, steps=100, certified=RADIUS)
    variables = mlp.ENTRY.network.init(jax.random.key(0))

    def at(number):
        loss = mlp.ENTRY.loss_for(settings, number)
        return float(loss(variables, BATCH, None)[0])

    whole, half = (
        float(mlp.ENTRY.certified_loss(variables, BATCH, None, radius)[0])
        for radius in (RADIUS, RADIUS / 2)
    )
    ordinary = float(mlp.ENTRY.loss(variables, BATCH, None)[0])
    assert at(0) == pytest.approx(ordinary, rel=1e-4)
    assert at(25) == pytest.approx(half, rel=1e-6)
    assert at(50) == at(99) == pytest.approx(whole, rel=1e-6)
    assert ordinary < half < whole


def test_bounds_of_another_name_are_refused():
    with pytest.raises(InputError, match="crown-ibp"):
        zoo.Settings(certified_by="crwn")
