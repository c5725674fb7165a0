"""Selective scan, a sequence and a tile of its channels in each program.

The state of the tile stays in registers while the program walks the steps, so that a
forward pass reads every operand once and writes only y and the last state.

The backward pass needs the states again, from the last one to the first. Keeping all
would take steps x channels x states numbers. Two kernels recompute them instead: one
walks forward and writes the state before each chunk of steps, the other takes the
chunks from the last to the first and, within a chunk, has its states in registers.
With g[t] the gradient of h[t] and e[t] = g[t] h[t-1] exp(delta[t] a),

    g[t] = c[t] dv[t] + exp(delta[t+1] a) g[t+1],   dv = dy, gated dy silu(z),
    ddelta = sum(e a) + x sum(g b),   dx = d dv + delta sum(g b),   dz = dy v silu'(z),
    da = sum(e delta),   db = sum(g delta x),   dc = sum(dv h),   dd = sum(dv x).

Sums over channels (db, dc) are written by each tile of channels, those over sequences
(da, dd) by each sequence; they are added after the kernel in one fixed order.
"""

import functools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._blocks import blocks
from torchlean_jax.pallas_kernels._tiles import along, cdiv, power_of_two
from torchlean_jax.pallas_kernels.selective_scan._reference import Operands

# Four numbers of a state in each of 128 threads; a chunk of 16 states takes 64 of the
# 255 registers that a thread may have.
_STATE_ELEMENTS = 512


