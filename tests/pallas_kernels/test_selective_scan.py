"""Selective scan: its contract, and ways to break it, each caught by a clause."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import triton as plt

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.contracts import Contract
from torchlean_jax.pallas_kernels import selective_scan
from torchlean_jax.pallas_kernels.selective_scan import _kernel
from torchlean_jax.pallas_kernels.selective_scan._contract import TERMS

FORWARD, BACKWARD = TERMS.programs
SMALL = {"shapes": ["small"], "dtypes": ["float32"]}


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
def test_unrolled_or_interpreted(program, interpreted):
    args = program.arguments(jax.random.key(0), TERMS.shapes["ragged"], jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


def by_hand(x, delta, a, b, c, d, state):
    """One channel and one state, in Python's own arithmetic."""
    y = []
    for now, dt, into, out in zip(x, delta, b, c, strict=True):
        state = math.exp(dt * a) * state + dt * into * now
        y.append(out * state + d * now)
    return y, state


def test_against_the_recurrence_of_python():
    x, delta = [0.5, -2.25, 3.0], [0.125, 1.0, 0.5]
    b, c = [1.0, -0.5, 2.0], [0.25, 1.0, -1.0]
    expected, last = by_hand(x, delta, -0.75, b, c, 0.5, 2.0)
    arrays = [jnp.array(v).reshape(1, 3, 1) for v in (x, delta, b, c)]
    operands = *arrays[:2], jnp.full((1, 1), -0.75), *arrays[2:], jnp.full(1, 0.5)
    y, state = selective_scan(*operands, state=jnp.full((1, 1, 1), 2.0))
    np.testing.assert_allclose(y[0, :, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(state[0, 0, 0], last, rtol=1e-6)


def test_pieces_make_the_whole():
    """The last state of one piece is the first of the next."""
    x, delta, a, b, c, d, state, _ = FORWARD.arguments(
        jax.random.key(2), (2, 5, 3, 2, False), jnp.float32
    )
    whole, last = selective_scan(x, delta, a, b, c, d, state=state)
    head, state = selective_scan(
        *(x[:, :2], delta[:, :2], a, b[:, :2], c[:, :2], d), state=state
    )
    tail, state = selective_scan(
        *(x[:, 2:], delta[:, 2:], a, b[:, 2:], c[:, 2:], d), state=state
    )
    np.testing.assert_allclose(jnp.concatenate([head, tail], 1), whole, rtol=1e-5)
    np.testing.assert_allclose(state, last, rtol=1e-5)


def test_no_array_of_all_states():
    """What is read and written grows as steps x channels; checkpoints are fewer."""
    args = BACKWARD.arguments(jax.random.key(0), (1, 256, 64, 4, False), jnp.float32)
    jaxpr = jax.make_jaxpr(_kernel.selective_scan_backward)(*args)
    sizes = [v.aval.size for eqn in jaxpr.eqns for v in eqn.outvars]
    assert max(sizes) == args[0].size


# Planted faults --------------------------------------------------------------------


class _NoInitialState(_kernel.Sequence):
    def initial(self):
        return 0 * super().initial()


class _LosesTheLastChunk(_kernel.Sequence):
    @property
    def chunks(self):
        return self.steps // self.tile.steps


class _ChannelsOverlap(_kernel.Sequence):
    """The number of the tile is not multiplied by its width."""

    def __init__(self, refs, tile):
        super().__init__(refs, tile)
        self.channel = self.part + jnp.arange(tile.channels)
        self.real = self.channel < refs.a.shape[0]
        self.grid = self.channel[:, None], self.state[None, :]
        self.both = self.real[:, None] & self.known[None, :]


class _LengthOffByOne(_kernel.Sequence):
    def __init__(self, refs, tile):
        super().__init__(refs, tile)
        self.length = self.length + 1


class _RaggedEdge(_kernel.Step):
    """Steps beyond the end of the array are read as well."""

    def __init__(self, sequence, t):
        super().__init__(sequence, t)
        sequence.length = sequence.steps + 1
        self.alive = self.inside = t >= 0
        self.x = self.of_channels(sequence.refs.x)


class _EarlierState(_kernel.Step):
    """The decay is taken off after the input was added."""

    def after(self, state):
        return self.decay() * (state + (self.delta * self.x)[:, None] * self.b)


class _ForgetsD(_kernel.Step):
    def read(self, state):
        return (state * self.c).sum(axis=1)


class _NarrowState(_kernel.Step):
    """The state is kept in bfloat16."""

    def after(self, state):
        return super().after(state).astype(jnp.bfloat16).astype(jnp.float32)


def broken(monkeypatch, program, **changes):
    for name, change in changes.items():
        monkeypatch.setattr(_kernel, name, change)
    original = program.kernel

    # a new function: JAX keeps what it traced of the old one
    def kernel(*args):
        return original(*args)

    return base.with_kernel(TERMS, program, kernel)


def few_channels(steps, channels, states):
    return _kernel.ScanTile(2, 4, 2)


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
def test_small_tiles_are_clean(program, monkeypatch):
    terms = broken(monkeypatch, program, scan_tile=few_channels)
    assert not base.failing_clauses(terms, clauses=["memory"], **base.ONE)


@plants("selective_scan")
@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"Sequence": _NoInitialState}, "meaning"),
        ({"Sequence": _LosesTheLastChunk}, "memory"),
        ({"Sequence": _ChannelsOverlap, "scan_tile": few_channels}, "memory"),
        ({"Sequence": _LengthOffByOne}, "meaning"),
        ({"Step": _RaggedEdge}, "memory"),
        ({"Step": _EarlierState}, "meaning"),
        ({"Step": _ForgetsD}, "meaning"),
        ({"Step": _NarrowState}, "rounding"),
    ],
)
def test_a_wrong_forward(changes, clause, monkeypatch):
    terms = broken(monkeypatch, FORWARD, **changes)
    shape = {"rounding": "one", "meaning": "small", "memory": "ragged"}[clause]
    options = {"shapes": [shape], "dtypes": ["float32"], "clauses": [clause]}
    assert FORWARD.name in {c.program for c in base.failures(terms, **options)}


