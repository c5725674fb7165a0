"""Rotary position embedding: its contract, and ways to break it, each caught."""

import cmath

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.pallas_kernels import _rows, rope
from torchlean_jax.pallas_kernels.rope import _kernel
from torchlean_jax.pallas_kernels.rope._contract import BASE, TERMS

HALF, INTERLEAVED, BACKWARD = TERMS.programs
LAYOUTS = {
    "half": lambda n: [(k, k + n // 2) for k in range(n // 2)],
    "interleaved": lambda n: [(2 * k, 2 * k + 1) for k in range(n // 2)],
}


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
@pytest.mark.parametrize("shape", ["ragged", "one"])
def test_unrolled_or_interpreted(program, shape, interpreted):
    args = program.arguments(jax.random.key(0), TERMS.shapes[shape], jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_are_complex_numbers_that_turn(layout):
    x, positions = jax.random.normal(jax.random.key(0), (3, 8)), [0, 5, -11]
    y = rope(x, jnp.array(positions), layout=layout, base=100.0)
    for row, turned, p in zip(np.asarray(x), np.asarray(y), positions, strict=True):
        for k, (i, j) in enumerate(LAYOUTS[layout](8)):
            angle = p * 100.0 ** (-2 * k / 8)
            z = complex(row[i], row[j]) * cmath.exp(1j * angle)
            np.testing.assert_allclose([turned[i], turned[j]], [z.real, z.imag], 2e-5)


def test_scores_depend_on_the_distance_alone():
    q, k = jax.random.normal(jax.random.key(1), (2, 16))
    turn = lambda x, p: rope(x, jnp.array(p), layout="half")
    scores = [float(turn(q, p + 7) @ turn(k, p)) for p in (0, 3, 100)]
    np.testing.assert_allclose(scores, scores[0], rtol=1e-4)


def test_heads_share_positions():
    x = jax.random.normal(jax.random.key(1), (2, 4, 3, 6))
    of_heads = rope(x, jnp.arange(4)[:, None], layout="half")
    one = rope(x[:, :, 2], jnp.arange(4), layout="half")
    np.testing.assert_allclose(of_heads[:, :, 2], one)


def broken(program, old, new):
    module = base.mutated(_kernel, old, new)
    return base.with_kernel(TERMS, program, same_call(program, module))


def same_call(program, module):
    options = dict(program.kernel.keywords)
    return lambda x, positions: module.rope(x, positions, **options)


@plants("rope")
@pytest.mark.parametrize(
    ("program", "old", "new", "clause"),
    [
        (HALF, "first * cos - second * sin", "first * cos + second * sin", "meaning"),
        (HALF, "sign * jnp.sin(turn)", "jnp.sin(-turn)", "meaning"),
        (BACKWARD, "sign * jnp.sin(turn)", "jnp.sin(turn)", "meaning"),
        (HALF, "LAYOUTS[layout](n)", "LAYOUTS['interleaved'](n)", "meaning"),
        (INTERLEAVED, "width=n // 2", "width=n // 2 - 1", "memory"),
        (
            HALF,
            "second * cos, stride, at_second",
            "second * cos, stride, at_first",
            "memory",
        ),
        (HALF, "frequencies(n, base)", "frequencies(n, 10 * base)", "meaning"),
        (HALF, "turn = position *", "turn = (1 + position) *", "meaning"),
        (
            HALF,
            "first * sin + second",
            "first.astype(jnp.bfloat16) * sin + second",
            "rounding",
        ),
    ],
)
def test_a_fault(program, old, new, clause, monkeypatch):
    monkeypatch.setattr(_rows, "row_tile", base.SmallTiles)
    terms = broken(program, old, new)
    assert clause in base.failing_clauses(terms, clauses=[clause], **base.ONE)


def test_small_tiles_are_right(monkeypatch):
    """What was broken above was right before."""
    monkeypatch.setattr(_rows, "row_tile", base.SmallTiles)
    for program in TERMS.programs:
        terms = base.with_kernel(TERMS, program, same_call(program, _kernel))
        clauses = ["meaning", "memory", "rounding"]
        assert not base.failing_clauses(terms, clauses=clauses, **base.ONE)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((jnp.ones((2, 3)), jnp.zeros(2, int)), {}, "an even n"),
        ((jnp.ones((2, 4)), jnp.zeros(3, int)), {}, r"positions \[3\]"),
        ((jnp.ones((2, 4)), jnp.zeros(2)), {}, "integer positions, not float32"),
        ((jnp.ones((2, 4), int), jnp.zeros(2, int)), {}, r"x: int32\[2, 4\]"),
        (
            (jnp.ones((2, 4)), jnp.zeros(2, int)),
            {"layout": "neox"},
            "interleaved, half",
        ),
        ((jnp.ones((2, 4)), jnp.zeros(2, int)), {"base": 0.0}, "positive base"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(tl.InputError, match=message):
        rope(*arguments, **{"layout": "half", "base": BASE} | options)
