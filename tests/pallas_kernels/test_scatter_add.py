"""Scatter-add: its contract, and ways to break it, each caught by a clause."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.contracts import Contract
from torchlean_jax.interpreters._kernel_call import unrolled
from torchlean_jax.pallas_kernels import scatter_add
from torchlean_jax.pallas_kernels.scatter_add import _kernel, _op
from torchlean_jax.pallas_kernels.scatter_add._contract import TERMS

FORWARD, BACKWARD = TERMS.programs


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
@pytest.mark.parametrize("shape", ["ragged", "wide"])
def test_unrolled_or_interpreted(program, shape, interpreted):
    args = program.arguments(jax.random.key(0), TERMS.shapes[shape], jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


def one_after_the_other(operand, places, updates):
    """The sums of NumPy's float32, in the order of the updates."""
    y = np.array(operand)
    for place, update in zip(np.asarray(places), np.asarray(updates), strict=True):
        if 0 <= place < len(y):
            y[place] += update
    return y


def test_every_bit_is_that_of_sums_in_order():
    """Alone, and among updates of other rows, in front of them and behind."""
    kernel = unrolled(_kernel.scatter_add)
    operand, places, updates = FORWARD.arguments(
        jax.random.key(3), (4, 40, 3), jnp.float32
    )
    updates = updates * jnp.exp2(jnp.arange(40.0) % 13)[:, None]
    expected = one_after_the_other(operand, places, updates)
    np.testing.assert_array_equal(kernel(operand, places, updates), expected)
    for shuffled in (np.argsort(places, kind="stable"), np.nonzero(places == 2)[0]):
        y = kernel(operand, places[shuffled], updates[shuffled])
        np.testing.assert_array_equal(y[2], expected[2])
    # the order matters: backwards, some bits differ
    backwards = one_after_the_other(operand, places[::-1], updates[::-1])
    assert (backwards != expected).any()


def test_other_ranks():
    y = scatter_add(jnp.zeros(3), jnp.array([2, 2]), jnp.array([1.0, 2.0]))
    np.testing.assert_array_equal(y, [0, 0, 3])
    y = scatter_add(jnp.zeros((2, 2, 2)), jnp.array([1]), jnp.ones((1, 2, 2)))
    np.testing.assert_array_equal(y[1], np.ones((2, 2)))


def test_without_updates_there_is_no_product():
    """And no kernel: the operand is the result, and a gradient of nothing is empty."""
    base.assert_contract_holds(
        "scatter_add", shapes=["no updates"], clauses=["precision"]
    )


# Planted faults --------------------------------------------------------------------


@plants(
    "scatter_add",
    clause="precision",
    says=["no kernel: the operand as it is", "no kernel: zeros"],
)
@pytest.mark.parametrize(
    ("program", "kernel"),
    [
        (FORWARD, lambda operand, places, updates: operand),
        (BACKWARD, lambda source, places: jnp.zeros((12, 3), source.dtype)),
    ],
)
def test_a_kernel_that_is_missing_where_there_are_updates(program, kernel):
    terms = base.with_kernel(TERMS, program, kernel)
    (failure,) = base.failures(terms, clauses=["precision"], **base.ONE)
    assert "the formula returns something else" in failure.detail


