"""Verdicts about floating-point executions: the runs themselves are the oracle."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.published import published
from torchlean_jax import _execution
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.fp32 import _evidence

POSITIVE = tl.spec.linear([[1.0]], [0.05])
BOX = tl.box(np.float32([0.1]), np.float32([0.9]))


def absorbed(x):
    """x over the reals; every float32 run returns 0 for x below 1."""
    return (x + 2.0**24) - 2.0**24


def cancelling(x):
    """-1/2 over the reals; a run that adds from left to right returns something
    else."""
    hidden = jax.nn.relu(jnp.array([2.0**25, 1.0, 2.0**25]) + 0.0 * x.sum())
    return (hidden @ jnp.array([1.0, -1.0, -1.0]) + 0.5)[None]


def test_a_property_of_the_reals_that_no_run_has():
    assert tl.verify(absorbed, BOX, POSITIVE).status == "proved"
    verdict = tl.verify(absorbed, BOX, POSITIVE, semantics="fp32")
    assert verdict.status == "refuted"
    run = tl.faithful_jit(absorbed)(verdict.counterexample)
    assert float(run[0]) - 0.05 <= 0
    assert verdict.margin >= float(run[0]) - 0.05
    assert "one floating-point execution" in str(verdict)


@pytest.mark.parametrize("semantics", ["real", "fp32"])
def test_a_false_property_is_proved_in_no_semantics(semantics):
    spec = tl.spec.linear([[1.0]], [0.0])
    box = tl.box(np.zeros(2, np.float32), np.ones(2, np.float32))
    assert tl.verify(cancelling, box, spec, semantics=semantics).status == "refuted"


@pytest.mark.parametrize(
    "name, semantics, expected",
    [
        ("A_f32run", "real", {"proved"}),
        ("A_f32run", "fp32", {"refuted", "unknown"}),
        ("B", "real", {"refuted", "unknown"}),
        ("B", "fp32", {"refuted", "unknown"}),
    ],
)
def test_the_published_counterexamples_to_other_tools(name, semantics, expected):
    path = published(f"soundness_counterexamples/false_cert_{name}.onnx")
    function, params = tl.from_onnx(path)
    lo, hi, bound = (0.1, 0.9, 0.05) if name != "B" else (0.0, 1.0, 0.0)
    shape = (1, 1) if name != "B" else (1, 2)
    box = tl.box(np.full(shape, lo, np.float32), np.full(shape, hi, np.float32))
    verdict = tl.verify(
        lambda x: function(params, x),
        box,
        tl.spec.linear([[1.0]], [bound]),
        semantics=semantics,
    )
    assert verdict.status in expected
    assert (verdict.certificate is not None) == (expected == {"proved"})


def _layers(seed):
    rng = np.random.default_rng(seed)
    sizes = (6, 16, 16, 3)
    return [
        (
            rng.normal(size=(m, n)).astype(np.float32),
            rng.normal(size=n).astype(np.float32),
        )
        for m, n in zip(sizes[:-1], sizes[1:], strict=True)
    ]


def _mlp(layers):
    def function(x):
        for w, b in layers[:-1]:
            x = jnp.tanh(x @ w + b)
        w, b = layers[-1]
        return x @ w + b

    return function


def _higham(layers, lo, hi):
    """How far outputs may be from the real ones, a priori, on a box.

    A sum of n products and a bias errs by (n + 2) u (|x| |w| + |b|) beside what it is
    given (Higham, Accuracy and Stability, 2nd ed., eq. 3.5, and n u of second order);
    tanh passes on what it is given times its slope, and adds its ulps, each at most
    2 u |tanh|.
    """
    u, ulps = 2.0**-24, tl.ErrorModel.xla_cpu().ulps["tanh"]
    lo, hi, error = lo.astype(float), hi.astype(float), np.zeros(len(lo))
    for k, (w, b) in enumerate(layers):
        w, b = w.astype(float), b.astype(float)
        size = np.maximum(np.abs(lo), np.abs(hi)) @ np.abs(w) + np.abs(b)
        error = error @ np.abs(w) + (len(w) + 2) * u * size
        middle, radius = (lo + hi) / 2 @ w + b, (hi - lo) / 2 @ np.abs(w)
        lo, hi = middle - radius, middle + radius
        if k < len(layers) - 1:
            lo, hi = np.tanh(lo), np.tanh(hi)
            least = np.where(lo * hi > 0, np.minimum(np.abs(lo), np.abs(hi)), 0)
            error *= 1 - least**2  # the slope where it is steepest
            error += ulps * 2 * u * np.maximum(np.abs(lo), np.abs(hi))
    return error


@pytest.mark.parametrize("seed", range(3))
def test_every_run_is_above_the_margin_and_the_price_is_what_theory_says(seed):
    layers = _layers(seed)
    function, rng = _mlp(layers), np.random.default_rng(seed)
    center = rng.normal(size=6).astype(np.float32)
    label = int(jnp.argmax(function(center)))
    box = tl.box(center, radius=np.float32(1e-3))
    real = tl.verify(function, box, tl.spec.margin(label))
    runs = tl.verify(function, box, tl.spec.margin(label), semantics="fp32")
    error = _higham(layers, np.asarray(box.lo), np.asarray(box.hi))
    # two outputs err, and the bounds on intermediate values are not quite those above
    price = error[label] + np.delete(error, label).max()
    assert 0 < real.margin - runs.margin <= 1.1 * price
    x = rng.uniform(box.lo, box.hi, (50, 6)).astype(np.float32)
    x = np.clip(x, box.lo, box.hi)
    for y in (*jax.vmap(function)(x), *map(tl.faithful_jit(function), x)):
        y = [Fraction(float(v)) for v in y]
        least = min(y[label] - v for k, v in enumerate(y) if k != label)
        assert least >= Fraction(runs.margin)


def test_rounding_is_relative_to_the_bounds_of_the_method():
    """Interval bounds of a deep network are wide, and so is what they say is rounded;
    by CROWN it is less than a fifth of that (an eighth, as measured), and the runs are
    still above."""
    rng = np.random.default_rng(5)
    sizes = (4, 24, 24, 24, 24, 24, 2)
    layers = [
        (rng.normal(size=(m, n)) * (2 / m) ** 0.5).astype(np.float32)
        for m, n in zip(sizes[:-1], sizes[1:], strict=True)
    ]

    def function(x):
        for w in layers[:-1]:
            x = jax.nn.relu(x @ w)
        return x @ layers[-1]

    center = rng.normal(size=4).astype(np.float32)
    label, box = int(jnp.argmax(function(center))), tl.box(center, radius=0.1)
    price, margin = {}, -np.inf
    for method in ("ibp", "crown"):
        ask: dict[str, Any] = {"method": method, "attack": False, "certificate": False}
        found = [
            tl.verify(function, box, tl.spec.margin(label), semantics=s, **ask).margin
            for s in ("real", "fp32")
        ]
        price[method], margin = found[0] - found[1], found[1]
    assert 0 < price["crown"] < price["ibp"] / 5
    x = rng.uniform(box.lo, box.hi, (50, 4)).astype(np.float32)
    for y in map(tl.faithful_jit(function), np.clip(x, box.lo, box.hi)):
        assert float(y[label]) - float(y[1 - label]) >= margin


def test_the_verdict_names_its_model_and_so_does_the_certificate():
    model = tl.ErrorModel.xla_cpu().replace("careful libm", ulps={"tanh": 1.0})
    function, box = _mlp(_layers(0)), tl.box(np.zeros(6, np.float32), radius=0.0)
    label = int(jnp.argmax(function(jnp.zeros(6))))
    spec = tl.spec.margin(label)
    verdict = tl.verify(function, box, spec, semantics="fp32", errors=model)
    usual = tl.verify(function, box, spec, semantics="fp32")
    assert verdict.status == "proved" and "executions" not in str(verdict)
    assert "careful libm" in str(verdict) and "With certificate" in str(verdict)
    assert verdict.margin > usual.margin
    claims = [tl.check(v.certificate, model=function).claim for v in (verdict, usual)]
    assert "error model 'careful libm'" in claims[0] and claims[0].endswith("tanh 1.")
    assert "error model 'xla-cpu'" in claims[1] and claims[1].endswith("tanh 6.5.")
    assert all("in every floating-point execution" in claim for claim in claims)


GPU = {"backend": "gpu", "device": "NVIDIA H100", "isa": "", "jaxlib": "0.10.2"}
CPU = {"backend": "cpu", "device": "Some Xeon", "isa": "avx512f", "jaxlib": "0.10.2"}


@pytest.mark.parametrize(
    "place, said",
    [
        (CPU, None),
        (CPU | {"isa": "avx"}, None),
        (
            CPU | {"isa": "aarch64"},
            "cpu aarch64 jaxlib 0.10.2, where none was measured",
        ),
        (CPU | {"jaxlib": "0.99"}, "cpu avx512f jaxlib 0.99, where none was measured"),
        (GPU, "gpu NVIDIA H100 jaxlib 0.10.2, where none was measured"),
    ],
    ids=["there", "narrower vectors", "another processor", "another version", "gpu"],
)
def test_a_claim_on_a_backend_without_evidence_says_so(place, said, monkeypatch):
    monkeypatch.setattr(_evidence, "environment", lambda: place)
    verdict = tl.verify(lambda x: x + 1, BOX, POSITIVE, semantics="fp32")
    shown = str(verdict), str(tl.float_error(jnp.tanh)(BOX).breakdown())
    for text in shown:
        assert (said or "measured") in text if said else "measured" not in text
        assert ("no precision" in text) == (place is GPU)
    assert verdict.status == "proved" and len(verdict.assumptions) == 2 + bool(said)


def test_a_backend_with_some_evidence_says_which(monkeypatch, tmp_path):
    found = {"every": 1, "ulps": 2.345, "special": 0, "tiny": 0}
    record = {"complete": True, "contexts": {"vectorised": found}}
    path = tmp_path / "evidence.json"
    monkeypatch.setattr(_evidence, "environment", lambda: GPU)
    _evidence.save(path, {"environment": GPU, "functions": {"tanh": record}})
    model = tl.ErrorModel.from_evidence(path)
    verdict = tl.verify(lambda x: x + 1, BOX, POSITIVE, semantics="fp32", errors=model)
    assert "H100 jaxlib 0.10.2, where only those of tanh were" in str(verdict)
    monkeypatch.setattr(_evidence, "environment", lambda: CPU)
    assert "where those of tanh were not measured" in model.unmeasured()
    monkeypatch.setattr(_evidence, "environment", lambda: GPU | {"device": "T4"})
    assert "where none was measured" in model.unmeasured()


def test_a_run_without_a_number_proves_nothing():
    box = tl.box(np.float32([1.0]), np.float32([2.0]))
    verdict = tl.verify(
        lambda x: jnp.exp(x * 100.0), box, tl.spec.linear([[1.0]]), semantics="fp32"
    )
    assert verdict.status == "unknown"


def test_errors_left_out_are_noticed(monkeypatch):
    """Without the rounding of runs, the absorbed property would be proved."""
    monkeypatch.setattr(
        _execution, "_output_errors", lambda *_: [np.zeros(1, np.float64)]
    )
    assert tl.verify(absorbed, BOX, POSITIVE, semantics="fp32").status == "proved"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"semantics": "float"}, "does not exist"),
        ({"errors": tl.ErrorModel.xla_cpu()}, "error model is for"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        tl.verify(absorbed, BOX, POSITIVE, **options)
