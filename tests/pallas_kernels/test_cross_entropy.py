"""Softmax cross-entropy: its contract, and ways to break it, each caught."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.pallas_kernels import _rows, cross_entropy
from torchlean_jax.pallas_kernels.cross_entropy import _kernel
from torchlean_jax.pallas_kernels.cross_entropy._contract import (
    OPTIONS,
    TERMS,
    _gradient,
)

FORWARD, BACKWARD = TERMS.programs
# Rows of 7, which tiles of 4 do not fill.
RAGGED = {"shapes": ["batched"], "dtypes": ["float32"]}


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
@pytest.mark.parametrize("shape", ["ragged", "one"])
def test_unrolled_or_interpreted(program, shape, interpreted):
    args = program.arguments(jax.random.key(0), TERMS.shapes[shape], jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


def test_against_python():
    x, labels = [[0.5, -2.25, 3.0], [7.0, 7.0, 7.0]], [0, 2]
    levels = [math.log(math.fsum(map(math.exp, row))) for row in x]
    expected = [s - row[k] for s, row, k in zip(levels, x, labels, strict=True)]
    loss = cross_entropy(jnp.array(x), jnp.array(labels))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    with_z = cross_entropy(jnp.array(x), jnp.array(labels), z_loss=0.5)
    squares = [0.5 * s * s for s in levels]
    np.testing.assert_allclose(with_z - loss, squares, rtol=1e-5)


def broken(program, old, new):
    module = base.mutated(_kernel, old, new)
    if program is BACKWARD:
        return base.with_kernel(TERMS, program, _gradient(module))
    forward = lambda x, labels: module.cross_entropy(x, labels, **OPTIONS)
    return base.with_kernel(TERMS, program, forward)


@plants("cross_entropy")
@pytest.mark.parametrize(
    ("program", "old", "new", "clause"),
    [
        (FORWARD, "total * jnp.exp(highest - higher)", "total", "meaning"),
        (FORWARD, "highest - higher)", "higher - highest)", "meaning"),
        (FORWARD, "picked + its", "its", "meaning"),
        (FORWARD, "columns[None, :] == label)", "columns[None, :] < label)", "meaning"),
        (
            FORWARD,
            "jnp.where(inside, jnp.exp(shifted), 0.0)",
            "jnp.exp(shifted)",
            "meaning",
        ),
        (FORWARD, "jnp.where(label == ignore, 0.0, loss)", "loss", "meaning"),
        (
            FORWARD,
            "jnp.exp(shifted), 0.0)",
            "jnp.exp(shifted).astype(jnp.bfloat16), 0.0)",
            "rounding",
        ),
        (BACKWARD, "1.0 + 2.0 * z * level", "1.0", "meaning"),
        (BACKWARD, "jnp.where(label == ignore, 0.0, dx)", "dx", "meaning"),
        (BACKWARD, "tiles.store(dx_ref, step,", "tiles.store(dx_ref, 0,", "memory"),
    ],
)
def test_a_fault(program, old, new, clause, monkeypatch):
    """In tiles smaller than a row, so that there is something to carry on."""
    monkeypatch.setattr(_rows, "row_tile", base.SmallTiles)
    terms = broken(program, old, new)
    assert clause in base.failing_clauses(terms, clauses=[clause], **RAGGED)


def test_small_tiles_are_right(monkeypatch):
    """What was broken above was right before."""
    monkeypatch.setattr(_rows, "row_tile", base.SmallTiles)
    for program in TERMS.programs:
        kernel = lambda *args, program=program: program.kernel(*args)
        terms = base.with_kernel(TERMS, program, kernel)
        clauses = ["meaning", "memory", "rounding"]
        assert not base.failing_clauses(terms, clauses=clauses, **RAGGED)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((jnp.ones((2, 3)), jnp.zeros(3, int)), {}, r"labels \[3\]"),
        ((jnp.ones((2, 3)), jnp.zeros(2)), {}, "integer labels, not float32"),
        ((jnp.ones((2, 0)), jnp.zeros(2, int)), {}, "n >= 1"),
        ((jnp.ones((2, 3), int), jnp.zeros(2, int)), {}, r"logits: int32\[2, 3\]"),
        ((jnp.ones((2, 3)), jnp.zeros(2, int)), {"z_loss": -1.0}, "at least 0"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(tl.InputError, match=message):
        cross_entropy(*arguments, **options)
