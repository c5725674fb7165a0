"""The coverage page is fresh, and no primitive of the census is undecided."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import torchlean_jax as tl
from torchlean_jax.interpreters._coverage import (
    CENSUS,
    Decision,
    coverage,
    coverage_page,
)

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


def test_the_page_is_fresh():
    assert PAGE.read_text() == coverage_page(), "write it anew: torchlean coverage"


def test_nothing_of_the_census_is_missing():
    table = coverage()
    missing = [
        n for n, row in table.items() for d in row.values() if d.kind == "missing"
    ]
    assert missing == []
    assert len(table) == sum(map(len, CENSUS.values()))  # no primitive twice


def test_another_domain_is_another_column():
    def decide(name):
        return Decision("rule") if name == "exp" else Decision("missing")

    page = coverage_page(
        [("Interval", lambda name: Decision("walk")), ("Mine", decide)]
    )
    assert "| primitive | Interval | Mine |" in page
    assert "| `exp` | walk | rule |" in page and "| `log` | walk | missing |" in page


def test_a_refusal_says_why_and_where():
    with pytest.raises(tl.MissingRuleError, match="repeated eigenvalue") as error:
        tl.interpret(jnp.linalg.eigh, domain=tl.Interval)(
            tl.box(jnp.eye(2), radius=0.1)
        )
    assert "float32[2,2]" in str(error.value) or "f32[2,2]" in str(error.value)


def test_a_kind_of_number_without_a_rule_is_named():
    def f(x):
        return jnp.tanh(jax.lax.complex(x, x)).real

    with pytest.raises(tl.MissingRuleError, match=r"tanh.*complex"):
        tl.interpret(f, domain=tl.Interval)(tl.box(0.0, 1.0))
