"""What the spectral convolution promises."""

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.spectral_convolution import _kernel, _reference
from torchlean_jax.pallas_kernels.spectral_convolution._op import spectral_convolution
from torchlean_jax.pallas_kernels.spectral_convolution._shapes import SHAPES

_WHY = (
    "one running sum of 2 n products, where the formula adds two sums of n: at most "
    "twice as many roundings"
)


def _normal(key, number, *shape):
    key = jax.random.fold_in(key, number)
    return jax.random.normal(key, shape, jnp.float32)


def _forward(key, shape, dtype):
    """The parts of a spectrum and of the weights; float32, whatever the arrays are."""
    batch, modes, inner, outer = shape
    x = (_normal(key, k, batch, modes, inner).astype(dtype) for k in (0, 1))
    w = (_normal(key, k, modes, inner, outer).astype(dtype) for k in (2, 3))
    return *x, *w


def _backward(key, shape, dtype):
    batch, modes, _, outer = shape
    dy = (_normal(key, k, batch, modes, outer).astype(dtype) for k in (4, 5))
    return *_forward(key, shape, dtype), *dy


def _of_floats(x_real, x_imag, w_real, w_imag):
    """The convolution of an array on a line; every part plays a role."""
    x = jnp.concatenate([x_real, x_imag, x_real], axis=1)
    modes = min(x.shape[1] // 2 + 1, w_real.shape[0])
    return spectral_convolution(x, jnp.stack([w_real, w_imag])[:, :modes])


def _wave(*frequencies):
    """cos(2 pi (i f + j g) / 4) on 4 points, or on 4 x 4 of them, which is exact."""
    axes = jnp.meshgrid(*[jnp.arange(4)] * len(frequencies), indexing="ij")
    phase = sum(f * axis for f, axis in zip(frequencies, axes, strict=True)) % 4
    return jnp.array([1.0, 0.0, -1.0, 0.0])[phase][None, ..., None]


def _weight(modes, *places, value=(1.0, 0.0)):
    """One channel; `value` (real, imaginary) at these modes, 0 at all others."""
    weight = jnp.zeros((2, *modes, 1, 1))
    for place in places:
        weight = weight.at[(slice(None), *place, 0, 0)].set(jnp.array(value))
    return weight


def _gradient(op):
    """Of sum(y v) in the weights, where y = x; v is a wave a quarter further."""
    v = jnp.roll(_wave(1), 1, axis=1)
    return jax.grad(lambda w: (op(_wave(1), w) * v).sum())(_weight((3,), (1,)))


TERMS = Terms(
    name="spectral_convolution",
    summary="the lowest Fourier modes, each times a complex matrix; 1-D and 2-D",
    formula="y = irfft(rfft(x)[k] w[k] for the lowest modes k, 0 for the others)",
    op=spectral_convolution,
    differentiable=_of_floats,
    programs=(
        Program(
            "mode_product",
            _kernel.mode_product,
            _reference.mode_product,
            _forward,
            slack=2.0,
            because=_WHY,
        ),
        Program(
            "mode_product_backward",
            _kernel.mode_product_backward,
            _reference.mode_product_backward,
            _backward,
            slack=2.0,
            because=_WHY,
        ),
    ),
    typical=(16, 64, 64, 64),
    shapes=SHAPES,
    # the transforms hand over float32, whatever the dtype of the arrays
    dtypes=("float32",),
    edges=(
        Edge("no batch", lambda op: op(_wave(1)[:0], _weight((2,), (1,)))),
        Edge(
            "one point",
            lambda op: op(jnp.full((1, 1, 1), 3.0), _weight((1,), (0,))),
            expected=lambda: jnp.full((1, 1, 1), 3.0),
        ),
        Edge(
            "a mode that is kept",
            lambda op: op(_wave(1), _weight((2,), (1,))),
            expected=lambda: _wave(1),
        ),
        Edge(
            "a mode that is not",
            lambda op: op(_wave(2), _weight((2,), (0,), (1,))),
            expected=lambda: jnp.zeros((1, 4, 1)),
        ),
        Edge(
            "times i, a quarter earlier",
            lambda op: op(_wave(1), _weight((2,), (1,), value=(0.0, 1.0))),
            expected=lambda: jnp.roll(_wave(1), -1, axis=1),
        ),
        Edge(
            "the highest frequency",
            lambda op: op(_wave(2), _weight((3,), (2,), value=(2.0, 5.0))),
            expected=lambda: 2 * _wave(2),
        ),
        Edge(
            "the mean has no phase",
            lambda op: op(_wave(0), _weight((1,), (0,), value=(2.0, 5.0))),
            expected=lambda: 2 * _wave(0),
        ),
        Edge(
            "a negative frequency of a plane",
            lambda op: op(_wave(-1, 1), _weight((3, 2), (2, 1))),
            expected=lambda: _wave(-1, 1),
        ),
        Edge(
            "and its positive one",
            lambda op: op(_wave(1, 1), _weight((3, 2), (2, 1))),
            expected=lambda: jnp.zeros((1, 4, 4, 1)),
        ),
        Edge(
            "gradient of the weights",
            _gradient,
            # y = w_re cos + w_im (-sin), v = sin: over four points -2 in w_im
            expected=lambda: _weight((3,), (1,), value=(0.0, -2.0)),
        ),
        Edge(
            "a NaN stays in its sequence",
            lambda op: op(
                jnp.concatenate([_wave(1), _wave(1) * jnp.nan]), _weight((2,), (1,))
            )[:1],
            expected=lambda: _wave(1),
        ),
        Edge("overflow", lambda op: op(3e38 * _wave(0), _weight((2,), (0,)))),
    ),
    assumed=("the Fourier transforms before and after the product are XLA's",),
)
