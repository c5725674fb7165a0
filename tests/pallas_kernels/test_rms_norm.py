"""RMSNorm: its contract, and ways to break it, each caught by a clause."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.contracts import Contract
from torchlean_jax.pallas_kernels import _rows, rms_norm
from torchlean_jax.pallas_kernels._rows import RowTiles
from torchlean_jax.pallas_kernels.rms_norm import _kernel
from torchlean_jax.pallas_kernels.rms_norm._contract import EPS, TERMS

FORWARD, BACKWARD = TERMS.programs


def test_other_dtypes_keep_it_as_well():
    for dtype in ("bfloat16", "float16"):
        clauses = ["memory", "precision"]
        base.assert_contract_holds("rms_norm", dtypes=[dtype], clauses=clauses)


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
@pytest.mark.parametrize("shape", ["ragged", "batched", "one"])
def test_unrolled_or_interpreted(program, shape, interpreted):
    args = program.arguments(jax.random.key(0), TERMS.shapes[shape], jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


def test_against_fifty_digits():
    """y of one row, from Python's own arithmetic."""
    x, w = [0.5, -2.25, 3.0], [1.0, 0.5, -2.0]
    scale = 1 / math.sqrt(math.fsum(v * v for v in x) / 3 + 1e-3)
    expected = [a * scale * b for a, b in zip(x, w, strict=True)]
    y = rms_norm(jnp.array(x), jnp.array(w), eps=1e-3)
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def broken(monkeypatch, module=_rows, **changes):
    """The terms of the forward kernel, some names of a module of its replaced."""
    for name, change in changes.items():
        monkeypatch.setattr(module, name, change)

    # a new function: JAX keeps what it traced of the old one
    def kernel(x, weight):
        return _kernel.rms_norm(x, weight, eps=EPS)

    return base.with_kernel(TERMS, FORWARD, kernel)


def _epsilon_outside(tiles, x_ref, eps):
    squares = tiles.sum(lambda step: tiles.load(x_ref, step) ** 2)
    return 1.0 / (jnp.sqrt(squares / tiles.width) + eps)


def _padding_counts(tiles, x_ref, eps):
    squares = tiles.sum(lambda step: tiles.load(x_ref, step) ** 2)
    return jax.lax.rsqrt(squares / tiles.tile.columns + eps)


def _narrow_sum(tiles, x_ref, eps):
    squares = tiles.sum(
        lambda step: (tiles.load(x_ref, step) ** 2).astype(jnp.bfloat16)
    )
    return jax.lax.rsqrt(squares.astype(jnp.float32) / tiles.width + eps)


@plants("rms_norm")
@pytest.mark.parametrize(
    ("scale", "clause"),
    [
        (_epsilon_outside, "meaning"),
        (_padding_counts, "meaning"),
        (_narrow_sum, "rounding"),
    ],
)
def test_a_wrong_scale(scale, clause, monkeypatch):
    terms = broken(monkeypatch, _kernel, _scale=scale)
    assert clause in base.failing_clauses(terms, clauses=[clause], **base.ONE)


class _NoMask(RowTiles):
    def load(self, ref, step):
        columns, _ = self.at(step)
        return ref[self.row[:, None], columns[None, :]]


class _StoresAll(RowTiles):
    def store(self, ref, step, value):
        columns, _ = self.at(step)
        ref[self.row[:, None], columns[None, :]] = value


class _LosesTheLastTile(RowTiles):
    def __len__(self):
        return super().__len__() - 1


class _DropsTheEdge(RowTiles):
    """Rows of an incomplete tile are left out."""

    def __init__(self, shape, tile, place, held=()):
        super().__init__(shape, tile, place, held)
        self.real = self.row < shape[0] // 4 * 4


class _WrongRow(RowTiles):
    """The block index is not multiplied by the tile's height."""

    def __init__(self, shape, tile, place, held=()):
        super().__init__(shape, tile, place, held)
        self.row = place + jnp.arange(tile.rows)
        self.real = self.row < shape[0]


@plants("rms_norm", clause="memory")
@pytest.mark.parametrize(
    ("tiles", "kind"),
    [
        (_NoMask, "read out of bounds"),
        (_StoresAll, "write out of bounds"),
        (_LosesTheLastTile, "never written"),
        (_DropsTheEdge, "never written"),
        (_WrongRow, "race"),
    ],
)
def test_a_wrong_access(tiles, kind, monkeypatch):
    terms = broken(monkeypatch, RowTiles=tiles, row_tile=base.SmallTiles)
    report = Contract(terms).check(clauses=["memory"], **base.ONE)
    assert {c.clause for c in report.failures} == {"memory"}
    assert kind in report.failures[0].detail


def test_small_tiles_are_right(monkeypatch):
    """What was broken above was right before."""
    terms = broken(monkeypatch, row_tile=base.SmallTiles)
    assert not base.failing_clauses(terms, clauses=["meaning", "memory"], **base.ONE)


def _no_weight_gradient(x, weight, dy, *, eps):
    dx, dw = _kernel.rms_norm_backward(x, weight, dy, eps=eps)
    return dx, jnp.zeros_like(dw)


def _no_rescale(x, weight, dy, *, eps):
    """Without the term through the mean of squares."""
    dx, dw = _kernel.rms_norm_backward(x, weight, dy, eps=eps)
    scale = jax.lax.rsqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return scale * weight * dy + 0 * dx, dw


def _swapped(x, weight, dy, *, eps):
    return _kernel.rms_norm_backward(dy, weight, x, eps=eps)


@plants("rms_norm", clause="meaning")
@pytest.mark.parametrize("wrong", [_no_weight_gradient, _no_rescale, _swapped])
def test_a_wrong_backward(wrong):
    terms = base.with_kernel(TERMS, BACKWARD, functools.partial(wrong, eps=EPS))
    assert base.failing_clauses(terms, clauses=["meaning"], **base.ONE) == {"meaning"}


@plants("rms_norm", clause="memory")
def test_atomic_sums_have_no_fixed_order():
    def body(x_ref, w_ref, o_ref):
        plt.atomic_add(o_ref, (pl.program_id(0) * 0 + jnp.arange(4),), x_ref[0, :4])

    def kernel(x, w):
        return pl.pallas_call(body, out_shape=x[0], grid=(2,))(x, w)

    terms = base.with_kernel(TERMS, FORWARD, kernel)
    report = Contract(terms).check(
        shapes=["square"], dtypes=["float32"], clauses=["memory"]
    )
    assert "no fixed order" in report.failures[0].detail


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((jnp.ones((2, 3)), jnp.ones(4)), {}, r"x \[2, 3\], weight \[4\]"),
        ((jnp.ones(()), jnp.ones(1)), {}, "n >= 1"),
        ((jnp.ones((2, 0)), jnp.ones(0)), {}, "n >= 1"),
        ((jnp.ones((2, 3), jnp.int32), jnp.ones(3)), {}, r"x: int32\[2, 3\]"),
        ((jnp.ones((2, 3)), jnp.ones(3)), {"eps": 0.0}, "positive eps"),
        ((jnp.ones(3), jnp.ones(3)), {"implementation": "cuda"}, "auto, reference"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(tl.InputError, match=message):
        rms_norm(*arguments, **options)
