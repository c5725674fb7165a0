"""What the selective scan promises."""

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.selective_scan import _kernel, _reference
from torchlean_jax.pallas_kernels.selective_scan._op import selective_scan
from torchlean_jax.pallas_kernels.selective_scan._shapes import SHAPES

_WHY = (
    "each step rounds as the formula's does; sums over states, channels and steps are "
    "padded with zeros to a power of two or to whole chunks: at most twice as many "
    "roundings"
)


def _normal(key, number, shape, dtype):
    # of a size at which float16 holds the gradients at all stressed inputs
    key = jax.random.fold_in(key, number)
    return (0.25 * jax.random.normal(key, shape, jnp.float32)).astype(dtype)


def _forward(key, shape, dtype):
    """Operands as in Mamba: positive steps, decaying states, both parameters and the
    state in float32; the second sequence is shorter than the first."""
    batch, steps, channels, states, gated = shape
    sides = ((batch, steps, channels), (batch, steps, states))
    x, delta, z = (_normal(key, k, sides[0], dtype) for k in (0, 1, 2))
    b, c = (_normal(key, k, sides[1], dtype) for k in (3, 4))
    a = -jnp.abs(_normal(key, 5, (channels, states), jnp.float32)) - 0.1
    d = _normal(key, 6, (channels,), jnp.float32)
    state = _normal(key, 7, (batch, channels, states), jnp.float32)
    lengths = jnp.array([steps, steps - 3][:batch], jnp.int32)
    operands = x, jnp.abs(delta), a, b, c, d, state, lengths
    return (*operands, z) if gated else operands


def _backward(key, shape, dtype):
    x, *rest = _forward(key, shape, dtype)
    dy = _normal(key, 8, x.shape, dtype)
    dlast = _normal(key, 9, rest[5].shape, jnp.float32)
    return x, *rest[:7], dy, dlast, *rest[7:]


def _of_floats(x, delta, a, b, c, d, state, z=None):
    """All sequences of full length, as a function of the floats."""
    return selective_scan(x, delta, a, b, c, d, state=state, z=z)


def _halving(op, x, **options):
    """One channel and state, halved in each step; delta, b and c are 1, d is 0."""
    x = jnp.asarray(x, jnp.float32).reshape(1, -1, 1)
    ones = jnp.ones_like(x)
    rate = jnp.full((1, 1), -jnp.log(2.0))
    return op(x, ones, rate, ones, ones, jnp.zeros(1), **options)


def _padded(op, **options):
    """The first two of three steps count; the third holds what may not spread."""
    x = jnp.array([1.0, 2.0, jnp.nan]).reshape(1, 3, 1)
    bad = jnp.array([1.0, 1.0, jnp.inf]).reshape(1, 3, 1)
    rate = jnp.full((1, 1), -jnp.log(2.0))
    lengths = jnp.array([2])
    return op(x, bad, rate, bad, bad, jnp.zeros(1), lengths=lengths, **options)


def _padded_gradient(op):
    def loss(x):
        ones = jnp.ones_like(x)
        y, last = op(
            x, ones, -ones[0, :1], ones, ones, ones[0, 0], lengths=jnp.array([1])
        )
        return y.sum() + last.sum()

    return jax.grad(loss)(jnp.array([1.0, jnp.nan])[None, :, None])


def _column(*numbers):
    return jnp.array(numbers, jnp.float32).reshape(1, -1, 1)


TERMS = Terms(
    name="selective_scan",
    summary="the recurrence of Mamba along time, its states recomputed in chunks",
    formula="h' = exp(delta a) h + delta b x,  y = (c . h' + d x) silu(z)",
    op=selective_scan,
    differentiable=_of_floats,
    programs=(
        Program(
            "selective_scan",
            _kernel.selective_scan,
            _reference.selective_scan,
            _forward,
            slack=2.0,
            because=_WHY,
        ),
        Program(
            "selective_scan_backward",
            _kernel.selective_scan_backward,
            _reference.selective_scan_backward,
            _backward,
            slack=2.0,
            because=_WHY,
        ),
    ),
    typical=(2, 2048, 2048, 16, True),
    streaming=(1, 16, 64, 16, True),
    shapes=SHAPES,
    edges=(
        Edge("no sequences", lambda op: _no_elements(op, 0, 3)),
        Edge("no steps", lambda op: _no_elements(op, 2, 0)),
        Edge(
            "an initial state",
            lambda op: _halving(op, [0.0, 0.0], state=jnp.full((1, 1, 1), 8.0)),
            expected=lambda: (_column(4.0, 2.0), _column(2.0)),
        ),
        Edge(
            "a length of zero",
            lambda op: _halving(
                op, [1.0, 1.0], state=_column(3.0), lengths=jnp.array([0])
            ),
            expected=lambda: (_column(0.0, 0.0), _column(3.0)),
        ),
        Edge(
            "NaN and infinity beyond the length",
            _padded,
            expected=lambda: (_column(1.0, 2.5, 0.0), _column(2.5)),
        ),
        Edge(
            "nor do they spread in the gradient",
            _padded_gradient,
            expected=lambda: _column(3.0, 0.0),
        ),
        Edge(
            "a gate that lets nothing through",
            lambda op: _halving(op, [1.0, 2.0], z=_column(-200.0, 0.0)),
        ),
        Edge("huge", lambda op: _halving(op, [3e38, 3e38])),
        Edge("tiny", lambda op: _halving(op, [1e-30, 1e-30])),
        Edge(
            "a NaN stays behind it",
            lambda op: _halving(op, [1.0, jnp.nan, 1.0])[0],
            expected=lambda: _column(1.0, jnp.nan, jnp.nan),
        ),
    ),
)


def _no_elements(op, batch, steps):
    x, b = jnp.ones((batch, steps, 2)), jnp.ones((batch, steps, 3))
    return op(x, x, -jnp.ones((2, 3)), b, b, jnp.ones(2))
