"""The digits models: data, training, and the counts that are claimed of them."""

import sys
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.zoo import digits
from torchlean_jax.zoo._extras import MissingExtraError
from torchlean_jax.zoo.digits import _train


@pytest.fixture(scope="module")
def data():
    return digits.load()


@pytest.fixture(scope="module")
def trained(data):
    """The parameters of a model after a training, trained once for all tests."""
    kept = {}

    def parameters(name, certified):
        if (name, certified) not in kept:
            model = digits.MODELS[name]
            kept[name, certified] = digits.train(model, data, certified=certified)
        return kept[name, certified]

    return parameters


def certified_count(name, params, data, eps, method):
    """Parameters are an argument here, so that both trainings share compiled bounds."""
    return sum(
        tl.verify(
            digits.MODELS[name].apply,
            (params, tl.box(image, radius=eps)),
            tl.spec.margin(label),
            method=method,
            attack=False,
            certificate=False,
        ).status
        == "proved"
        for image, label in zip(data.test_images, data.test_labels, strict=True)
    )


@pytest.mark.smoke
def test_the_data_is_what_the_claims_speak_of(data):
    assert (len(data.train_labels), len(data.test_labels)) == (1437, 360)
    for images in (data.train_images, data.test_images):
        assert images.min() == 0 and images.max() == 1
        assert (images * 16 == np.round(images * 16)).all()
    counts = np.bincount(
        data.test_labels
    )  # stratified: every digit, about equally often
    assert len(counts) == 10 and counts.min() >= 34 and counts.max() <= 37


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"torchlean-jax\[zoo\]"):
        digits.load()


@pytest.mark.parametrize("name", digits.MODELS)
def test_a_batch_is_its_images(name, data):
    model = digits.MODELS[name]
    f = digits.classifier(model, model.init(jax.random.key(1)))
    images = data.test_images[:3]
    assert f(images).shape == (3, 10)
    one_by_one = np.stack([f(image) for image in images])
    # float32 sums of at most 577 terms of size about 1, in another order
    np.testing.assert_allclose(f(images), one_by_one, atol=1e-4)


def worst_cases_agree(worst_case):
    """Against the definition: at the label the least, elsewhere the greatest logit."""
    logits = tl.box(jnp.zeros((4, 3)), jnp.arange(12.0).reshape(4, 3) + 1)
    labels = np.array([0, 2, 1, 1])
    worst = worst_case(logits, labels)
    return all(
        worst[i, j] == (logits.lo if j == labels[i] else logits.hi)[i, j]
        for i in range(4)
        for j in range(3)
    )


def test_the_worst_case_is_worst():
    assert worst_cases_agree(digits.worst_case)
    assert not worst_cases_agree(lambda logits, label: logits.hi)
    swapped = lambda logits, label: digits.worst_case(
        tl.Interval(logits.hi, logits.lo), label
    )
    assert not worst_cases_agree(swapped)


def test_the_certified_loss_bounds_the_loss_at_every_point(data):
    """The loss of the worst case is at least that of any input in the boxes."""
    model = digits.MODELS["mlp"]
    params = model.init(jax.random.key(0))
    images, labels = data.train_images[:8], data.train_labels[:8]
    worst = _train.certified_loss(model.apply, params, images, labels, 0.05)
    moves = np.random.default_rng(0).choice([-0.05, 0.05], (20, 8, 64))
    for move in moves.astype(np.float32):
        assert (
            _train.standard_loss(model.apply, params, images + move, labels, 0) < worst
        )
    assert _train.standard_loss(model.apply, params, images, labels, 0) < worst


def test_a_seed_fixes_every_bit_of_the_parameters(data, monkeypatch):
    monkeypatch.setattr(_train, "EPOCHS", 2)

    def parameters(seed):
        model = digits.MODELS["linear"]
        params = digits.train(model, data, certified=True, seed=seed)
        return np.asarray(params["weight"]).tobytes()

    assert parameters(3) == parameters(3)
    assert parameters(3) != parameters(4)


def test_every_epoch_is_a_shuffle():
    order = _train.batches(130, seed=0)
    assert order.shape == (2 * _train.EPOCHS, 64)
    first, second = order[:2].ravel(), order[2:4].ravel()
    assert len(set(first)) == len(set(second)) == 128
    assert not np.array_equal(first, second)


def integers(array):
    """Each float32 times 2**149, which makes all of them integers."""
    scaled = [Fraction(float(value)) * 2**149 for value in np.ravel(array)]
    assert all(value.denominator == 1 for value in scaled)
    return np.array([int(value) for value in scaled], dtype=object).reshape(array.shape)


def exact_count(params, data, eps):
    """Images whose label a linear classifier keeps on the box, in exact arithmetic.

    A margin sum d_i (2 x_i - 1) + e is least where each term is, at one end of x_i.
    """
    weight, bias = integers(params["weight"]), integers(params["bias"]) * 2**149
    count = 0
    for image, label in zip(data.test_images, data.test_labels, strict=True):
        box = tl.box(image, radius=eps)
        ends = [2 * integers(end)[:, None] - 2**149 for end in (box.lo, box.hi)]
        slopes = weight[:, [label]] - np.delete(weight, label, axis=1)
        least = np.minimum(slopes * ends[0], slopes * ends[1]).sum(axis=0)
        count += (least + bias[label] - np.delete(bias, label) > 0).all()
    return count


@pytest.mark.parametrize(("certified", "eps"), [(True, 0.05), (False, 0.02)])
def test_crown_loses_no_image_of_the_linear_model(trained, data, certified, eps):
    params = trained("linear", certified)
    exact = exact_count(params, data, eps)
    assert certified_count("linear", params, data, eps, "crown") == exact
    assert certified_count("linear", params, data, eps, "ibp") < exact  # it can fail


@pytest.mark.parametrize(
    ("certified", "eps", "claimed"),
    [(True, 0.02, 345), (True, 0.05, 315), (False, 0.02, 320)],
)
def test_crown_certifies_as_many_images_as_claimed(
    trained, data, certified, eps, claimed
):
    params = trained("mlp", certified)
    assert certified_count("mlp", params, data, eps, "crown") >= claimed


def test_certified_training_costs_little_accuracy(trained, data):
    def accuracy(certified):
        params = trained("mlp", certified)
        logits = digits.MODELS["mlp"].apply(params, data.test_images)
        return (np.asarray(logits).argmax(-1) == data.test_labels).mean()

    assert accuracy(True) >= accuracy(False) - 0.02
