"""Certificates of claims about executions, as `verify` writes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl

RNG = np.random.default_rng(1)
W = RNG.standard_normal((6, 4)).astype(np.float32)
BOX = tl.box(np.float32([0.2, -0.4, 0.6, 0.1, 0.9, -0.3]), radius=0.02)


def verdict(model, **options):
    lower = np.asarray(tl.bounds(model)(BOX).lo, np.float64).ravel()
    spec = tl.spec.linear(np.eye(lower.size), lower - 0.1)
    return tl.verify(model, BOX, spec, semantics="fp32", attack=False, **options)


def cast(x):
    return jnp.tanh((x @ W).astype(jnp.float16)).astype(jnp.float32) / 3


def test_casts_round_and_the_digest_is_of_the_model():
    certificate = verdict(cast).certificate
    report = tl.check(certificate, model=cast)
    assert report.accepted and "quotient rounds 2 times" in report.claim
    with pytest.raises(tl.RejectedError, match="another network"):
        tl.check(certificate, model=lambda x: jnp.tanh(x @ W) / 3)


def test_products_of_fewer_bits_are_said():
    found = verdict(lambda x: jax.nn.relu(x @ W), errors=tl.ErrorModel.tf32())
    claim = tl.check(found.certificate).claim
    assert "within a relative 1/2048" in claim and "by 2 units" in claim


def mixed(x):
    half = x.astype(jnp.bfloat16), W.astype(jnp.bfloat16)
    return 0.01 * jnp.dot(*half, preferred_element_type=jnp.float32)


@pytest.mark.parametrize(
    "model, reason",
    [
        (mixed, "no word for products of bfloat16 that give float32"),
        (lambda x: jnp.where(x > 0, x, x * x), "an undecided choice"),
    ],
)
def test_what_the_format_cannot_say_is_a_reason(model, reason):
    found = verdict(model)
    assert found.status == "proved" and found.certificate is None
    assert reason in found.why_no_certificate
