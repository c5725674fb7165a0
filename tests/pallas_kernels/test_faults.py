"""How many faults are planted in kernels, and that each clause catches some."""

import json
from pathlib import Path

import pytest

from tests.pallas_kernels import faults
from torchlean_jax import pallas_kernels as kernels
from torchlean_jax.contracts import CLAUSES


def test_a_hundred_faults_and_more():
    """Different ones: of two rows that say the same of one kernel, one counts."""
    found = {(fault.kernel, fault.says) for fault in faults.planted()}
    assert len(found) >= 100
    assert {fault.clause for fault in faults.planted()} == set(CLAUSES)


def test_every_kernel_of_its_own_code_has_some():
    """The batch-invariant RMSNorm is RMSNorm's kernel."""
    broken = {fault.kernel for fault in faults.planted()}
    assert broken == set(kernels.__all__) - {"batch_invariant_rms_norm"}


def test_the_page_of_figures_is_fresh(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    import kernels as script

    assert script.PAGE.read_text() == script.page(), "scripts/kernels.py --write"
    record = json.loads(script.RUN.read_text())
    assert not any(record["failed"].values())


def test_a_row_is_a_fault_and_says_what_it_is(monkeypatch):
    monkeypatch.setattr(faults, "_PLANTED", [])

    def _adds_one(x):
        return x + 1

    def twice(x):
        """Twice
        as much.

        And more."""
        return 2 * x

    @faults.plants("one")
    @pytest.mark.parametrize(
        ("wrong", "clause"), [(_adds_one, "meaning"), (twice, "rounding")]
    )
    def test(wrong, clause): ...

    @faults.plants("other", clause="memory")
    @pytest.mark.parametrize(("old", "new"), [("a |\n  b", "c")])
    def test_other(old, new): ...

    said = [(f.kernel, f.says, f.clause) for f in faults._PLANTED]
    assert said == [
        ("one", "adds one", "meaning"),
        ("one", "Twice as much", "rounding"),
        ("other", "`a \\| b` is `c`", "memory"),
    ]
    with pytest.raises(ValueError, match="shorter"):
        faults.plants("one", clause="meaning", says=["a", "b"])(lambda: None)
