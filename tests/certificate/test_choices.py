"""Choices that the format has no word for, written as something that it has."""

import io
import json
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.torchlean_check.builder import archive as archived
from torchlean_jax.certificate._writer import certify, graph_of

RNG = np.random.default_rng(1)
W = RNG.standard_normal((6, 4)).astype(np.float32)
BOX = tl.box(np.float32([0.2, -0.4, 0.6, 0.1, 0.9, -0.3]), radius=0.02)


def softmax(x):
    return jax.nn.softmax(x @ W)


def leaky(x):
    return jax.nn.leaky_relu(x @ W, 0.25)  # exact in any format


def elu(x):
    return jax.nn.elu(x @ W)


def smaller_half(x):
    first, second = x[:3], x[3:]
    return jnp.where(first > second, second, first)


def hard_tanh(x):
    return jax.nn.hard_tanh(x @ W)


def test_a_claim_about_executions_is_checked_and_is_of_this_model():
    above = tl.spec.linear(np.eye(4), np.zeros(4))
    options = {"semantics": "fp32", "method": "ibp", "attack": False}
    certificate = tl.verify(softmax, BOX, above, **options).certificate
    assert tl.check(certificate, model=softmax).accepted
    with pytest.raises(tl.RejectedError, match="another network"):
        tl.check(certificate, model=lambda x: softmax(2 * x))


def written(model):
    """The operations of a model's graph."""
    graph = graph_of(model, (BOX,), "fp32")
    return [node["op"] for node in graph["nodes"]]


def test_what_holds_of_finite_numbers_is_not_asked():
    def model(x):
        return softmax(x), jax.nn.logsumexp(x), jax.nn.softplus(x)

    ops = written(model)
    assert {"exp", "log", "log1p"} < set(ops) and {"ne", "is_finite"}.isdisjoint(ops)


def test_a_number_that_only_decides_has_to_be_finite_and_is_refused():
    def model(x):
        return jnp.where(jnp.isfinite(1 / x[0]), x, -x)

    with pytest.raises(tl.CertificateWriteError, match="does not need"):
        written(model)


@pytest.mark.parametrize(
    "model, words",
    [
        (jax.nn.elu, ["elu"]),
        (lambda x: jax.nn.elu(x, 0.3), ["elu"]),
        (jax.nn.selu, ["elu", "mul"]),
        (lambda x: jnp.where(x > 0, x, jnp.expm1(x)), ["elu"]),
        (lambda x: jnp.where(x <= 0, 2 * jnp.expm1(jnp.minimum(0, x)), x), ["elu"]),
        (jax.nn.hard_tanh, ["larger", "smaller"]),
        (
            lambda x: jnp.where(x < -1, -1, jnp.where(x > 1, 1, x)),
            ["smaller", "larger"],
        ),
        (lambda x: jnp.where(x > 1, 1, jnp.maximum(x, 1)), ["max", "smaller"]),
        (lambda x: jax.nn.leaky_relu(x, 0.2), ["mul", "larger"]),
        (lambda x: jnp.where(x < 0, x * 0.2, x), ["mul", "larger"]),
        (lambda x: jnp.where(jnp.greater(0, x), x * 0.2, x), ["mul", "larger"]),
        (lambda x: jax.nn.leaky_relu(x, 2.0), ["mul", "smaller"]),
        (lambda x: jax.nn.leaky_relu(x, -0.5), ["mul", "larger"]),
        (lambda x: jnp.where(x > 0, x, -x), ["neg", "larger"]),
        (lambda x: jnp.where(x > 0, x, 0), ["larger"]),
        (smaller_half, ["slice", "slice", "smaller"]),
    ],
)
def test_choices_that_are_continuous_have_words(model, words):
    assert written(model) == words


