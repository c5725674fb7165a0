"""Ways to break attention, each caught by a clause of its contract."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.contracts import Contract
from torchlean_jax.pallas_kernels.attention import (
    _backward,
    _bias,
    _forward,
    _op,
    _operands,
    _reference,
)
from torchlean_jax.pallas_kernels.attention._contract import (
    TERMS,
    forward_by,
    gradients_by,
)
from torchlean_jax.pallas_kernels.attention._operands import Operands
from torchlean_jax.pallas_kernels.attention._shapes import Shape

FORWARD, BACKWARD = TERMS.programs
SHAPES = {
    # two tiles each way, the second one of a single row or two
    "causal": Shape(1, 17, 18, 1, 1, 2, causal=True, alignment="end"),
    "open": Shape(1, 17, 18, 1, 1, 1),
    "window": Shape(1, 17, 17, 1, 1, 1, window=(3, 2)),
    "grouped": Shape(1, 2, 2, 4, 2, 1),
    "biased": Shape(1, 3, 3, 1, 1, 1, masked=True, biased=True),
}


def failing(program, kernel, shape, clause):
    """The clauses that a kernel in place of that program's fails, of the one asked."""
    terms = base.with_kernel(TERMS, program, kernel)
    terms = dataclasses.replace(terms, shapes={shape: SHAPES[shape]})
    about = {"dtypes": ["float32"], "clauses": [clause]}
    report = Contract(terms).check(**about)
    mine = [c for c in base.named(report) if c.program == program.name]
    return report, {c.clause for c in mine}


def forward():
    """A new function: JAX keeps what it traced of the old one."""
    return lambda *args: forward_by(_forward)(*args)


def backward():
    run = gradients_by(
        _forward.attention, _backward.attention_backward, _bias.bias_backward
    )
    return lambda *args: run(*args)


@pytest.mark.parametrize(
    ("program", "shape"),
    [
        (FORWARD, "causal"),
        (FORWARD, "window"),
        (BACKWARD, "grouped"),
        (BACKWARD, "biased"),
    ],
)
def test_what_is_broken_below_is_right(program, shape):
    report, clauses = failing(program, program.kernel, shape, "meaning")
    mine = [c.status for c in report.clauses if c.program == program.name]
    assert mine == ["pass"] and not clauses, str(report)


def _no_rescale(found, scores, allowed, v):
    top, total, summed, seen = found
    known = jnp.where(allowed, scores, _reference.LOWEST)
    highest = jnp.maximum(top, known.max(axis=1))
    weights = _weights(scores, allowed, highest)
    return (
        highest,
        total + weights.sum(axis=1),
        summed + _operands.weighted(weights, v, allowed),
        jnp.maximum(seen, allowed.astype(jnp.int32).max(axis=1)),
    )


def _weights(scores, allowed, top):
    shifted = jnp.where(allowed, scores - top[:, None], 0.0)
    return jnp.where(allowed, jnp.exp(shifted), 0.0)


def _top_of_this_tile_alone(found, scores, allowed, v):
    """Weights relative to the tile's own largest score, the sums to the running one."""
    _, total, summed, _ = _original_further(found, scores, allowed, v)
    known = jnp.where(allowed, scores, _reference.LOWEST)
    seen = allowed.astype(jnp.int32).max(axis=1)
    own = jnp.where(seen > 0, known.max(axis=1), 0.0)
    return known.max(axis=1), total, summed + 0 * own[:, None], seen | found[3]


_original_further = _forward._further
_original_within = Operands._within
_original_steps = Operands.key_steps


def _one_too_late(self, batch, rows, columns):
    return _original_within(self, batch, rows, columns - 1) & (
        columns < self.k.shape[1]
    )


def _window_too_short(self, batch, rows, columns):
    first = self.limits[batch, 2]
    place = columns[None, :] - rows[:, None]
    return _original_within(self, batch, rows, columns) & (place > first)


def _ragged_edge_counts(self, batch, rows, columns):
    """Keys beyond the end are 0, and have exp(0) for a weight."""
    return (rows < self.limits[batch, 0])[:, None] & (columns >= 0)[None, :]


def _without_the_last_tile(self, batch, step):
    start, end = _original_steps(self, batch, step)
    return start, end - 1


def _interleaved(self):
    """As if head h of q looked at head h % kv_heads: 0 1 0 1 for 0 0 1 1."""
    return _Interleaved(self.k.shape[2])


class _Interleaved:
    def __init__(self, kv_heads):
        self.kv_heads = kv_heads

    def __rfloordiv__(self, head):
        return lax.rem(head, jnp.int32(self.kv_heads))


@plants("attention", clause="meaning")
@pytest.mark.parametrize(
    ("place", "name", "wrong", "shape"),
    [
        (_forward, "_further", _no_rescale, "causal"),
        (_forward, "_further", _top_of_this_tile_alone, "causal"),
        (Operands, "_within", _one_too_late, "causal"),
        (Operands, "_within", _window_too_short, "window"),
        (Operands, "_within", _ragged_edge_counts, "open"),
        (Operands, "key_steps", _without_the_last_tile, "causal"),
        (Operands, "group", property(_interleaved), "grouped"),
    ],
)
def test_another_function(place, name, wrong, shape, monkeypatch):
    monkeypatch.setattr(place, name, wrong)
    report, clauses = failing(FORWARD, forward(), shape, "meaning")
    assert clauses == {"meaning"}, str(report)


