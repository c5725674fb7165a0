"""Verdicts about floating-point executions: the runs themselves are the oracle."""

from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax import _execution
from torchlean_jax.domains._errors import InputError

POSITIVE = tl.spec.linear([[1.0]], [0.05])
BOX = tl.box(np.float32([0.1]), np.float32([0.9]))
BENCH = Path(__file__).parents[2] / "shared/bench/soundness_counterexamples"


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


@pytest.mark.skipif(not BENCH.exists(), reason=f"no benchmark folder {BENCH}")
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
    pytest.importorskip("onnx")
    function, params = tl.from_onnx(BENCH / f"false_cert_{name}.onnx")
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


def _mlp(seed):
    rng = np.random.default_rng(seed)
    sizes = (6, 16, 16, 3)
    layers = [
        (
            rng.normal(size=(m, n)).astype(np.float32),
            rng.normal(size=n).astype(np.float32),
        )
        for m, n in zip(sizes[:-1], sizes[1:], strict=True)
    ]

    def function(x):
        for w, b in layers[:-1]:
            x = jnp.tanh(x @ w + b)
        w, b = layers[-1]
        return x @ w + b

    return function


def test_every_run_is_above_the_margin():
    for seed in range(3):
        function = _mlp(seed)
        rng = np.random.default_rng(seed)
        center = rng.normal(size=6).astype(np.float32)
        label = int(jnp.argmax(function(center)))
        box = tl.box(center, radius=np.float32(1e-3))
        real = tl.verify(function, box, tl.spec.margin(label))
        runs = tl.verify(function, box, tl.spec.margin(label), semantics="fp32")
        assert runs.margin < real.margin
        # a few ulps of numbers near 10 in two layers of 16 terms
        assert real.margin - runs.margin < 1e-3
        x = rng.uniform(box.lo, box.hi, (50, 6)).astype(np.float32)
        x = np.clip(x, box.lo, box.hi)
        for y in (*jax.vmap(function)(x), *map(tl.faithful_jit(function), x)):
            y = [Fraction(float(v)) for v in y]
            least = min(y[label] - v for k, v in enumerate(y) if k != label)
            assert least >= Fraction(runs.margin)


def test_the_verdict_names_its_model_and_gives_no_certificate():
    model = tl.ErrorModel.xla_cpu().replace("careful libm", ulps={"tanh": 1.0})
    function, box = _mlp(0), tl.box(np.zeros(6, np.float32), radius=0.0)
    label = int(jnp.argmax(function(jnp.zeros(6))))
    spec = tl.spec.margin(label)
    verdict = tl.verify(function, box, spec, semantics="fp32", errors=model)
    usual = tl.verify(function, box, spec, semantics="fp32")
    assert verdict.status == "proved" and verdict.certificate is None
    assert "careful libm" in str(verdict) and "executions" in str(verdict)
    assert verdict.margin > usual.margin


def test_a_run_without_a_number_proves_nothing():
    box = tl.box(np.float32([1.0]), np.float32([2.0]))
    verdict = tl.verify(
        lambda x: jnp.exp(x * 100.0), box, tl.spec.linear([[1.0]]), semantics="fp32"
    )
    assert verdict.status == "unknown"


def test_errors_left_out_are_noticed(monkeypatch):
    """Without the rounding of runs, the absorbed property would be proved."""
    monkeypatch.setattr(
        _execution, "output_errors", lambda *_: [np.zeros(1, np.float64)]
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
