"""The autoencoders, plain and quantised: claims that hold, planted faults."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import ae, vqvae
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.ae import claims as ae_claims
from torchlean_jax.zoo.vqvae import claims as vqvae_claims
from torchlean_jax.zoo.vqvae import model as vqvae_model


def brief(entry):
    return zoo.train(entry, replace(entry.settings, steps=100))


@pytest.fixture(scope="module")
def plain():
    return brief(ae.ENTRY)


@pytest.fixture(scope="module")
def quantised():
    return brief(vqvae.ENTRY)


@pytest.mark.parametrize("claim", ae_claims.CLAIMS, ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim, plain):
    finding = check_claim(claim, plain)
    assert finding.status == "holds", finding.evidence


@pytest.mark.parametrize("claim", vqvae_claims.CLAIMS, ids=lambda c: c.__name__)
def test_the_quantised_claim_holds(claim, quantised):
    finding = check_claim(claim, quantised)
    assert finding.status == "holds", finding.evidence


def test_trainings_reach_what_is_better_than_nothing(plain, quantised):
    for trained in (plain, quantised):
        entry = trained.entry
        before = entry.evaluate(entry.network.init(jax.random.key(0)), trained.data)
        assert trained.metrics["squared_error"] < 0.7 * before["squared_error"]
    assert 1 < quantised.metrics["perplexity"] <= quantised.metrics["words_used"]


def test_the_linear_code_is_that_of_scikit_learn(plain):
    from sklearn.decomposition import PCA

    digits = plain.data.digits
    found = PCA(ae.model.CODE, svd_solver="full").fit(digits.train_images)
    again = found.inverse_transform(found.transform(digits.test_images))
    error = ((again - digits.test_images) ** 2).mean()
    ours = plain.metrics["squared_error"] / plain.metrics["of_linear"]
    assert ours == pytest.approx(error, rel=1e-4)


def fails(claim, trained):
    assert check_claim(claim, trained).status == "fails"


def test_pixels_that_pass_by_the_code_are_found(monkeypatch, plain):
    def leaking(self, image):
        return self.decode(self.encode(image)) + 1e-3 * image

    monkeypatch.setattr(ae.Autoencoder, "__call__", leaking)
    fails(ae_claims.only_the_code_gets_through, plain)


def test_a_choice_that_stops_the_gradient_is_found(monkeypatch, quantised):
    monkeypatch.setattr(
        vqvae_claims, "straight_through", lambda code, chosen: chosen + 0 * code
    )
    fails(vqvae_claims.straight_through_is_as_declared, quantised)


def test_a_commitment_that_moves_the_words_is_found(monkeypatch, quantised):
    def without_its_stop(pixels, image, code, chosen):
        right = vqvae_model.terms(pixels, image, code, chosen)
        return *right[:2], 0.25 * ((code - chosen) ** 2).mean((1, 2))

    monkeypatch.setattr(vqvae_claims, "terms", without_its_stop)
    fails(vqvae_claims.each_term_moves_its_own, quantised)


def test_words_that_are_not_nearest_are_found(monkeypatch, quantised):
    def by_largest_difference(code, codebook):
        return abs(code[..., None, :] - codebook).max(-1).argmin(-1)

    monkeypatch.setattr(vqvae_model, "nearest", by_largest_difference)
    fails(vqvae_claims.the_nearest_word_is_chosen, quantised)


def test_a_code_beside_the_words_is_found(monkeypatch, quantised):
    def half_way(code, chosen):
        return chosen + (code - jax.lax.stop_gradient(code)) + 1e-3 * code

    monkeypatch.setattr(vqvae_claims, "straight_through", half_way)
    fails(vqvae_claims.words_are_all_there_is, quantised)


def test_rows_that_mix_are_found(monkeypatch, plain, quantised):
    for module, claims, trained in (
        (ae.Autoencoder, ae_claims, plain),
        (vqvae.VQVAE, vqvae_claims, quantised),
    ):
        right = module.encode

        def mixed(self, image, right=right):
            code = right(self, image)
            return code - code.mean(0)

        monkeypatch.setattr(module, "encode", mixed)
        fails(claims.rows_are_independent, trained)


def test_the_first_of_equally_near_words_is_taken():
    codebook = jnp.array([[3.0], [1.0], [-1.0], [1.0]])
    found = vqvae.nearest(jnp.array([[0.0], [1.0], [2.5]]), codebook)
    np.testing.assert_array_equal(found, [1, 1, 0])