def _race(x_ref, order_ref, starts_ref, updates_ref, y_ref, *, tile):
    """A program for each update, all into the same memory."""
    row = pl.program_id(0)
    columns = _kernel.Columns(pl.program_id(1), x_ref.shape[1], tile)
    update = columns.load(updates_ref, order_ref[row])
    columns.store(y_ref, row // 2, columns.load(x_ref, row // 2) + update)


def _summed(x_ref, order_ref, starts_ref, updates_ref, y_ref, tile, add, end=0):
    row = pl.program_id(0)
    columns = _kernel.Columns(pl.program_id(1), x_ref.shape[1], tile)

    def step(number, total):
        return add(total, columns.load(updates_ref, order_ref[number]))

    last = jnp.minimum(starts_ref[row + 1] + end, order_ref.shape[0])
    span = starts_ref[row], last
    total = jax.lax.fori_loop(*span, step, columns.load(x_ref, row))
    columns.store(y_ref, row, total)


def _loses_the_last(*refs, tile):
    _summed(*refs, tile=tile, add=jnp.add, end=-1)


def _takes_one_more(*refs, tile):
    _summed(*refs, tile=tile, add=jnp.add, end=1)


def _overwrites(*refs, tile):
    """Of several updates with one index the last one stays."""
    _summed(*refs, tile=tile, add=lambda total, update: 0 * total + update)


def _narrow(*refs, tile):
    """Sums in bfloat16."""

    def add(total, update):
        return (total + update).astype(jnp.bfloat16).astype(jnp.float32)

    _summed(*refs, tile=tile, add=add)


def _forgets_the_operand(x_ref, order_ref, starts_ref, updates_ref, y_ref, *, tile):
    columns = _kernel.Columns(pl.program_id(1), x_ref.shape[1], tile)
    row = pl.program_id(0)
    total = jnp.zeros_like(columns.column, jnp.float32)
    span = starts_ref[row], starts_ref[row + 1]

    def add(number, total):
        return total + columns.load(updates_ref, order_ref[number])

    columns.store(y_ref, row, jax.lax.fori_loop(*span, add, total))


class _RaggedEdge(_kernel.Columns):
    def __init__(self, part, width, tile):
        super().__init__(part, width, tile)
        self.real = self.column < tile.columns


def _unsorted(places, rows):
    order, starts = sorted_by_place(places, rows)
    return jnp.arange(len(order)), starts


sorted_by_place = _kernel.sorted_by_place


@plants("scatter_add")
@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"_add": _race}, "memory"),
        ({"_add": _loses_the_last}, "meaning"),
        ({"_add": _takes_one_more}, "meaning"),
        ({"_add": _overwrites}, "meaning"),
        ({"_add": _narrow}, "rounding"),
        ({"_add": _forgets_the_operand}, "meaning"),
        ({"Columns": _RaggedEdge}, "memory"),
        ({"sorted_by_place": _unsorted}, "meaning"),
    ],
    ids=lambda case: (
        "" if isinstance(case, str) else next(iter(case.values())).__name__
    ),
)
def test_a_wrong_kernel(changes, clause, monkeypatch):
    for name, change in changes.items():
        monkeypatch.setattr(_kernel, name, change)

    # a new function: JAX keeps what it traced of the old one
    def kernel(*args):
        return _kernel.scatter_add(*args)

    terms = base.with_kernel(TERMS, FORWARD, kernel)
    found = base.failures(terms, clauses=[clause], **base.ONE)
    assert FORWARD.name in {c.program for c in found}


def _reads_what_was_dropped(source, places):
    """The gradient of an update that took no part."""
    return _kernel.gather_rows(source, jnp.clip(places, 0, source.shape[0] - 1))


def _gather_without_a_mask(source_ref, places_ref, y_ref, *, tile):
    row = jnp.arange(tile.rows) % places_ref.shape[0]
    column = jnp.arange(tile.columns) % source_ref.shape[1]
    y_ref[...] = source_ref[places_ref[row][:, None], column[None, :]][
        : y_ref.shape[0], : y_ref.shape[1]
    ]


@plants("scatter_add", clause="meaning", says=["a gradient of what was dropped"])
def test_a_wrong_backward():
    terms = base.with_kernel(TERMS, BACKWARD, _reads_what_was_dropped)
    found = base.failures(terms, clauses=["meaning"], **base.ONE)
    assert [c.program for c in found] == [BACKWARD.name]


@plants("scatter_add", clause="memory")
def test_a_backward_without_a_mask(monkeypatch):
    monkeypatch.setattr(_kernel, "_gather", _gather_without_a_mask)
    terms = base.with_kernel(TERMS, BACKWARD, lambda *args: _kernel.gather_rows(*args))
    assert base.failing_clauses(terms, clauses=["memory"], **base.ONE) == {"memory"}


def _from_the_end(indices, rows):
    """A negative index counts from the end, as it does in Python."""
    return jnp.where(indices < 0, indices + rows, indices).astype(jnp.int32)


@plants("scatter_add", clause="edges", says=["indices from the end"])
def test_a_wrong_edge(monkeypatch):
    edge = next(e for e in TERMS.edges if e.name.startswith("outside"))
    terms = dataclasses.replace(TERMS, programs=(), edges=(edge,))
    assert Contract(terms).check(shapes=[], clauses=["edges"]).ok
    monkeypatch.setattr(_op, "_places", _from_the_end)
    jax.clear_caches()  # the public function keeps what it traced above
    try:
        assert not Contract(terms).check(shapes=[], clauses=["edges"]).ok
    finally:
        jax.clear_caches()  # nor may it keep the broken one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((jnp.ones((2, 3)), jnp.ones(2, int), jnp.ones((2, 4))), r"updates \[2, 4\]"),
        ((jnp.ones((2, 3)), jnp.ones(2), jnp.ones((2, 3))), "of integers"),
        ((jnp.ones((2, 3)), jnp.ones((1, 2), int), jnp.ones((2, 3))), r"\[1, 2\]"),
        ((jnp.ones(2, int), jnp.ones(2, int), jnp.ones(2)), r"operand: int32\[2\]"),
        ((jnp.ones(()), jnp.ones(2, int), jnp.ones(2)), r"operand \[rows, ...\]"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(tl.InputError, match=message):
        scatter_add(*arguments)
