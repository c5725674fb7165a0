"""What kernels on whole rows share: how often memory is asked for a row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.interpreters import _jaxpr
from torchlean_jax.pallas_kernels import _rows, _tiles
from torchlean_jax.pallas_kernels._tiles import row_tile
from torchlean_jax.pallas_kernels.layer_norm import _kernel
from torchlean_jax.pallas_kernels.layer_norm._contract import EPS, TERMS


def loads(jaxpr) -> int:
    """How many loads a program executes, loops by their length."""
    total = 0
    for eqn in _jaxpr.open_jaxpr(jaxpr)[0].eqns:
        times = eqn.params.get("length", 1)
        inner = sum(map(loads, _jaxpr.subjaxprs(eqn)))
        total += times * inner + (eqn.primitive.name == "masked_load")
    return total


@pytest.mark.parametrize(("width", "expected"), [(300, 3), (4096, 3), (8192, 2 * 5)])
def test_a_row_that_is_one_tile_is_loaded_once(width, expected):
    """x, weight and bias; a row of two tiles: three times two of x, two of the rest."""
    x, w = jnp.ones((3, width)), jnp.ones(width)
    found = loads(jax.make_jaxpr(lambda *a: _kernel.layer_norm(*a, eps=1e-6))(x, w, w))
    assert found == expected


def test_tiles_stay_within_their_registers():
    for width in (1, 300, 4096, 4097, 100_000):
        for arrays in (1, 2, 3, 4):
            tile = row_tile(1000, width, arrays=arrays)
            assert tile.rows * tile.columns * arrays <= 8192


def test_a_vector_is_no_row_though_it_has_the_shape_of_one(interpreted):
    with interpreted():
        y = _kernel.layer_norm(*jnp.eye(3), eps=1.0)
    np.testing.assert_allclose(y, [0.0, -1 / 11**0.5, 1.0], rtol=1e-6)


def broken_in_turn(monkeypatch, program, rows, **options):
    """The clauses that LayerNorm fails with rows launched by that module, five rows in
    tiles of two: three turns of one program."""
    monkeypatch.setattr(_tiles, "FEWEST_PROGRAMS", 1)
    monkeypatch.setattr(rows, "row_tile", lambda *_, **__: _tiles.Tile(2, 16))
    monkeypatch.setattr(_kernel, "on_rows", rows.on_rows)

    # a new function: JAX keeps what it traced of the old one
    def kernel(*arrays):
        return getattr(_kernel, program.name)(*arrays, eps=EPS)

    terms = base.with_kernel(TERMS, program, kernel)
    return base.failing_clauses(terms, **base.ONE, **options)


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
def test_tiles_of_rows_in_turn_are_right(program, monkeypatch):
    options = {"clauses": ["meaning", "memory"]}
    assert not broken_in_turn(monkeypatch, program, _rows, **options)


FORWARD, BACKWARD = TERMS.programs
TURNS = ["a lost turn", "the same rows in each turn", "sums of the last rows alone"]


@plants("layer_norm", says=TURNS)
@pytest.mark.parametrize(
    ("program", "clause", "old", "new"),
    [
        (FORWARD, "memory", "+ programs - 1) - program", "- 1) - program"),
        (FORWARD, "memory", "program + number * programs", "program"),
        (BACKWARD, "meaning", "tuple(map(jnp.add, totals, added))", "tuple(added)"),
    ],
    ids=TURNS,
)
def test_faults_in_turns_are_caught(program, clause, old, new, monkeypatch):
    faulty = base.mutated(_rows, old, new)
    found = broken_in_turn(monkeypatch, program, faulty, clauses=[clause])
    assert found == {clause}


def test_an_array_of_few_tiles_goes_to_as_many_programs():
    assert _tiles.programs_in_turn(5) == 5
    assert _tiles.programs_in_turn(200) == 128
    assert _tiles.programs_in_turn(8192) == 1024
