"""Library functions next to the smallest normal number: the runs are the oracle.

XLA computes some of them in several steps, and an inner one may be flushed:
asin(2.3e-38) returns 0 on CPU.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl

NAMES = (
    "asin asinh atan atanh sinh tanh erf expm1 log1p sin tan cos cosh exp logistic"
).split()
SIZES = np.float32(2.0) ** np.arange(-126, -120, dtype=np.float32)
X = np.concatenate([s * SIZES * np.float32(m) for s in (1, -1) for m in (1, 1.4, 1.99)])


@pytest.mark.parametrize("name", NAMES)
def test_runs_are_inside_next_to_the_smallest_normal_number(name):
    function = getattr(lax, name)
    runs = [np.asarray(run(jnp.asarray(X))) for run in (function, jax.jit(function))]
    with jax.enable_x64(True):
        value = tl.interpret(function, domain=tl.FP32)(tl.FP32.lift(jnp.asarray(X)))
        for run in runs:
            inside = value.execution.contains(jnp.asarray(run.astype(np.float64)))
            assert np.asarray(inside).all(), X[~np.asarray(inside)]
