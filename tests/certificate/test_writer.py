"""Certificates of traced models: the independent checker accepts what was proved.

The checker shares no code with the bounds; it re-derives each margin in exact
arithmetic.
"""

import io
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_check
import torchlean_jax as tl

RNG = np.random.default_rng(1)
W1 = RNG.standard_normal((6, 8)).astype(np.float32)
W2 = RNG.standard_normal((8, 3)).astype(np.float32)
KERNEL = (RNG.standard_normal((3, 3, 1, 2)) / 3).astype(np.float32)
BOX = tl.box(np.float32([0.2, -0.4, 0.6, 0.1, 0.9, -0.3]), radius=0.02)
IMAGE = tl.box(RNG.random((4, 4, 1)).astype(np.float32), radius=0.02)


def convolved(x):
    numbers = ("NHWC", "HWIO", "NHWC")
    h = lax.conv_general_dilated(
        x[None], KERNEL, (1, 1), "SAME", dimension_numbers=numbers
    )
    return jax.nn.relu(h + jnp.float32([0.1, -0.1]))


MODELS = {
    "dense": (lambda x: jax.nn.relu(x @ W1) @ W2, BOX),
    "leaky": (lambda x: jax.nn.leaky_relu(x @ W1) @ W2, BOX),
    "residual": (lambda x: (jax.nn.relu(x @ W1[:, :6]) + 0.5 * x)[:3], BOX),
    "normalised weights": (lambda x: x @ (W1 / jnp.linalg.norm(W1, axis=0)), BOX),
    "gather, reverse, pad": (
        lambda x: jnp.pad(x[jnp.array([3, 0])], 1)[::-1] - 2.0,
        BOX,
    ),
    "split": (lambda x: sum(jnp.split(x, 3)) / 3.0, BOX),
    "scan": (
        lambda x: lax.scan(
            lambda c, w: (jax.nn.relu(c @ w), None), x, jnp.stack([W1[:, :6]] * 2)
        )[0],
        BOX,
    ),
    "conv": (lambda x: convolved(x).sum((0, 1, 2)), IMAGE),
    "max pool": (
        lambda x: lax.reduce_window(
            convolved(x), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
        ),
        IMAGE,
    ),
    "tanh": (lambda x: jnp.tanh(x @ W1) @ W2, BOX),
    "logistic": (lambda x: jax.nn.sigmoid(x @ W1) @ W2, BOX),
    "softplus": (lambda x: jax.nn.softplus(x @ W1) @ W2, BOX),
    "two abstract factors": (lambda x: (x @ W1)[:6] * x, BOX),
}


def provable(name):
    """A model, its box, and a linear spec that holds with room to spare."""
    model, box = MODELS[name]
    bounds = tl.bounds(model)(box)
    room = 0.05 * float(bounds.width.max()) + 1e-3
    lower = np.asarray(bounds.lo, np.float64).ravel()
    return model, box, tl.spec.linear(np.eye(lower.size), lower - room)


@pytest.mark.parametrize("name", MODELS)
def test_the_checker_accepts_what_was_proved(name, tmp_path):
    model, box, spec = provable(name)
    verdict = tl.verify(model, box, spec, attack=False)
    assert verdict.status == "proved", str(verdict)
    assert verdict.certificate is not None, verdict.why_no_certificate
    path = tmp_path / "x.tlc"
    verdict.certificate.save(path)
    assert tl.check(path, model=model).accepted
    assert tl.check(verdict.certificate).accepted


@pytest.mark.smoke
@pytest.mark.parametrize("method", ["ibp", "crown-ibp", "crown", "alpha-crown"])
def test_every_method_has_certificates(method):
    model, box = MODELS["dense"]
    lower = np.asarray(tl.bounds(model, method=method)(box).lo, np.float64)
    spec = tl.spec.linear(np.eye(3), lower - 1e-3)
    verdict = tl.verify(model, box, spec, method=method, attack=False)
    report = tl.check(verdict.certificate, model=model)
    assert report.accepted


def normalised(x):
    """The second factor is known by what it is made of: the result has norm 1."""
    h = x @ W1
    h = h * lax.rsqrt((h * h).sum() + 0.1)
    return jnp.stack([(h * h).sum(), h[0] * h[1]])


def by_zonotopes(room):
    bounds = tl.bounds(normalised, method="zonotope")(BOX)
    lower = np.asarray(bounds.lo, np.float64)
    spec = tl.spec.linear(np.eye(2), lower - room * np.asarray(bounds.width))
    verdict = tl.verify(normalised, BOX, spec, method="zonotope", attack=False)
    assert verdict.status == "proved", str(verdict)
    return verdict


def test_zonotopes_have_certificates_of_their_own():
    """Accepted by the same method, which its one leaf names."""
    certificate = by_zonotopes(0.5).certificate
    assert tl.check(certificate, model=normalised).accepted
    with zipfile.ZipFile(io.BytesIO(certificate.bytes)) as members:
        text = members.read("manifest.json")
    assert text.count(b'"method":"zonotope"') == 1