def _without_delta(out, dout):
    return 0 * _reference.delta(out, dout)


def _scale_twice(*args, scale):
    dq, *others = _backward.attention_backward(*args, scale=scale)
    return scale * dq, *others


def _half_a_group(*args, scale):
    """The gradient of one head of q for each head of k."""
    dq, dk, dv = _backward.attention_backward(*args, scale=scale)
    return dq, dk / 2, dv


def _no_bias_gradient(*args, scale):
    return jnp.zeros_like(_bias.bias_backward(*args, scale=scale))


@plants("attention", clause="meaning")
@pytest.mark.parametrize(
    ("gradients", "bias", "shape"),
    [
        (_scale_twice, _bias.bias_backward, "causal"),
        (_half_a_group, _bias.bias_backward, "grouped"),
        (_backward.attention_backward, _no_bias_gradient, "biased"),
    ],
)
def test_another_gradient(gradients, bias, shape):
    wrong = gradients_by(_forward.attention, gradients, bias)
    report, clauses = failing(BACKWARD, wrong, shape, "meaning")
    assert clauses == {"meaning"}, str(report)


@plants("attention", clause="meaning")
def test_delta_is_forgotten(monkeypatch):
    monkeypatch.setattr(_backward, "delta", _without_delta)
    report, clauses = failing(BACKWARD, backward(), "grouped", "meaning")
    assert clauses == {"meaning"}, str(report)


@plants("attention", clause="meaning")
def test_the_public_function_forgets_the_gradient_of_the_bias(monkeypatch):
    original = _op._cotangents

    def forgetful(*args):
        *others, dbias = original(*args)
        return *others, jax.tree.map(jnp.zeros_like, dbias)

    monkeypatch.setattr(_op, "_cotangents", forgetful)
    kept = _op.differentiable(_op._forward_call)
    monkeypatch.setattr(_op, "_compiled", kept)
    terms = dataclasses.replace(
        TERMS, programs=(FORWARD,), shapes={"biased": SHAPES["biased"]}, edges=()
    )
    report = Contract(terms).check(dtypes=["float32"], clauses=["meaning"])
    assert [c.program for c in report.failures] == ["grad of attention"], str(report)


def _any_place(self, ref, batch, places, head):
    dims = jnp.arange(self.tile.dim)
    return ref[batch, places[:, None], head, dims[None, :]]


def _block_not_multiplied(self, step):
    return step + jnp.arange(self.tile.queries)


def _store_adds(self, ref, batch, places, head, value):
    """A sum in memory that nobody has set to 0."""
    place, inside = self._at(ref, batch, places, head)
    before = plt.load(place, mask=inside, other=0.0)
    plt.store(place, before + value.astype(ref.dtype), mask=inside)


def _store_by_all(self, ref, batch, places, head, value):
    """Every program into the rows of the first."""
    where = places - pl.program_id(0) * self.tile.queries
    place, inside = self._at(ref, batch, where, head)
    plt.store(place, value.astype(ref.dtype), mask=inside)


@plants("attention", clause="memory")
@pytest.mark.parametrize(
    ("name", "wrong", "kind"),
    [
        ("load", _any_place, "read out of bounds"),
        ("rows", _block_not_multiplied, "race"),
        ("store", _store_adds, "read before any write"),
        ("store", _store_by_all, "race"),
    ],
)
def test_a_wrong_access(name, wrong, kind, monkeypatch):
    monkeypatch.setattr(Operands, name, wrong)
    report, clauses = failing(FORWARD, forward(), "causal", "memory")
    assert clauses == {"memory"}
    assert kind in report.failures[0].detail


@plants(
    "attention", clause="precision", says=["products in TF32", "products in float16"]
)
@pytest.mark.parametrize(
    ("precision", "preferred", "says"),
    [(None, jnp.float32, "TF32"), (lax.Precision.HIGHEST, jnp.float16, "below")],
)
def test_a_product_in_less_than_float32(precision, preferred, says, monkeypatch):
    def loose(x, y, axis_x, axis_y):
        narrow = jnp.float16 if preferred == jnp.float16 else x.dtype
        return lax.dot_general(
            x.astype(narrow),
            y.astype(narrow),
            (((axis_x,), (axis_y,)), ((), ())),
            precision=precision,
            preferred_element_type=preferred,
        ).astype(jnp.float32)

    monkeypatch.setattr(_operands, "_dot", loose)
    report, clauses = failing(FORWARD, forward(), "causal", "precision")
    assert clauses == {"precision"}
    assert says in report.failures[0].detail


def _not_around(weights, x, allowed):
    return _operands._dot(weights.astype(x.dtype), x, 1, 0)


@plants("attention", clause="edges")
def test_a_nan_that_may_not_be_looked_at_leaks(monkeypatch):
    """0 * NaN in a product: no other clause would see it."""
    monkeypatch.setattr(_forward, "weighted", _not_around)
    leaking = [e for e in TERMS.edges if e.name.startswith("NaN and infinity")]
    terms = dataclasses.replace(TERMS, edges=tuple(leaking))
    jax.clear_caches()  # the public function keeps the kernel that it traced before
    try:
        report = Contract(terms).check(shapes=["one"], clauses=["edges"])
        assert {c.program for c in report.failures} == {e.name for e in leaking}
    finally:
        jax.clear_caches()  # nor may it keep the broken one
