"""Bridges: what is measured is compared with Arb, and planted faults must show."""

import json

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.bridge import CONTEXTS, load, measure, save
from torchlean_jax.cli import main
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.fp32 import _evidence

EVERY = 2**20 + 7  # an odd number of patterns: every binade is met
ARB = {
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "tanh": lambda x: x.tanh(),
    "rsqrt": lambda x: x.rsqrt(),
}


def scan(name, function=None, every=EVERY):
    *_, record = measure(name, stride=every, function=function)
    assert record["complete"]
    return record


def ulps_by_arb(name, bits, result):
    with flint.ctx.workprec(300):
        x, y = (flint.arb(float(np.uint32(b).view(np.float32))) for b in (bits, result))
        exact = ARB[name](x)
        exponent = int(exact.abs_lower().log_base(2).floor().unique_fmpz())
        return float(abs(y - exact) / flint.arb(2) ** (max(exponent, -126) - 23))


@pytest.mark.parametrize("name", ARB)
def test_the_worst_input_is_as_bad_as_said(name):
    record = scan(name)
    assert record["inputs"] == -(-(2**32) // EVERY)
    for found in record["contexts"].values():
        true = ulps_by_arb(name, found["worst_input"], found["worst_result"])
        # the proved error of the reference is 13 * 2^-29 ulp at most
        assert true <= found["ulps"] <= true + 13 * 2.0**-28


def _off(by, at=1.0):
    """exp that is `by` ulps off at one of the tried inputs."""

    def function(x):
        bits = lax.bitcast_convert_type(lax.exp(x), jnp.int32)
        wrong = jnp.where(x == tried_near(at), bits + by, bits)
        return lax.bitcast_convert_type(wrong, jnp.float32)

    return function


def tried_near(x, every=EVERY):
    bits = int(np.float32(x).view(np.uint32)) // (64 * every) * 64 * every
    return np.uint32(bits).view(np.float32)


def test_one_wrong_result_is_found_in_every_context():
    record = scan("exp", _off(40))
    for context in CONTEXTS:
        found = record["contexts"][context]
        assert 39 <= found["ulps"] <= 41 + 5.51
        assert found["worst_input"] == tried_near(1.0).view(np.uint32)


def test_a_wrong_nan_is_counted():
    def function(x):
        return jnp.where(x == tried_near(2.0), jnp.nan, lax.exp(x))

    found = scan("exp", function)["contexts"]["vectorised"]
    assert found["special"] == 1
    assert found["special_input"] == tried_near(2.0).view(np.uint32)


def near_the_end(value, *, every=2**10 + 3):
    """exp with `value(x)` in its place next to where it reaches 2^128."""
    ln = float(np.log(2.0) * 128)

    def function(x):
        return jnp.where(abs(x - ln) < 0.05, value(x), lax.exp(x))

    return scan("exp", function, every)["contexts"]["vectorised"]


@pytest.mark.parametrize(
    "value, least, most",
    [
        # infinite where exp is finite: by up to 1 - exp(-0.05) of 2^24 ulps
        (lambda x: jnp.inf, 0.03 * 2**24, 0.05 * 2**24),
        # finite where exp is more: by up to exp(0.05) - 0.998 of 2^24 ulps
        (lambda x: jnp.float32(2**127) * 1.996, 0.03 * 2**24, 0.054 * 2**24),
    ],
    ids=["an infinity too early", "no infinity"],
)
def test_where_numbers_end_the_error_is_counted(value, least, most):
    found = near_the_end(value)
    assert found["special"] == 0
    assert least <= found["ulps"] <= most


def test_an_infinity_elsewhere_or_of_the_other_sign_is_counted_apart():
    assert near_the_end(lambda x: -jnp.inf)["special"] > 0
    early = scan("exp", lambda x: jnp.where(abs(x - 80) < 8, jnp.inf, lax.exp(x)))
    assert early["contexts"]["vectorised"]["special"] > 0
    late = scan("exp", lambda x: jnp.minimum(lax.exp(x), 1e38))
    assert late["contexts"]["vectorised"]["ulps"] > 2**24


def test_a_wrong_sign_of_a_tiny_result_is_counted():
    record = scan("exp", lambda x: jnp.where(x < -90, -1e-38, lax.exp(x)))
    assert record["contexts"]["vectorised"]["tiny"] > 100


def test_neighbours_out_of_order_are_counted():
    falling = scan("exp", lambda x: jnp.where(x > 0.5, 0.1, lax.exp(x)))
    steady = scan("exp")
    for context in CONTEXTS:
        assert steady["contexts"][context]["order"] == 0
        assert falling["contexts"][context]["order"] >= 1


def test_a_scan_goes_on_where_it_stopped():
    whole, records = scan("exp", every=700), measure("exp", stride=700)
    first = next(records)
    assert not first["complete"]
    *_, rest = measure("exp", stride=700, start=first)
    assert rest == whole
    with pytest.raises(InputError, match="every 700th"):
        next(measure("exp", stride=701, start=first))
    with pytest.raises(tl.InputError, match="not chunks of"):
        next(measure("exp", stride=700, start={**first, "inputs": 5}))


def test_a_function_without_a_reference_is_an_error():
    with pytest.raises(InputError, match="there is one for"):
        next(measure("lgamma"))


@pytest.fixture
def evidence(tmp_path):
    path = tmp_path / "evidence.json"
    command = ["float", "bridge", "--op", "exp", "--every", str(EVERY)]
    assert main([*command, "--out", str(path)]) == 0
    return path


def test_an_error_model_takes_the_worst_context(evidence):
    model = tl.ErrorModel.from_evidence(evidence)
    contexts = load(evidence)["functions"]["exp"]["contexts"]
    worst = max(found["ulps"] for found in contexts.values())
    assert worst <= model.ulps["exp"] <= worst + 0.01
    assert "sampled" in model.name and jax.default_backend() in model.name
    assert model.ulps["tanh"] == tl.ErrorModel.xla_cpu().ulps["tanh"]
    error = tl.float_error(jnp.exp, errors=model)(np.float32(1.0))
    assert error.model.name == model.name


def test_a_changed_file_is_refused(evidence):
    content = json.loads(evidence.read_text())
    content["functions"]["exp"]["contexts"]["vectorised"]["ulps"] = 0.5
    evidence.write_text(json.dumps(content))
    with pytest.raises(InputError, match="was changed after"):
        tl.ErrorModel.from_evidence(evidence)


def test_evidence_of_another_machine_is_refused(evidence, monkeypatch):
    there = {**_evidence.environment(), "jaxlib": "9.9.9"}
    monkeypatch.setattr(_evidence, "environment", lambda: there)
    with pytest.raises(InputError, match="another machine: jaxlib"):
        tl.ErrorModel.from_evidence(evidence)


@pytest.mark.parametrize("change", ["unfinished", "special"])
def test_evidence_that_bounds_nothing_is_refused(evidence, change):
    content = load(evidence)
    if change == "unfinished":
        content["functions"]["exp"]["complete"] = False
    else:
        content["functions"]["exp"]["contexts"]["fused"]["special"] = 3
    save(evidence, {k: content[k] for k in ("environment", "functions")})
    with pytest.raises(InputError, match=r"not finished|gave NaN"):
        tl.ErrorModel.from_evidence(evidence)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', "[" * 100_000])
def test_what_is_no_evidence_is_refused(tmp_path, text):
    path = tmp_path / "evidence.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"no evidence file|digest"):
        tl.ErrorModel.from_evidence(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            tl.ErrorModel.from_evidence(path)


def test_the_command_goes_on_with_a_file_and_says_what_it_found(evidence, capsys):
    capsys.readouterr()
    command = ["float", "bridge", "--op", "rsqrt", "--every", str(EVERY)]
    assert main([*command, "--out", str(evidence)]) == 0
    assert "rsqrt: at most" in capsys.readouterr().out
    assert set(load(evidence)["functions"]) == {"exp", "rsqrt"}
