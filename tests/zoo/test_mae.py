"""The masked autoencoder: its claims hold, and each fault that is planted is found."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import mae
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo._images import images, patches, unpatched
from torchlean_jax.zoo.mae import claims, model
from torchlean_jax.zoo.mae import train as training

CONFIG = mae.Config(width=4, depth=1, decoded=1, heads=1)


def finding(name):
    """On a fresh entry: a network that was traced keeps what it was made of."""
    trained = zoo.untrained(mae.make(CONFIG))
    (claim,) = (c for c in trained.entry.claims if c.__name__ == name)
    return check_claim(claim, trained)


@pytest.mark.parametrize("claim", [c.__name__ for c in mae.make(CONFIG).claims[:-1]])
def test_the_claim_holds(claim):
    """But for the gradient, which takes ten seconds: the readers' tests share it."""
    found = finding(claim)
    assert found.status == "holds", found.evidence


def test_a_norm_over_all_patches_is_found(monkeypatch):
    """A leak of one number: the mean of the image, hidden patches included."""
    encode = model.MAE.encode

    def leaks(self, image, order):
        return encode(self, image, order) + image.mean(-1)[:, None, None]

    monkeypatch.setattr(model.MAE, "encode", leaks)
    found = finding("masked_patches_do_not_reach_the_encoder")
    assert found.status == "fails"


def test_a_patch_too_many_is_found(monkeypatch):
    """The encoder is shown one of the patches that count as hidden."""
    monkeypatch.setattr(model, "SHOWN", model.SHOWN + 1)
    found = finding("masked_patches_do_not_reach_the_encoder")
    assert found.status == "fails"


def test_an_error_of_all_patches_is_found(monkeypatch):
    def all_of_them(found, image, order):
        return ((found - patches(image, model.SIDE)) ** 2).mean()

    monkeypatch.setattr(claims, "error", all_of_them)
    assert finding("the_error_is_of_hidden_patches").status == "fails"


def test_places_that_do_not_follow_their_patches_are_found(monkeypatch):
    """The places are added in the order of the image instead."""

    def in_order(self, image, order):
        shown = order[:, : model.SHOWN]
        x = self.embed(model.chosen(patches(image, model.SIDE), shown))
        x = x + self.places[: model.SHOWN]
        for block in self.encoder:
            x = block(x)
        return self.norm_code(x)

    monkeypatch.setattr(model.MAE, "encode", in_order)
    assert finding("the_code_does_not_tell_the_order").status == "fails"


def test_rows_that_mix_are_found(monkeypatch):
    decode = model.MAE.decode

    def mixing(self, code, order):
        return decode(self, code - code.mean(0), order)

    monkeypatch.setattr(model.MAE, "decode", mixing)
    assert finding("rows_are_independent").status == "fails"


def test_the_decoder_puts_patches_in_their_places():
    """With an identity for blocks, norms and layers, what is decoded at a place is the
    code of the patch that is there, or the vector of the hidden ones."""
    order = jnp.asarray(np.random.default_rng(0).permutation(16))[None]
    code = 1.0 + jnp.arange(model.SHOWN)[None, :, None]  # never 0
    rest = jnp.zeros((1, model.PATCHES - model.SHOWN, 1))
    placed = model.chosen(jnp.concatenate([code, rest], 1), jnp.argsort(order))
    for number, place in enumerate(order[0].tolist()):
        expected = number + 1.0 if number < model.SHOWN else 0.0
        assert placed[0, place, 0] == expected


@pytest.mark.parametrize("side", [1, 2, 4, 8])
def test_images_are_put_together_again(side):
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 64)))
    assert jnp.array_equal(unpatched(patches(image, side)), image)


def test_linear_prediction_is_that_of_scikit_learn():
    """Of ordinary least squares, in the same pixels."""
    from sklearn.linear_model import LinearRegression

    digits = images().digits
    order = np.random.default_rng(0).permutation(16)
    row, column = np.divmod(np.arange(64), 8)
    patch = 4 * (row // 2) + column // 2
    seen = np.isin(patch, order[: model.SHOWN])
    fitted = LinearRegression().fit(
        digits.train_images[:, seen].astype(float), digits.train_images[:, ~seen]
    )
    off = fitted.predict(digits.test_images[:, seen]) - digits.test_images[:, ~seen]
    assert training._linear(digits, order) == pytest.approx((off**2).mean(), rel=1e-6)


def test_training_lowers_the_error():
    entry = mae.make(CONFIG)
    trained = zoo.train(entry, replace(entry.settings, steps=60, lr=0.01, warmup=5))
    before = entry.evaluate(entry.network.init(jax.random.key(0)), trained.data)
    assert trained.metrics["squared_error"] < before["squared_error"]
    assert trained.metrics["of_linear"] < before["of_linear"]
    assert entry.show is not None
    assert len(entry.show(trained.variables, trained.data).splitlines()) == 3 * 8 + 2
