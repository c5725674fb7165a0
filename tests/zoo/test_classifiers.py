"""The classifiers of digits: claims that hold, planted faults, data of one's own."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import _classifiers, cnn, mlp
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo._images import images
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.cnn import claims as cnn_claims
from torchlean_jax.zoo.cnn import model as cnn_model
from torchlean_jax.zoo.mlp.model import apply as perceptron_apply


@pytest.fixture(scope="module")
def perceptron():
    return zoo.train(mlp.ENTRY, replace(mlp.ENTRY.settings, steps=400))


def test_the_perceptron_learns_and_its_claims_hold(perceptron):
    assert perceptron.metrics["accuracy"] > 0.95
    certified = _classifiers.certified(
        _classifiers.Classifier(perceptron_apply), 0.005, 3, 3
    )
    for claim in (*perceptron.entry.claims[:2], certified):
        finding = check_claim(claim, perceptron)
        assert finding.status == "holds", finding.evidence


def test_rows_that_mix_are_found(perceptron):
    def mixing(variables, image, training=False):
        logits, state = perceptron_apply(variables, image)
        return logits - logits.mean(0), state

    claim = _classifiers.apart(_classifiers.Classifier(mixing))
    assert check_claim(claim, perceptron).status == "fails"


def test_a_wrong_gradient_is_found(perceptron):
    def stopped(variables, image, training=False):
        logits, state = perceptron_apply(variables, image)
        return logits + jax.lax.stop_gradient(logits), state

    claim = _classifiers.differentiable(_classifiers.Classifier(stopped))
    assert check_claim(claim, perceptron).status == "fails"


def test_labels_that_are_wrong_are_not_certified(perceptron):
    def shifted(variables, image, training=False):
        logits, state = perceptron_apply(variables, image)
        return logits[..., ::-1], state

    claim = _classifiers.certified(_classifiers.Classifier(shifted), 0.005, 3, 3)
    assert check_claim(claim, perceptron).status == "fails"


@pytest.fixture
def convolutional(monkeypatch):
    """A thinner network under the same names."""
    monkeypatch.setattr(cnn_model, "CHANNELS", (1, 2, 2, 2))
    network, plain = Network(cnn_model.NETWORK.make), Network(cnn_model.PLAIN.make)
    for module in (cnn_model, cnn_claims):
        monkeypatch.setattr(module, "NETWORK", network)
        monkeypatch.setattr(module, "PLAIN", plain)
    return zoo.untrained(replace(cnn.ENTRY, init=network.init, network=network))


@pytest.mark.parametrize("number", range(3))
def test_the_claims_of_the_convolutional_network_hold(number, convolutional):
    finding = check_claim(cnn.ENTRY.claims[number], convolutional)
    assert finding.status == "holds", finding.evidence


def test_a_folding_that_forgets_the_mean_is_found(monkeypatch, convolutional):
    def forgetful(variables):
        params, state = variables
        zero = {k: v * 0 if k.endswith("mean") else v for k, v in state.items()}
        return cnn_model.folded(type(variables)(params, zero))

    monkeypatch.setattr(cnn_claims, "folded", forgetful)
    claim = cnn_claims.folding_preserves_the_function
    assert check_claim(claim, convolutional).status == "fails"


def test_a_network_that_draws_in_evaluation_is_found(monkeypatch, convolutional):
    class Noisy:
        def apply(self, variables, image):
            noise = jax.random.normal(jax.random.key(0), image.shape)
            return convolutional.entry.network.apply(variables, image + noise)

    monkeypatch.setattr(cnn_claims, "NETWORK", Noisy())
    claim = cnn_claims.evaluation_draws_nothing
    assert check_claim(claim, convolutional).status == "fails"


def test_training_moves_the_averages():
    trained = zoo.train(cnn.ENTRY, replace(cnn.ENTRY.settings, steps=10))
    assert not np.allclose(trained.variables.state["norms.0.mean"], 0)


def test_every_image_is_seen_once_in_an_epoch():
    digits = images()
    seen = np.concatenate([digits.batch(n, 64, 0)["image"] for n in range(22)])
    known = {image.tobytes() for image in digits.digits.train_images}
    assert {image.tobytes() for image in seen} <= known
    assert len(np.unique(seen, axis=0)) == len(
        np.unique(digits.digits.train_images, axis=0)
    ) - (1437 - 22 * 64)


def test_a_table_of_ones_own_is_read_and_looked_at(tmp_path):
    random = np.random.default_rng(0)
    table = np.concatenate([random.uniform(size=(10, 64)), np.full((10, 1), 3)], 1)
    np.save(tmp_path / "own.npy", table)
    np.savetxt(tmp_path / "own.csv", table, delimiter=",")
    for name in ("own.npy", "own.csv"):
        found = images(str(tmp_path / name))
        assert found.digits.train_images.shape == (8, 64)
        assert found.digits.test_labels.tolist() == [3, 3]
    np.save(tmp_path / "bad.npy", table * 2)
    (tmp_path / "bad.csv").write_text("a,b\n")
    np.save(tmp_path / "short.npy", table[:, :-1])
    for name in ("bad.npy", "bad.csv", "short.npy", "absent.csv", "own.txt"):
        with pytest.raises(InputError, match=name):
            images(str(tmp_path / name))
