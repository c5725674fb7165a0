"""Interval rules for Fourier transforms, as the matrix products that they are.

A fast transform's rounding depends on an algorithm that nobody promises. The product
with the matrix of e^(-+2 pi i jk/n) has the bound of every product, and its radius sees
|cos| and |sin| of each entry rather than 1; it costs n^2.
"""

import functools
import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains.interval import _contraction
from torchlean_jax.domains.interval._arithmetic import div, known, magnitude, mul
from torchlean_jax.domains.interval._complex import parts, rectangle
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.domains.interval._value import Interval, rules

# A matrix of so many rows fills a quarter of a gigabyte.
_LONGEST = 2048

# What `_circle` may be off by: 3 roundings of the angle, then 14 of a sum of terms
# below 1.
_CIRCLE_ERROR = 2.0**-48


@rules.define_op("fft")
def _fft(operation, x):
    x = Interval.lift(x)
    lengths = operation.params["fft_lengths"]
    if max(lengths, default=1) > _LONGEST:
        raise MissingRuleError(
            f"Interval bounds transforms up to length {_LONGEST}, got {max(lengths)}"
        )
    kind = operation.params["fft_type"]
    last, others = x.ndim - 1, range(x.ndim - len(lengths), x.ndim - 1)
    size = dict(zip(range(x.ndim - len(lengths), x.ndim), lengths, strict=True))
    if kind == lax.FftType.RFFT:
        x = _along(x, last, _half_spectrum(size[last]))
    elif kind in (lax.FftType.FFT, lax.FftType.IFFT):
        x = _along(x, last, _spectrum(size[last], kind == lax.FftType.IFFT))
    inverse = kind in (lax.FftType.IFFT, lax.FftType.IRFFT)
    for axis in others:
        x = _along(x, axis, _spectrum(size[axis], inverse))
    if kind == lax.FftType.IRFFT:
        x = _along(x, last, _from_half_spectrum(size[last]))
    return _divided(x, math.prod(lengths)) if inverse else x


@dataclass(frozen=True)
class _Transform:
    """A real matrix on stacked (real, imaginary) parts, and how to read its result."""

    matrix: np.ndarray
    error: float
    complex_out: bool


@functools.cache
def _circle(n):
    """cos and sin of 2 pi k/n for k in 0..n-1, in float64, within _CIRCLE_ERROR.

    The nearest quarter turn is taken off in integers, so the angle left is at most pi/4
    and quarter turns are exact.
    """
    k = np.arange(n)
    quarter = (4 * k + n // 2) // n
    angle = (4 * k - quarter * n) / n * (math.pi / 2)
    square = angle * angle
    cos, sin = np.zeros(n), np.zeros(n)
    for degree in range(20, -1, -2):
        cos = cos * square + (-1.0) ** (degree // 2) / math.factorial(degree)
        sin = sin * square + (-1.0) ** (degree // 2) / math.factorial(degree + 1)
    sin = sin * angle
    turn = quarter % 4
    turned_cos = np.choose(turn, [cos, -sin, -cos, sin])
    return turned_cos, np.choose(turn, [sin, cos, -sin, -cos])


def _tables(rows, columns, n):
    """cos and sin of 2 pi jk/n for j in rows and k in columns."""
    cos, sin = _circle(n)
    index = np.outer(np.arange(rows), np.arange(columns)) % n
    return cos[index], sin[index]


@functools.cache
def _spectrum(n, inverse):
    cos, sin = _tables(n, n, n)
    sin = sin if inverse else -sin
    return _Transform(np.block([[cos, sin], [-sin, cos]]), _CIRCLE_ERROR, True)


@functools.cache
def _half_spectrum(n):
    cos, sin = _tables(n, n // 2 + 1, n)
    return _Transform(np.hstack([cos, -sin]), _CIRCLE_ERROR, True)


@functools.cache
def _from_half_spectrum(n):
    """All frequencies but 0 and n/2 stand for their mirror image too."""
    half = n // 2 + 1
    cos, sin = _tables(half, n, n)
    weight = np.full((half, 1), 2.0)
    weight[0] = 1
    if n % 2 == 0:
        weight[-1] = 1
    # the imaginary parts at 0 and n/2 are not read: their sines are exact zeros
    matrix = np.vstack([weight * cos, -weight * sin])
    return _Transform(matrix, 2 * _CIRCLE_ERROR, False)


@dataclass(frozen=True)
class _Product:
    """A product over the last axis, as an operation."""

    params: tuple = ()

    name = "fft"

    def __call__(self, x, matrix):
        return lax.dot_general(
            x, matrix, (((x.ndim - 1,), (0,)), ((), ())), **dict(self.params)
        )

    def replace(self, **params):
        return _Product(tuple(params.items()))


def _along(x, axis, transform):
    re, im = parts(x)
    rows = transform.matrix.shape[0]
    stacked = [re] if rows == x.shape[axis] else [re, im]
    lo = jnp.concatenate([jnp.moveaxis(p.lo, axis, -1) for p in stacked], axis=-1)
    hi = jnp.concatenate([jnp.moveaxis(p.hi, axis, -1) for p in stacked], axis=-1)
    both = Interval(lo, hi)
    matrix = jnp.asarray(transform.matrix, both.dtype)
    product = _contraction.bilinear(_Product(), both, matrix, rows)
    # rounding the matrix to the working precision, then what _circle is off by
    off = transform.error + float(jnp.finfo(both.dtype).eps)
    total = jnp.sum(magnitude(both), axis=-1, keepdims=True)
    # 1 + 2 gamma for the sum of magnitudes
    error = round_up(
        total * (off * (1 + 2 * _contraction.gamma(rows, both.dtype))), ulps=2
    )
    lo, hi = (jnp.moveaxis(e, -1, axis) for e in _widened(product, error))
    if not transform.complex_out:
        return known(lo, hi)
    lo, hi = jnp.split(lo, 2, axis=axis), jnp.split(hi, 2, axis=axis)
    return rectangle(known(lo[0], hi[0]), known(lo[1], hi[1]))


def _widened(x, error):
    return round_down(x.lo - error), round_up(x.hi + error)


def _divided(x, n):
    """`x / n`; exactly rounded multiplication when 1/n is a float."""
    size = jnp.asarray(float(n), parts(x)[0].dtype)
    whole = Interval(size, size)
    one = Interval(jnp.ones_like(size), jnp.ones_like(size))
    is_power_of_two = n & (n - 1) == 0
    inverse = Interval(1 / size, 1 / size) if is_power_of_two else div(one, whole)
    scaled = [mul(part, inverse) for part in parts(x)]
    is_complex = jnp.issubdtype(x.dtype, jnp.complexfloating)
    return rectangle(*scaled) if is_complex else scaled[0]
