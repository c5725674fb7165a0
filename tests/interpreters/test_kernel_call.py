"""Pallas kernels as ordinary functions. The oracle for values is Pallas' own interpret
mode; for memory, faults planted one by one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

import torchlean_jax as tl
from torchlean_jax.interpreters._kernel_call import (
    kernel_bytes,
    kernel_faults,
    unrolled,
)

ROWS, COLUMNS, BLOCK = 3, 10, 4


def call(kernel, *args, out=None, grid=(ROWS,), **params):
    out = jax.ShapeDtypeStruct((ROWS, COLUMNS), jnp.float32) if out is None else out
    return pl.pallas_call(kernel, out_shape=out, grid=grid, interpret=True, **params)(
        *args
    )


def chunks(row, columns=COLUMNS):
    """The tiles of a row: where they start, and which of their columns exist."""
    for start in range(0, columns, BLOCK):
        at = start + jnp.arange(BLOCK)
        yield (row, at), at < columns


def normalise(x_ref, o_ref):
    """x / sum(|x|) of each row, tile by tile, ragged at the end."""
    row = pl.program_id(0)
    total = jnp.float32(0)
    for place, mask in chunks(row):
        total += jnp.abs(plt.load(x_ref.at[place], mask=mask, other=0.0)).sum()
    for place, mask in chunks(row):
        tile = plt.load(x_ref.at[place], mask=mask, other=0.0)
        plt.store(o_ref.at[place], tile / total, mask=mask)


def looped(x_ref, o_ref):
    """Running sums, with a loop, a branch and a look at what was stored."""
    row = pl.program_id(0)

    def body(j, carry):
        o_ref[row, pl.ds(j, 1)] = carry + x_ref[row, pl.ds(j, 1)]

        @pl.when(row == 1)
        def _():
            o_ref[row, pl.ds(j, 1)] += 1.0

        return o_ref[row, pl.ds(j, 1)]

    jax.lax.fori_loop(0, COLUMNS, body, jnp.zeros(1, jnp.float32))


def blocked(x_ref, w_ref, o_ref):
    o_ref[...] = x_ref[...] * w_ref[...] + pl.num_programs(0)


BLOCKS = {
    "in_specs": [
        pl.BlockSpec((1, 5), lambda i, j: (i, j)),
        pl.BlockSpec((5,), lambda i, j: (j,)),
    ],
    "out_specs": pl.BlockSpec((1, 5), lambda i, j: (i, j)),
}


def lookup(i_ref, x_ref, o_ref):
    """Rows picked by integers in memory."""
    row = pl.program_id(0)
    o_ref[pl.ds(row, 1), :] = x_ref[pl.ds(i_ref[row], 1), :]


PROGRAMS = {
    "ragged tiles": lambda x: call(normalise, x),
    "loops and branches": lambda x: call(looped, x),
    "blocks": lambda x: call(blocked, x, x[1], grid=(ROWS, 2), **BLOCKS),
    "inside jit": lambda x: jax.jit(lambda x: call(normalise, x + 1.0))(x) * 2.0,
    "under vmap": lambda x: jax.vmap(lambda x: call(normalise, x))(
        jnp.stack([x, -2.0 * x])
    ),
    "two calls": lambda x: call(normalise, call(looped, x)),
    "addresses in memory": lambda x: call(lookup, jnp.array([2, 0, 2]), x),
    "aliased": lambda x: call(
        looped, x, out=jax.ShapeDtypeStruct(x.shape, x.dtype), grid=(2,),
        input_output_aliases={0: 0},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(3), (ROWS, COLUMNS))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_unrolled_kernel_computes_what_the_kernel_computes(name, x):
    if name == "addresses in memory":
        pick = jnp.array([2, 0, 2])
        f = lambda x: call(lookup, pick, x)
    else:
        f = PROGRAMS[name]
    expected = np.asarray(f(x))
    np.testing.assert_allclose(np.asarray(unrolled(f)(x)), expected, rtol=2e-6)
    np.testing.assert_allclose(jax.jit(unrolled(f))(x), expected, rtol=2e-6)
    faults = kernel_faults(f)(jax.ShapeDtypeStruct(x.shape, x.dtype))
    accumulates = ("loops and branches", "two calls", "aliased")
    expected = {"written again"} if name in accumulates else set()
    assert {fault.kind for fault in faults} == expected


def test_it_is_a_program_like_any_other(x):
    """Domains walk it: the kernel is the formula, to every digit and in the field."""
    kernel = unrolled(lambda x: call(normalise, x))
    formula = lambda x: x / jnp.abs(x).sum(axis=1, keepdims=True)
    assert tl.equivalent(kernel, formula)(x).equal
    wrong = lambda x: x / jnp.abs(x[:, :8]).sum(axis=1, keepdims=True)
    assert tl.equivalent(kernel, wrong)(x).equal is False
    box = tl.interpret(kernel, domain=tl.Interval)(tl.box(x, radius=0.01))
    assert bool(box.contains(formula(x)).all())


def no_mask_on_load(x_ref, o_ref):
    row = pl.program_id(0)
    for place, mask in chunks(row):
        plt.store(o_ref.at[place], x_ref[place], mask=mask)


def no_mask_on_store(x_ref, o_ref):
    row = pl.program_id(0)
    for place, mask in chunks(row):
        o_ref[place] = plt.load(x_ref.at[place], mask=mask, other=0.0)


def last_tile_lost(x_ref, o_ref):
    row = pl.program_id(0)
    for place, mask in list(chunks(row))[:-1]:
        plt.store(o_ref.at[place], plt.load(x_ref.at[place], mask=mask), mask=mask)


def same_row_for_all(x_ref, o_ref):
    o_ref[0, :] = x_ref[0, :]


def neighbour_is_read(x_ref, o_ref):
    row = pl.program_id(0)
    o_ref[row, :] = x_ref[row, :]
    o_ref[row, :] = o_ref[jnp.maximum(row - 1, 0), :]


def summed_onto_nothing(x_ref, o_ref):
    row = pl.program_id(0)
    o_ref[row, :] += x_ref[row, :]


def two_lanes_one_place(x_ref, o_ref):
    row = pl.program_id(0)
    o_ref[row, :] = x_ref[row, :]
    o_ref[row, jnp.arange(2) // 2 + 1] = x_ref[row, jnp.arange(2) + 2]


def index_below_zero(x_ref, o_ref):
    row = pl.program_id(0)
    o_ref[row, :] = x_ref[row - 1, :]


def wrong_block(x_ref, o_ref):
    o_ref[...] = x_ref[...]


PLANTED = {
    "no mask on load": (no_mask_on_load, "read out of bounds"),
    "no mask on store": (no_mask_on_store, "write out of bounds"),
    "last tile lost": (last_tile_lost, "never written"),
    "same row for all": (same_row_for_all, "race"),
    "neighbour is read": (neighbour_is_read, "race"),
    "summed onto nothing": (summed_onto_nothing, "read before any write"),
    "two lanes, one place": (two_lanes_one_place, "race"),
    "index below zero": (index_below_zero, "read out of bounds"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named(name, x):
    kernel, kind = PLANTED[name]
    found = kernel_faults(lambda x: call(kernel, x))(x)
    assert kind in {fault.kind for fault in found}
    (first, *_) = [fault for fault in found if fault.kind == kind]
    assert kind in str(first)
    assert first.count >= 1


def test_a_block_index_that_is_wrong_is_a_race(x):
    """Every program writes block 0."""
    spec = pl.BlockSpec((1, COLUMNS), lambda i: (0, 0))
    f = lambda x: call(wrong_block, x, in_specs=[spec], out_specs=spec)
    kinds = {fault.kind for fault in kernel_faults(f)(x)}
    assert {"race", "never written"} <= kinds


def shifts_in_place(x_ref, o_ref):
    """Each program reads the row that the one before it has written."""
    row = pl.program_id(0)
    o_ref[row, :] = x_ref[jnp.maximum(row - 1, 0), :]


def reads_all_then_writes(x_ref, o_ref):
    """All programs read row 0; the last one writes it as well."""
    row = pl.program_id(0)
    total = o_ref[0, :] + x_ref[row, :]

    @pl.when(row == ROWS - 1)
    def _():
        o_ref[0, :] = total


@pytest.mark.parametrize("kernel", [shifts_in_place, reads_all_then_writes])
def test_an_operand_and_its_result_are_one_memory(kernel, x):
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    f = lambda x: call(kernel, x, out=shape, input_output_aliases={0: 0})
    assert "race" in {fault.kind for fault in kernel_faults(f)(x)}


def test_a_kernel_in_a_loop_does_not_pass_unseen(x):
    step = lambda _, x: call(no_mask_on_load, x)
    with pytest.raises(tl.InputError, match="inside `scan`"):
        kernel_faults(lambda x: jax.lax.fori_loop(0, 2, step, x))(x)


def test_the_fault_names_the_line_and_the_program(x):
    (fault, *_) = kernel_faults(lambda x: call(no_mask_on_load, x))(x)
    assert fault.program == (0,)
    assert (
        fault.source is not None
        and fault.source[2] == "plt.store(o_ref.at[place], x_ref[place], mask=mask)"
    )
    assert fault.count == 2


def data_dependent(x_ref, o_ref):
    row = pl.program_id(0)
    o_ref[row, :] = x_ref[row, :]

    @pl.when(x_ref[0, 0] > 0)
    def _():
        o_ref[row, :] = x_ref[row, :] * 2


def atomic(x_ref, o_ref):
    plt.atomic_add(o_ref, (0, jnp.arange(COLUMNS)), x_ref[0, jnp.arange(COLUMNS)])


def float_address(x_ref, o_ref):
    row = x_ref[0, 0].astype(jnp.int32)
    o_ref[pl.ds(row, 1), :] = x_ref[pl.ds(row, 1), :]


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (data_dependent, "branch that touches memory"),
        (atomic, "no fixed order"),
        (float_address, "index into memory depends"),
    ],
)
def test_what_has_no_fixed_meaning_is_refused(kernel, message, x):
    with pytest.raises(tl.InputError, match=message):
        kernel_faults(lambda x: call(kernel, x))(x)


def test_a_grid_that_is_too_large_says_so(x):
    f = functools.partial(call, wrong_block, grid=(5000,))
    with pytest.raises(tl.InputError, match="5000"):
        kernel_faults(f)(x)


def test_without_numbers_addresses_are_the_same():
    """Faults and bytes are found without the floats: those that a loop takes apart and
    puts together, integers that follow from them, sums into what was written."""

    def body(x_ref, o_ref, n_ref):
        _, rows = jax.lax.scan(lambda c, row: (c + row, row * c), x_ref[0], x_ref[...])
        o_ref[...] = rows
        o_ref[...] += 1.0
        n_ref[...] = jnp.floor(rows[0]).astype(jnp.int32)

    x = jax.ShapeDtypeStruct((3, 4), jnp.float32)
    shapes = x, jax.ShapeDtypeStruct((4,), jnp.int32)
    call = lambda x: pl.pallas_call(body, out_shape=shapes)(x)
    (moved,) = kernel_bytes(call)(x)
    # x, a row of it and, to be added to, o; o twice and n
    assert (moved.loaded, moved.stored) == (4 * (12 + 4 + 12), 4 * (2 * 12 + 4))
    assert [f.kind for f in kernel_faults(call)(x)] == ["written again"]


def test_a_mask_that_floats_decide_is_refused_without_them():
    def body(x_ref, o_ref):
        inside = x_ref[...] > 0
        o_ref[...] = plt.load(x_ref.at[jnp.arange(4)], mask=inside, other=0.0)

    x = jax.ShapeDtypeStruct((4,), jnp.float32)
    with pytest.raises(tl.InputError, match="follow from indices, not from floats"):
        kernel_faults(lambda x: pl.pallas_call(body, out_shape=x)(x))(x)
