"""A sample of the random programs of `benchmarks/float_error.py`, which runs them all.

The oracle is Arb; the runs are eager, faithful, vmapped, batched, scanned, reordered,
and plain where the audit is clean.
"""

import numpy as np
import pytest

from benchmarks import _float_programs as programs
from benchmarks.float_error import check_programs, enclosure
from torchlean_jax.domains.fp32 import FP32Value

# Between them they have every kind of layer, point boxes and wide ones.
SEEDS = (2, 4, 11)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_run_is_inside(seed):
    result = check_programs(1, 6, first=seed)
    assert result["violations"] == []
    assert result["programs_without_a_bound"] == 0
    assert set(result["runs"]) >= {"eager", "faithful", "vmapped", "batched"}
    assert set(result["runs"]) >= {"scanned", "permuted", "one by one"}


def test_too_small_an_error_is_noticed():
    """The largest share of the error that a sample uses is above a thousandth."""
    case = programs.program(SEEDS[0])
    value = enclosure(case)
    points = case.inputs(np.random.default_rng(0), 4)
    exact = [case.exact(p) for p in points]
    runs = np.stack([case.run(p) for p in points])
    assert programs.outside(value, runs, exact)[0] == []
    tight = np.asarray(value.error) / 1000
    claimed = FP32Value(value.real, tight, value.execution, value.dtype)
    assert programs.outside(claimed, runs, exact)[0]


def test_the_sample_has_every_kind_of_layer():
    layers = {layer.name for s in SEEDS for layer in programs.program(s).layers}
    wanted = {"dense", "convolution", "softmax", "layer norm", "scan"}
    assert wanted <= layers
