"""The page about trust is fresh, and names no check that does not exist."""

import dataclasses
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def trust(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import trust

    return trust


def test_the_page_is_fresh(trust):
    assert trust.PAGE.read_text() == trust.page(), "write it anew: make trust"


def test_every_claim_leans_on_something_that_is_checked(trust):
    for claim in trust.CLAIMS:
        needed = [part for part in trust.PARTS if claim in part.claims]
        assert any(part.checks for part in needed), claim
    assert len({part.name for part in trust.PARTS}) == len(trust.PARTS)


@pytest.mark.parametrize(
    "check",
    [
        "tests/test_trust.py::test_that_nobody_wrote",
        "tests/test_that_nobody_wrote.py::test_the_page_is_fresh",
        "torchlean float bridge --every-one",
        "torchlean float tunnel",
        "scripts/trust.py --prove",
        "scripts/absent.py",
        "benchmarks/results/nobody_ran.json",
    ],
)
def test_a_check_that_does_not_exist_is_noticed(trust, check):
    part = dataclasses.replace(trust.PARTS[1], checks=(check,))
    with pytest.raises(ValueError, match="would be untrue") as error:
        trust.page([part])
    assert check in str(error.value)


def test_a_claim_that_nobody_makes_is_noticed(trust):
    part = dataclasses.replace(trust.PARTS[1], claims=("perfect",))
    assert trust.faults_of(part) == [f"{part.name}: 'perfect' does not exist"]
