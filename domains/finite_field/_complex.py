"""Rules for complex numbers and Fourier transforms.

A complex number is z and its conjugate, both in F_p, which has an i: what is polynomial
in real and imaginary parts acts on the two side by side. Mod q there is no i; residues
there are fresh ones.
"""

import numpy as np
from jax import lax

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains.finite_field._arithmetic import add, as_complex, multiply
from torchlean_jax.domains.finite_field._contraction import matrix_product_mod
from torchlean_jax.domains.finite_field._exponential import canonical, imaginary_unit
from torchlean_jax.domains.finite_field._primes import powers
from torchlean_jax.domains.finite_field._value import (
    UNDEFINED,
    FieldArray,
    kinds_of,
    rules,
)


def _i(field, like):
    """The imaginary unit: its conjugate is its opposite."""
    unit = imaginary_unit(field, like).residues
    there = np.stack(
        [unit, [np.uint64(m) - u for u, m in zip(unit, field.moduli, strict=True)]], 1
    )
    return FieldArray(there, np.dtype(np.complex64), levels=(True, False))


@rules.define("complex")
def _complex(field, x, y):
    turned = multiply(field, as_complex(y), _i(field, y))
    value = add(field, as_complex(x), turned)
    dtype = np.complex128 if x.dtype == np.float64 else np.complex64
    return FieldArray(
        value.residues, np.dtype(dtype), value.kinds, (True, False), value.degree
    )


@rules.define("real")
def real(field, x):
    return _half_of(field, x.residues[:, 0] + x.residues[:, 1], x)


@rules.define("imag")
def _imag(field, x):
    turned = x.residues[:, 1] * np.stack(
        [np.full(x.shape, t, np.uint64) for t in _over_i(field)]
    )
    moduli = _moduli(field, x.ndim)
    there = x.residues[:, 0] * np.stack(
        [np.full(x.shape, t, np.uint64) for t in _over_i(field)]
    )
    return _half_of(field, there % moduli + moduli - turned % moduli, x)


def _over_i(field):
    inverses = []
    for tower in field.towers:
        inverses += [pow(tower.imaginary, -1, tower.p), 1]
    return inverses


def _moduli(field, rank):
    return np.array(field.moduli, np.uint64).reshape(4, *(1,) * rank)


def _half_of(field, residues, x):
    moduli = _moduli(field, x.ndim)
    halves = _moduli(field, x.ndim) // np.uint64(2) + np.uint64(1)
    dtype = np.float64 if x.dtype == np.complex128 else np.float32
    value = FieldArray(
        residues % moduli * halves % moduli,
        np.dtype(dtype),
        x.kinds,
        x.levels,
        x.degree.summed(2),
    )
    return canonical(field, value) if not x.levels[1] else value


@rules.define("conj")
def _conj(field, x, *, input_dtype=None):
    x = as_complex(x)
    return FieldArray(x.residues[:, ::-1], x.dtype, x.kinds, x.levels, x.degree)


def converted(x, target):
    """Between complex dtypes, and from real numbers; the reverse drops a part."""
    if not np.issubdtype(target, np.complexfloating):
        raise UndecidedError(f"a cast from complex numbers to {target}")
    return as_complex(x).named(target)


@rules.define("fft")
def _fft(field, x, *, fft_type, fft_lengths):
    kind = lax.FftType(fft_type) if not hasattr(fft_type, "name") else fft_type
    x = as_complex(x)
    axes = range(x.ndim - len(fft_lengths), x.ndim)
    inverse = kind.name in ("IFFT", "IRFFT")
    if kind.name == "IRFFT":
        for axis in axes[:-1]:
            x = _along(field, x, axis, inverse=True)
        full = _from_half(field, x, fft_lengths[-1])
        return real(field, _along(field, full, axes[-1], inverse=True))
    for axis in axes:
        x = _along(field, x, axis, inverse=inverse)
    return x[..., : fft_lengths[-1] // 2 + 1] if kind.name == "RFFT" else x


def _along(field, x, axis, *, inverse):
    n = x.shape[axis]
    counts = np.outer(np.arange(n), np.arange(n)) % n
    parts = np.zeros_like(x.residues)
    for k, tower in enumerate(field.towers):
        root = tower.root_of_unity(n)
        for part in range(2):
            # the conjugate turns the other way
            step = root if inverse ^ bool(part) else pow(root, -1, tower.p)
            matrix = powers(step, n, tower.p)[counts]
            if inverse:
                matrix = matrix * np.uint64(pow(n, -1, tower.p)) % np.uint64(tower.p)
            lanes = np.moveaxis(x.residues[2 * k, part], axis, -1)
            product = matrix_product_mod(lanes, matrix, tower.p)
            parts[2 * k, part] = np.moveaxis(product, -1, axis)
    kinds = None
    if x.kinds is not None:
        wild = (kinds_of(x) != 0).any(axis, keepdims=True)
        kinds = np.broadcast_to(np.where(wild, UNDEFINED, 0), x.shape).astype(np.uint8)
    degree = x.degree.summed(n)
    return FieldArray(parts, x.dtype, kinds, (x.levels[0], False), degree)


def _from_half(field, x, n):
    """The spectrum of n real numbers from its first half: z_k and conj z_{n-k}.

    The imaginary parts at 0 and at n/2 are not read: a real signal has none there.
    """
    at = np.arange(n)
    mirrored = at > n // 2
    picked = x.residues[..., np.where(mirrored, n - at, at)]
    residues = np.where(mirrored, picked[:, ::-1], picked)
    moduli = _moduli(field, x.ndim - 1)
    halves = moduli // np.uint64(2) + np.uint64(1)
    for k in {0, n // 2} if n % 2 == 0 else {0}:
        both = residues[:, 0, ..., k] + residues[:, 1, ..., k]
        residues[..., k] = (both % moduli * halves % moduli)[:, None]
    return FieldArray(residues, x.dtype, None, x.levels, x.degree.summed(2))
