"""The default error model beside the evidence that is shipped, where it is at hand."""

from pathlib import Path

import pytest

import torchlean_jax as tl
from torchlean_jax.bridge import OPERATIONS, load
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.fp32 import _evidence

SHIPPED = Path(__file__, "../../../benchmarks/results/bridge_cpu_avx512.json").resolve()


@pytest.fixture
def evidence():
    return load(SHIPPED)


def worst(record):
    return max(found["ulps"] for found in record["contexts"].values())


def test_it_is_of_every_function_and_every_input(evidence):
    assert set(evidence["functions"]) == set(OPERATIONS)
    for record in evidence["functions"].values():
        assert record["complete"] and record["inputs"] == 2**32
        sampled = [c for c, how in record["contexts"].items() if how["every"] > 1]
        assert sampled == ["remainder lanes"]


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"sqrt"}))
def test_the_default_model_allows_what_was_seen(evidence, name):
    """Roots are assumed to be correctly rounded: half an ulp."""
    record = evidence["functions"][name]
    assert worst(record) <= tl.ErrorModel.xla_cpu().ulps_of(name)
    assert not any(c["special"] + c["tiny"] for c in record["contexts"].values())


def test_roots_are_correctly_rounded(evidence):
    # up to the relative error of the reference, 2^-53, on either side
    assert 0.5 <= worst(evidence["functions"]["sqrt"]) <= 0.5 + 2.0**-27


def test_it_makes_an_error_model(monkeypatch, evidence):
    monkeypatch.setattr(_evidence, "environment", lambda: evidence["environment"])
    model = tl.ErrorModel.from_evidence(SHIPPED)
    assert model.ulps["tanh"] == 4.9
    monkeypatch.undo()
    if _evidence.environment() != evidence["environment"]:
        with pytest.raises(InputError, match="another machine"):
            tl.ErrorModel.from_evidence(SHIPPED)