def _with(gradients, **changed):
    names = ("x", "delta", "a", "b", "c", "d", "state", "z")
    new = dict(zip(names, gradients, strict=True)) | changed
    return tuple(new.values())


def _no_step_gradient(*args):
    """Gradients pass through delta b x, and not through exp(delta a)."""
    gradients = _kernel.selective_scan_backward(*args)
    return _with(gradients, delta=gradients[1] * 0)


def _last_state_ignored(*args):
    return _kernel.selective_scan_backward(*args[:9], 0 * args[9], *args[10:])


def _gate_taken_twice(*args):
    gradients = _kernel.selective_scan_backward(*args)
    return _with(gradients, x=gradients[0] * jax.nn.silu(args[-1]))


@plants("selective_scan", clause="meaning")
@pytest.mark.parametrize(
    "wrong", [_no_step_gradient, _last_state_ignored, _gate_taken_twice]
)
def test_a_wrong_backward(wrong):
    terms = base.with_kernel(TERMS, BACKWARD, wrong)
    assert "meaning" in base.failing_clauses(terms, clauses=["meaning"], **SMALL)


def _decays_of_the_wrong_step(step, refs, dy_ref, out, state, before, carry):
    """The gradient crosses this step before it meets it."""
    g, da, dd = carry
    return _pull(step, refs, dy_ref, out, state, before, (g * step.decay(), da, dd))


def _state_after(step, refs, dy_ref, out, state, before, carry):
    """The decay's gradient is taken with the state after the step."""
    return _pull(step, refs, dy_ref, out, state, state, carry)


_pull = _kernel._pull


@plants("selective_scan", clause="meaning")
@pytest.mark.parametrize("wrong", [_decays_of_the_wrong_step, _state_after])
def test_a_wrong_step_backward(wrong, monkeypatch):
    terms = broken(monkeypatch, BACKWARD, _pull=wrong)
    assert "meaning" in base.failing_clauses(terms, clauses=["meaning"], **SMALL)


class _NoChoice(_kernel.Step):
    def or_else(self, value, other):
        return value


@plants("selective_scan", clause="edges")
def test_what_lies_beyond_the_length_leaks(monkeypatch):
    """Read without a mask and computed with: the edge tells."""

    def unmasked(place, mask):
        inside = jnp.ones_like(mask) if mask.ndim == 1 else mask
        return plt.load(place, mask=inside, other=0.0).astype(jnp.float32)

    edge = next(e for e in TERMS.edges if e.name.startswith("NaN"))
    right = dataclasses.replace(TERMS, edges=(edge,))
    assert Contract(right).check(clauses=["edges"], **base.ONE).ok
    terms = broken(monkeypatch, FORWARD, _load=unmasked, Step=_NoChoice)
    terms = dataclasses.replace(terms, edges=(edge,))
    jax.clear_caches()  # the public function keeps the kernel that it traced above
    try:
        assert base.failing_clauses(terms, clauses=["edges"], **base.ONE) == {"edges"}
    finally:
        jax.clear_caches()  # nor may it keep the broken one


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": jnp.ones((2, 3))}, r"x \[2, 3\]"),
        ({"a": jnp.ones((2, 0))}, "states >= 1"),
        ({"b": jnp.ones((1, 3, 5))}, r"b \[1, 3, 4\]"),
        ({"delta": jnp.ones((1, 3, 2), int)}, r"delta: int32\[1, 3, 2\]"),
        ({"lengths": jnp.ones(1)}, "of integers"),
        ({"lengths": jnp.ones(2, int)}, r"lengths \[2\]"),
        ({"state": jnp.ones((1, 2, 3))}, r"state \[1, 2, 4\]"),
        ({"z": jnp.ones((1, 2, 2))}, r"z \[1, 3, 2\]"),
    ],
)
def test_bad_input(changes, message):
    x, b = jnp.ones((1, 3, 2)), jnp.ones((1, 3, 4))
    arguments = {"x": x, "delta": x, "a": -jnp.ones((2, 4)), "b": b, "c": b}
    with pytest.raises(tl.InputError, match=message):
        selective_scan(**(arguments | {"d": jnp.ones(2)} | changes))
