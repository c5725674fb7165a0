"""The classifiers of digits: claims that hold, planted faults, data of one's own."""

import functools
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.pallas_kernels.attention import attention
from torchlean_jax.zoo import _classifiers, cnn, mlp, resnet, vit
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo._convolution import folded
from torchlean_jax.zoo._images import images
from torchlean_jax.zoo.mlp.model import NETWORK as PERCEPTRON
from torchlean_jax.zoo.resnet.model import network as resnet_network
from torchlean_jax.zoo.vit import claims as vit_claims
from torchlean_jax.zoo.vit.model import patches


@pytest.fixture(scope="module")
def perceptron():
    return zoo.train(mlp.ENTRY, replace(mlp.ENTRY.settings, steps=400))


def test_the_perceptron_learns_and_its_claims_hold(perceptron):
    assert perceptron.metrics["accuracy"] > 0.95
    certified = _classifiers.certified(
        _classifiers.Classifier(PERCEPTRON.apply), 0.005, 3, 3
    )
    for claim in (*perceptron.entry.claims[:2], certified):
        finding = check_claim(claim, perceptron)
        assert finding.status == "holds", finding.evidence


def test_rows_that_mix_are_found(perceptron):
    def mixing(variables, image, training=False):
        logits, state = PERCEPTRON.apply(variables, image)
        return logits - logits.mean(0), state

    claim = _classifiers.apart(_classifiers.Classifier(mixing))
    assert check_claim(claim, perceptron).status == "fails"


def test_a_wrong_gradient_is_found(perceptron):
    def stopped(variables, image, training=False):
        logits, state = PERCEPTRON.apply(variables, image)
        return logits + jax.lax.stop_gradient(logits), state

    claim = _classifiers.differentiable(_classifiers.Classifier(stopped))
    assert check_claim(claim, perceptron).status == "fails"


def test_labels_that_are_wrong_are_not_certified(perceptron):
    def shifted(variables, image, training=False):
        logits, state = PERCEPTRON.apply(variables, image)
        return logits[..., ::-1], state

    claim = _classifiers.certified(_classifiers.Classifier(shifted), 0.005, 3, 3)
    assert check_claim(claim, perceptron).status == "fails"


@pytest.mark.parametrize(
    ("status", "blob", "found"),
    [
        ("proved", b"not a certificate", "unknown"),
        ("proved", None, "unknown"),
        ("unknown", None, "unknown"),
        ("refuted", None, "fails"),
    ],
)
def test_labels_count_by_certificates_that_are_accepted(
    monkeypatch, status, blob, found
):
    """Whatever `verify` says: the checker reads what it wrote."""
    certificate = blob and SimpleNamespace(bytes=blob)
    verdict = SimpleNamespace(status=status, certificate=certificate)
    monkeypatch.setattr(_classifiers.tl, "verify", lambda *args, **options: verdict)
    claim = _classifiers.certified(
        _classifiers.Classifier(PERCEPTRON.apply), 0.005, 2, 1
    )
    assert check_claim(claim, zoo.untrained(mlp.ENTRY)).status == found


THIN = {
    "cnn": cnn.make(cnn.Config(channels=(2, 2, 2))),
    "resnet": resnet.make(resnet.Config(channels=(2, 2))),
    "vit": vit.make(vit.Config(width=4, depth=1, heads=2, patch=4)),
}


@pytest.mark.parametrize("name", THIN)
def test_the_claims_of_a_network_hold(name):
    """Gradient and certified labels are claims that the perceptron's tests share."""
    for claim in THIN[name].claims[:3]:
        finding = check_claim(claim, zoo.untrained(THIN[name]))
        assert finding.status == "holds", finding.evidence


def test_without_certificates_what_bounds_prove_counts(monkeypatch):
    verdict = SimpleNamespace(status="proved", certificate=None)
    monkeypatch.setattr(_classifiers.tl, "verify", lambda *args, **options: verdict)
    classifier = _classifiers.Classifier(PERCEPTRON.apply)
    for certificate, status in ((False, "holds"), (True, "unknown")):
        claim = _classifiers.certified(classifier, 0.005, 2, 1, "crown", certificate)
        assert check_claim(claim, zoo.untrained(mlp.ENTRY)).status == status


def test_labels_of_attention_are_certified_by_zonotopes(monkeypatch):
    """Those that the network gives an image, and no other."""
    trained = zoo.untrained(THIN["vit"])
    image = images(None).digits.test_images[:1]
    given = int(trained.function()(image[0]).argmax())
    by_bounds = functools.partial(_classifiers.tl.verify, attack=False)
    monkeypatch.setattr(_classifiers.tl, "verify", by_bounds)

    def status(label):
        digits = SimpleNamespace(test_images=image, test_labels=np.array([label]))
        classifier = _classifiers.Classifier(trained.entry.network.apply)
        claim = _classifiers.certified(classifier, 1e-4, 1, 1, method="zonotope")
        data = SimpleNamespace(digits=digits)
        return check_claim(claim, replace(trained, data=data)).status

    assert status(given) == "holds"
    assert status((given + 1) % 10) == "unknown"


def test_a_folding_that_forgets_the_mean_is_found():
    def forgetful(variables):
        params, state = variables
        zero = {k: v * 0 if k.endswith("mean") else v for k, v in state.items()}
        return folded(type(variables)(params, zero))

    network = resnet_network(resnet.Config(channels=(2,)))
    plain = resnet_network(resnet.Config(channels=(2,), normalised=False))
    claim = _classifiers.folding(network, plain, forgetful)
    small = zoo.untrained(resnet.make(resnet.Config(channels=(2,))))
    assert check_claim(claim, small).status == "fails"


def test_a_network_that_draws_in_evaluation_is_found():
    trained = zoo.untrained(THIN["cnn"])
    network = trained.entry.network

    class Noisy:
        def apply(self, variables, image):
            noise = jax.random.normal(jax.random.key(0), image.shape)
            return network.apply(variables, image + noise)

    claim = _classifiers.deterministic(Noisy())
    assert "random" in check_claim(claim, trained).evidence
    assert check_claim(claim, trained).status == "fails"


def test_a_network_that_moves_its_averages_in_evaluation_is_found():
    trained = zoo.untrained(THIN["cnn"])
    network = trained.entry.network

    class Moving:
        def apply(self, variables, image):
            return network.apply(variables, image + 1, training=True)

    finding = check_claim(_classifiers.deterministic(Moving()), trained)
    assert finding.status == "fails" and "mean" in finding.evidence


@pytest.mark.parametrize("fault", [{"scale": 1.0}, {"causal": True}])
def test_attention_that_is_not_the_composed_one_is_found(fault, monkeypatch):
    wrong = functools.partial(attention, **fault)
    monkeypatch.setattr(vit_claims, "attention", wrong)
    claim = vit_claims.fused_attention_is_the_composed_one
    assert check_claim(claim, zoo.untrained(THIN["vit"])).status == "fails"


def test_patches_are_those_of_the_image():
    image = np.arange(64).reshape(8, 8)
    for number, patch in enumerate(patches(jnp.asarray(image.reshape(64)), 2)):
        row, column = divmod(number, 4)
        block = image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert patch.tolist() == block.reshape(4).tolist()


def test_training_moves_the_averages():
    trained = zoo.train(THIN["cnn"], replace(cnn.ENTRY.settings, steps=10))
    means = trained.variables.state["convolutions.0.norm.mean"]
    assert not np.allclose(means, 0)


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