@pytest.mark.parametrize(
    "model",
    [
        lambda x: jnp.where(x > 0, 0.2 * x, x),  # the smaller one
        lambda x: jnp.where(x < 0, x, 0.2 * x),
        lambda x: jnp.where(x > 1, x, 0.2 * x),  # a jump
        lambda x: jnp.where(x[::-1] > 0, x, 0.2 * x),  # another number's sign
        lambda x: jnp.where(x > 0, x, 0.2 * x[::-1]),
        lambda x: jnp.where(x > 0, x, x * x),
        lambda x: jnp.where(x == 0, x, 0.2 * x),
        lambda x: jnp.where(x > 0, x, x * jnp.float32([2, 0, 1, 1, 1, 1])),
        lambda x: jnp.where(x > 1, 2, x),  # a jump
        lambda x: jnp.where(x > 1, jnp.nan, x),
        lambda x: jnp.where(x > 1, 1, jnp.where(x < 2, 2, x)),  # 2 below 1, then 1
        lambda x: jnp.where(x > 1, 1, jnp.where(x[::-1] < -1, -1, x[::-1])),
        lambda x: jnp.where(x < 0, x, jnp.expm1(x)),  # the sides exchanged
        lambda x: jnp.where(x > 0, x, -jnp.expm1(x)),
        lambda x: jnp.where(x > 0, x, jnp.expm1(jnp.maximum(x, 0))),
        lambda x: jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x, 0.5))),
        lambda x: jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x[::-1], 0))),
        lambda x: jnp.where(x > 0.5, x, jnp.expm1(x)),
        lambda x: jnp.where(x > 0, x, jnp.exp(x)),
    ],
)
def test_other_choices_are_refused(model):
    with pytest.raises(tl.CertificateWriteError, match="an undecided choice"):
        written(model)


def test_infinity_the_other_way_is_no_operand_to_drop():
    def model(x):
        return jnp.minimum(jnp.max(x), -jnp.inf)

    assert written(model).count("min") == 1


def at_a_point(model, below, errors=None):
    """That the model is not further below its real value at a point."""
    point = tl.box(BOX.lo, BOX.lo)
    with jax.enable_x64(True):
        real = np.asarray(model(np.asarray(BOX.lo, np.float64)), np.float64)
    rows = {"rows": np.eye(real.size), "offset": real - below}
    return certify(model, (point,), rows, "crown", errors=errors)


@pytest.mark.parametrize("model", [softmax, leaky, elu, hard_tanh])
def test_a_claim_inside_of_the_slack_is_rejected(model):
    """True over the reals; no execution is promised to be that near."""
    assert tl.check(at_a_point(model, 1e-9)).accepted
    with pytest.raises(tl.CertificateWriteError, match="do not reach the claim"):
        at_a_point(model, 1e-9, tl.ErrorModel.xla_cpu())
    assert tl.check(at_a_point(model, 1e-5, tl.ErrorModel.xla_cpu())).accepted


def tampered(certificate, change):
    """The bytes with another manifest."""
    with zipfile.ZipFile(io.BytesIO(certificate.bytes)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(
        manifest, sort_keys=True, separators=(",", ":")
    ).encode()
    return archived(members)


def test_tampering_with_what_is_assumed():
    certificate = at_a_point(softmax, 1e-5, tl.ErrorModel.xla_cpu())
    assert tl.check(tampered(certificate, lambda m: None)).accepted

    def less(manifest):
        manifest["error_model"]["ulps"]["exp"] = 49

    def none(manifest):
        del manifest["error_model"]["ulps"]["exp"]

    def of_another_function(manifest):
        ulps = manifest["error_model"]["ulps"]
        ulps["log"] = ulps.pop("exp")

    def real(manifest):
        manifest["error_model"] = None

    for change in (less, none, of_another_function, real):
        with pytest.raises(tl.RejectedError):
            tl.check(tampered(certificate, change))

    def more(manifest):
        manifest["error_model"]["ulps"]["exp"] *= 1000

    with pytest.raises(tl.RejectedError, match="not above 0"):
        tl.check(tampered(certificate, more))
