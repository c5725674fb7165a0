"""Bytes that kernels load and store, beside counts by hand."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from jax.experimental import pallas as pl

from torchlean_jax.contracts import contract
from torchlean_jax.interpreters._kernel_call import kernel_bytes
from torchlean_jax.pallas_kernels._blocks import DEFAULT, using
from torchlean_jax.pallas_kernels._rows import on_rows
from torchlean_jax.pallas_kernels.layer_norm._kernel import layer_norm

ROWS, WIDTH = 64, 1000
ARRAY = 4 * ROWS * WIDTH


def moved(name):
    return {each.name: each for each in contract(name).bytes()}


def test_what_is_read_twice_counts_twice():
    def kernel(x_ref, y_ref, o_ref):
        o_ref[...] = x_ref[...] * x_ref[...] + y_ref[0]

    x = jax.ShapeDtypeStruct((6, 5), jnp.float32)
    y = jax.ShapeDtypeStruct((3,), jnp.bfloat16)
    whole = pl.BlockSpec((3,), lambda i: (0,))
    rows = pl.BlockSpec((2, 5), lambda i: (i, 0))
    (found,) = kernel_bytes(
        lambda x, y: pl.pallas_call(
            kernel, out_shape=x, grid=(3,), in_specs=[rows, whole], out_specs=rows
        )(x, y)
    )(x, y)
    # of y each of three programs reads one element of two bytes
    assert (found.loaded, found.stored) == (2 * 120 + 3 * 2, 120)
    assert found.once == 120 + 6 + 120


def test_softmax_moves_each_element_once():
    forward, backward = moved("softmax").values()
    assert (forward.loaded, forward.stored) == (ARRAY + ROWS * WIDTH, ARRAY)
    assert (backward.loaded, backward.stored) == (2 * ARRAY, ARRAY)


def test_cross_entropy_loads_each_logit_once():
    found = moved("cross_entropy")
    forward, backward = found["cross_entropy"], found["cross_entropy_backward"]
    numbers = 4 * ROWS  # of labels, sums, cotangents
    assert (forward.loaded, forward.stored) == (ARRAY + numbers, 2 * numbers)
    assert (backward.loaded, backward.stored) == (ARRAY + 3 * numbers, ARRAY)


@pytest.mark.parametrize(("forgets", "ratio"), [(False, 1.0), (True, 1.5)])
def test_a_row_that_is_read_again_is_noticed(forgets, ratio):
    def scaled(tiles, x_ref, y_ref):
        top = tiles.load(x_ref, 0).max(axis=1)[:, None]
        if forgets:
            tiles.held.clear()
        tiles.store(y_ref, 0, tiles.load(x_ref, 0) / top)

    x = jax.ShapeDtypeStruct((5, 12), jnp.float32)
    (found,) = kernel_bytes(lambda x: on_rows("scaled", scaled, [x], arrays=2))(x)
    assert found.ratio == ratio


@pytest.mark.parametrize(
    "name",
    [
        "rms_norm",
        "layer_norm",
        "batch_invariant_rms_norm",
        "rope",
        "selective_scan",
        "scatter_add",
    ],
)
def test_streaming_kernels_stay_near_the_least(name):
    found = contract(name).bytes()
    assert found and max(each.ratio for each in found) <= 1.25


def test_vectors_that_each_tile_asks_for_are_too_much():
    """Two vectors for every two rows: a third of all that is loaded."""
    x = jax.ShapeDtypeStruct((512, 1000), jnp.float32)
    w = jax.ShapeDtypeStruct((1000,), jnp.float32)
    with using(replace(DEFAULT, turns=1)):
        (found,) = kernel_bytes(lambda *a: layer_norm(*a, eps=1e-6))(x, w, w)
    assert found.ratio > 1.4