def test_zonotopes_that_the_checker_does_not_reach_have_none():
    verdict = by_zonotopes(1e-6)
    assert verdict.certificate is None
    assert "relaxations do not reach" in verdict.why_no_certificate


def test_margins_agree_to_rounding():
    """Two derivations of one number, one in float64 with slack, one exact."""
    model, box, spec = provable("dense")
    verdict = tl.verify(model, box, spec, attack=False)
    exact = float(tl.check(verdict.certificate).margin_decimal)
    assert verdict.margin <= exact <= verdict.margin + 1e-9


def test_another_network_is_refused():
    model, box, spec = provable("dense")
    certificate = tl.verify(model, box, spec, attack=False).certificate
    nudged = W2.copy()
    nudged[0, 0] = np.nextafter(nudged[0, 0], np.float32(2))
    for other in (
        lambda x: jax.nn.relu(x @ W1) @ nudged,
        lambda x: jnp.abs(x @ W1) @ W2,
    ):
        with pytest.raises(tl.RejectedError, match="another network"):
            tl.check(certificate, model=other)


def test_the_order_of_axes_in_a_reshape_is_part_of_the_graph():
    """`lax.reshape(x, sizes, dimensions)`, which JAX writes for a convolution under
    `vmap`, was written as a plain reshape: this certificate was accepted for it."""
    x = jnp.array([[0.0, 10.0, 20.0], [30.0, 40.0, 50.0]])
    box, above = tl.box(x, radius=0.5), tl.spec.linear([1.0])

    def turned(x):  # x[1, 0]
        return 25.0 - lax.reshape(x, (6,), dimensions=(1, 0))[1:2]

    def plain(x):  # x[0, 1]
        return 25.0 - lax.reshape(x, (6,))[1:2]

    assert tl.verify(turned, box, above).status == "refuted"
    certificate = tl.verify(plain, box, above).certificate
    with pytest.raises(tl.TorchLeanError, match="another network"):
        tl.check(certificate, model=turned)
    other = tl.verify(lambda x: -turned(x), box, above)
    assert tl.check(other.certificate, model=lambda x: -turned(x)).accepted


def test_the_digest_is_of_the_program_not_of_how_it_was_written():
    plain = MODELS["dense"][0]
    wrapped = jax.jit(lambda x: jax.checkpoint(plain)(x))
    spec = provable("dense")[2]
    first, second = (tl.verify(m, BOX, spec, attack=False) for m in (plain, wrapped))
    assert first.certificate.bytes == second.certificate.bytes


def test_a_false_claim_is_rejected():
    """The writer believes its caller; the checker does not."""
    from torchlean_jax.certificate import certify

    model, box = MODELS["dense"]
    y = np.asarray(model(box.lo), np.float64)
    claim = {"rows": np.eye(3), "offset": y + 0.5}
    certificate = certify(model, (box,), claim, "crown")
    with pytest.raises(tl.RejectedError, match="rejected"):
        tl.check(certificate)


def test_tampering_is_rejected():
    model, box, spec = provable("dense")
    blob = bytearray(tl.verify(model, box, spec, attack=False).certificate.bytes)
    for at in range(0, len(blob), max(len(blob) // 60, 1)):
        blob[at] ^= 1
        with pytest.raises(tl.RejectedError):
            tl.check(bytes(blob))
        blob[at] ^= 1
    assert tl.check(bytes(blob)).accepted
    with pytest.raises(tl.RejectedError):
        tl.check(bytes(blob[: len(blob) // 2]))


def test_what_the_checker_does_not_know_is_said():
    spec = tl.spec.linear(np.eye(6), -4.0)
    verdict = tl.verify(lambda x: jnp.arctan(x), BOX, spec, attack=False)
    assert verdict.status == "proved" and verdict.certificate is None
    assert "atan" in verdict.why_no_certificate


@pytest.mark.parametrize("method, asked", [("crown", False), ("zonotope", True)])
def test_a_certificate_has_the_report_of_its_writing(method, asked):
    """Only where the checker's relaxations may be others than those of the bounds."""
    box = tl.box(np.float32([-1.0]), np.float32([2.0]))
    spec = tl.spec.linear([[1.0]], [-1.5])
    options = {"method": method, "attack": False}
    written = tl.verify(jax.nn.relu, box, spec, **options).certificate
    if not asked:
        assert written.report is None
        return
    expected = torchlean_check.check(written.bytes)
    assert expected.accepted
    assert written.report == expected._replace(seconds=written.report.seconds)


def test_the_report_names_the_number_system():
    model, box, spec = provable("dense")
    certificate = tl.verify(model, box, spec, attack=False).certificate
    assert "real" in torchlean_check.check(certificate.bytes).claim