@dataclass(frozen=True)
class ScanTile:
    """Channels and states of a program, and the steps of a chunk; powers of two.

    Checkpoints and one chunk together hold the fewest states when a chunk has
    sqrt(steps) of them; registers allow 16.
    """

    channels: int
    states: int
    steps: int

    @property
    def params(self):
        warps = max(1, self.channels * self.states // (_STATE_ELEMENTS // 4))
        return plt.CompilerParams(num_warps=min(4, warps))


def scan_tile(steps: int, channels: int, states: int) -> ScanTile:
    across = power_of_two(states)
    return ScanTile(
        min(power_of_two(channels), max(1, _STATE_ELEMENTS // across)),
        across,
        min(power_of_two(math.isqrt(steps)), blocks().steps),
    )


class Sequence:
    """One sequence of the batch and some of its channels, seen by one program."""

    def __init__(self, refs: Operands, tile: ScanTile):
        self.refs, self.tile = refs, tile
        self.steps = refs.x.shape[1]
        channels, states = refs.a.shape
        # asked outside of loops, where Pallas' interpret mode has no answer
        self.batch, self.part = pl.program_id(0), pl.program_id(1)
        self.channel = along(self.part * tile.channels, tile.channels)
        self.state = jnp.arange(tile.states)
        self.real, self.known = self.channel < channels, self.state < states
        self.grid = self.channel[:, None], self.state[None, :]
        self.both = self.real[:, None] & self.known[None, :]
        self.length = refs.lengths[self.batch]
        self.a = _load(refs.a.at[self.grid], self.both)
        self.d = _load(refs.d.at[self.channel], self.real)

    @property
    def chunks(self) -> int:
        return cdiv(self.steps, self.tile.steps)

    def states_of(self, ref, *before):
        """Of an array [..., channels, states], those of this program."""
        return ref.at[(*before, *self.grid)]

    def initial(self):
        return _load(self.states_of(self.refs.state, self.batch), self.both)

    def at(self, t):
        return Step(self, t)


class Step:
    """One step of a sequence. What does not count is read as 0."""

    def __init__(self, sequence: Sequence, t):
        self.sequence, self.t = sequence, t
        self.alive, self.inside = t < sequence.length, t < sequence.steps
        refs = sequence.refs
        self.x = self.of_channels(refs.x)
        self.delta = self.of_channels(refs.delta)
        self.b, self.c = self.of_states(refs.b), self.of_states(refs.c)

    def of_channels(self, ref):
        place = ref.at[self.sequence.batch, self.t, self.sequence.channel]
        return _load(place, self.sequence.real & self.alive & self.inside)

    def of_states(self, ref):
        place = ref.at[self.sequence.batch, self.t, self.sequence.state]
        return _load(place, self.sequence.known & self.alive & self.inside)[None, :]

    def decay(self):
        return jnp.exp(self.delta[:, None] * self.sequence.a)

    def after(self, state):
        """The state after this step, from the one before it."""
        driven = (self.delta * self.x)[:, None] * self.b
        return self.or_else(self.decay() * state + driven, state)

    def or_else(self, value, other):
        """`other` beyond the end: exp(0) is 1 only up to the error of exp, and 0 times
        an infinite a is no number."""
        return jnp.where(self.alive & self.inside, value, other)

    def read(self, state):
        """c . h + d x in each channel."""
        return (state * self.c).sum(axis=1) + self.sequence.d * self.x

    def counted(self, value):
        return self.or_else(value, 0.0)

    def store(self, ref, value):
        place = ref.at[self.sequence.batch, self.t, self.sequence.channel]
        mask = self.sequence.real & self.inside
        plt.store(place, self.counted(value).astype(ref.dtype), mask=mask)

    def store_sum(self, ref, value):
        """The sum of `value` over the channels, into this program's part of `ref`."""
        sequence = self.sequence
        place = ref.at[sequence.part, sequence.batch, self.t, sequence.state]
        mask = sequence.known & self.inside
        plt.store(place, self.counted(value.sum(axis=0)), mask=mask)


def _load(place, mask):
    return plt.load(place, mask=mask, other=0.0).astype(jnp.float32)


def _forward(refs, y_ref, last_ref, *, tile):
    sequence = Sequence(refs, tile)

    def chunk(number, state):
        for k in range(tile.steps):
            step = sequence.at(number * tile.steps + k)
            state = step.after(state)
            y = step.read(state)
            if refs.z is not None:
                y = y * _silu(step.of_channels(refs.z))
            step.store(y_ref, y)
        return state

    last = jax.lax.fori_loop(0, sequence.chunks, chunk, sequence.initial())
    place = sequence.states_of(last_ref, sequence.batch)
    plt.store(place, last.astype(last_ref.dtype), mask=sequence.both)


def _checkpoints(refs, before_ref, *, tile):
    """The state before each chunk."""
    sequence = Sequence(refs, tile)

    def chunk(number, state):
        place = sequence.states_of(before_ref, sequence.batch, number)
        plt.store(place, state, mask=sequence.both)
        for k in range(tile.steps):
            state = sequence.at(number * tile.steps + k).after(state)
        return state

    jax.lax.fori_loop(0, sequence.chunks, chunk, sequence.initial())


def _backward(refs, before_ref, dy_ref, dlast_ref, out, *, tile):
    sequence = Sequence(refs, tile)

    def chunk(number, carry):
        number = sequence.chunks - 1 - number
        place = sequence.states_of(before_ref, sequence.batch, number)
        states = [_load(place, sequence.both)]
        steps = [sequence.at(number * tile.steps + k) for k in range(tile.steps)]
        for step in steps:
            states.append(step.after(states[-1]))
        for step in reversed(steps):
            carry = _pull(step, refs, dy_ref, out, states.pop(), states[-1], carry)
        return carry

    place = sequence.states_of(dlast_ref, sequence.batch)
    g = _load(place, sequence.both)
    start = g, jnp.zeros_like(sequence.a), jnp.zeros_like(sequence.d)
    g, da, dd = jax.lax.fori_loop(0, sequence.chunks, chunk, start)
    for name, value in (("state", g), ("a", da)):
        place = sequence.states_of(out[name], sequence.batch)
        plt.store(place, value.astype(out[name].dtype), mask=sequence.both)
    place = out["d"].at[sequence.batch, sequence.channel]
    plt.store(place, dd, mask=sequence.real)


def _pull(step, refs, dy_ref, out, state, before, carry):
    """The gradients of one step; what `carry` holds is that of the state after it."""
    g, da, dd = carry
    dv = step.of_channels(dy_ref)
    if refs.z is not None:
        z = step.of_channels(refs.z)
        step.store(out["z"], dv * step.read(state) * _silu_slope(z))
        dv = dv * _silu(z)
    g = g + dv[:, None] * step.c
    decay = step.decay()
    e, driven = g * before * decay, (g * step.b).sum(axis=1)
    slope = (e * step.sequence.a).sum(axis=1)
    step.store(out["x"], step.sequence.d * dv + step.delta * driven)
    step.store(out["delta"], slope + step.x * driven)
    step.store_sum(out["b"], g * (step.delta * step.x)[:, None])
    step.store_sum(out["c"], dv[:, None] * state)
    da = da + step.counted(e * step.delta[:, None])
    return step.or_else(g * decay, g), da, dd + step.counted(dv * step.x)


def _silu(z):
    return z * jax.lax.logistic(z)


def _silu_slope(z):
    share = jax.lax.logistic(z)
    return share * (1.0 + z * (1.0 - share))


def _tile(refs: Operands) -> ScanTile:
    _, steps, channels = refs.x.shape
    return scan_tile(steps, channels, refs.a.shape[1])


def _call(name, body, tile, refs, *more, out_shape):
    batch, _, channels = refs.x.shape
    return pl.pallas_call(
        functools.partial(body, tile=tile),
        out_shape=out_shape,
        grid=(batch, cdiv(channels, tile.channels)),
        compiler_params=tile.params,
        name=name,
    )(refs, *more)


def selective_scan(*operands):
    given = Operands(*operands)
    if not given.x.size:
        return given.x, given.state
    shapes = jax.tree.map(_shape, (given.x, given.state))
    return _call("selective_scan", _forward, _tile(given), given, out_shape=shapes)


def selective_scan_backward(*operands):
    *given, dy, dlast = operands[:10]
    refs = Operands(*given, *operands[10:])
    floats = refs._replace(lengths=None)
    if not refs.x.size:
        zeros = jax.tree.map(jnp.zeros_like, floats)._replace(state=dlast)
        return _floats(zeros)
    tile, (batch, steps, channels) = _tile(refs), refs.x.shape
    parts, wide = cdiv(channels, tile.channels), functools.partial(_shape, wide=True)
    before = jax.ShapeDtypeStruct(
        (batch, cdiv(steps, tile.steps), *refs.a.shape), jnp.float32
    )
    before = _call(
        "selective_scan_checkpoints", _checkpoints, tile, refs, out_shape=before
    )
    shapes = floats._replace(
        a=wide(refs.a, batch),
        b=wide(refs.b, parts),
        c=wide(refs.c, parts),
        d=wide(refs.d, batch),
    )
    shapes = {k: _shape(v) for k, v in shapes._asdict().items() if v is not None}
    out = _call(
        "selective_scan_backward",
        _backward,
        tile,
        refs,
        before,
        dy,
        dlast,
        out_shape=shapes,
    )
    for name in "abcd":
        out[name] = out[name].sum(axis=0).astype(getattr(refs, name).dtype)
    return _floats(refs._replace(lengths=None, z=None)._replace(**out))


def _floats(gradients: Operands):
    """Those of the floats that there are, in order."""
    return tuple(value for value in gradients if value is not None)


def _shape(like, *before, wide=False):
    dtype = jnp.float32 if wide else like.dtype
    return jax.ShapeDtypeStruct((*before, *like.shape), dtype)
