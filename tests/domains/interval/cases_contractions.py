"""Containment cases for sums of products: dots, convolutions, transforms, solves."""

from fractions import Fraction

import flint
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.interval.cases import (
    CALM,
    MATRIX,
    Case,
    Float,
)
from tests.domains.interval.exact import ball, elementwise


def correlated(x, k, stride=(1, 1), dilation=(1, 1), pad=0, groups=1, interior=(1, 1)):
    """Cross-correlation of x [n, c, h, w] with k [o, c/groups, kh, kw]."""
    n, c, h, w = x.shape
    spread = np.full(
        (n, c, (h - 1) * interior[0] + 1, (w - 1) * interior[1] + 1),
        Fraction(0),
        object,
    )
    spread[:, :, :: interior[0], :: interior[1]] = x
    x = np.pad(
        spread, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=Fraction(0)
    )
    o, per, kh, kw = k.shape
    reach = (kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1
    rows = range(0, x.shape[2] - reach[0] + 1, stride[0])
    columns = range(0, x.shape[3] - reach[1] + 1, stride[1])
    out = np.empty((n, o, len(rows), len(columns)), object)
    for b, f, i, j in np.ndindex(out.shape):
        r, s = rows[i], columns[j]
        first = f // (o // groups) * per
        patch = x[
            b,
            first : first + per,
            r : r + reach[0] : dilation[0],
            s : s + reach[1] : dilation[1],
        ]
        out[b, f, i, j] = (patch * k[f]).sum()
    return out


def conv(name, shape, kernel, *, exact, **params):
    params = {"window_strides": (1, 1), "padding": "VALID", **params}
    return Case(
        name,
        ("conv_general_dilated",),
        lambda x, k: lax.conv_general_dilated(x, k, **params),
        lambda x, k: correlated(x, k, **exact),
        (Float(shape, reach=9.0), Float(kernel, reach=9.0)),
        None,
    )


WEIGHT = np.array(np.random.default_rng(0).normal(size=(4, 3)), np.float32)


def grouped(x, w):
    return np.concatenate([x[:2] @ w[0], x[2:] @ w[1]])


def fourier(x, inverse=False, half=False):
    """The transform of the last axis of pairs (re, im), from the definition, in Arb."""
    re, im = x
    n = re.shape[-1]
    out = [np.empty((*re.shape[:-1], n // 2 + 1 if half else n), object) for _ in "ri"]
    for index in np.ndindex(out[0].shape):
        total = [flint.arb(0), flint.arb(0)]
        for j in range(n):
            turn = flint.arb(flint.fmpq(2 * j * index[-1] * (1 if inverse else -1), n))
            c, s = turn.cos_pi(), turn.sin_pi()
            a, b = ball(re[(*index[:-1], j)]), ball(im[(*index[:-1], j)])
            total = [total[0] + a * c - b * s, total[1] + a * s + b * c]
        for part, t in zip(out, total, strict=True):
            part[index] = t / n if inverse else t
    return out


def mirrored(re, im, n):
    """The full spectrum of a real signal from its half; Im at 0 and n/2 is not read."""
    full = [np.empty((*re.shape[:-1], n), object) for _ in "ri"]
    for k in range(n):
        source, sign = (k, 1) if k <= n // 2 else (n - k, -1)
        idle = k == 0 or 2 * k == n
        full[0][..., k] = re[..., source]
        full[1][..., k] = Fraction(0) if idle else sign * im[..., source]
    return full


SIGNAL = Float((2, 6), reach=20.0)


ODD = Float((2, 5), reach=20.0)


HALF = Float((2, 4), reach=20.0)


PARTS = lambda z: (z.real, z.imag)


ZERO = elementwise(lambda x: Fraction(0))


CONTRACTIONS = [
    Case(
        "dot_general",
        ("dot_general",),
        lambda x, y: x @ y,
        lambda x, y: x @ y,
        (CALM, Float((4, 2), reach=50.0)),
    ),
    Case(
        "dot_wild",
        ("dot_general",),
        lambda x, y: x @ y,
        lambda x, y: x @ y,
        (MATRIX, Float((4, 2))),
    ),
    Case(
        "dot_itself",
        ("same:dot_general",),
        lambda x: lax.dot_general(x, x, (((1,), (1,)), ((0,), (0,)))),
        lambda x: (x * x).sum(1),
        (CALM,),
        (16, 2),
    ),
    Case(
        "dot_itself_paired",
        ("same:dot_general",),
        lambda x: lax.dot_general(x, x, (((1,), (1,)), ((), ()))),
        lambda x: x @ x.T,
        (CALM,),
    ),
    Case(
        "dot_weights",
        ("dot_general",),
        lambda x: x @ WEIGHT,
        lambda x: x @ elementwise(lambda w: Fraction(float(w)))(WEIGHT),
        (CALM,),
        None,
    ),
    conv("conv", (1, 2, 4, 4), (3, 2, 2, 2), exact={}),
    conv(
        "conv_strided_padded",
        (1, 2, 4, 5),
        (2, 2, 3, 2),
        window_strides=(2, 1),
        padding=((1, 1), (1, 1)),
        exact={"stride": (2, 1), "pad": 1},
    ),
    conv(
        "conv_dilated",
        (1, 1, 5, 5),
        (2, 1, 2, 2),
        rhs_dilation=(2, 3),
        exact={"dilation": (2, 3)},
    ),
    conv(
        "conv_transposed",
        (1, 2, 3, 3),
        (2, 2, 2, 2),
        lhs_dilation=(2, 2),
        padding=((1, 1), (1, 1)),
        exact={"interior": (2, 2), "pad": 1},
    ),
    conv(
        "conv_grouped",
        (1, 4, 3, 3),
        (4, 2, 2, 2),
        feature_group_count=2,
        exact={"groups": 2},
    ),
    Case(
        "ragged_dot",
        ("ragged_dot_general",),
        lambda x, w: lax.ragged_dot(x, w, jnp.array([2, 1])),
        grouped,
        (CALM, Float((2, 4, 3), reach=9.0)),
        batched=False,
    ),
    Case(
        "fft",
        ("fft", "complex", "real", "imag"),
        lambda a, b: PARTS(jnp.fft.fft(lax.complex(a, b))),
        lambda a, b: fourier((a, b)),
        (SIGNAL, SIGNAL),
    ),
    Case(
        "ifft",
        ("fft",),
        lambda a, b: PARTS(jnp.fft.ifft(lax.complex(a, b))),
        lambda a, b: fourier((a, b), inverse=True),
        (ODD, ODD),
    ),
    Case(
        "rfft",
        ("fft",),
        lambda a: PARTS(jnp.fft.rfft(a)),
        lambda a: fourier((a, ZERO(a)), half=True),
        (SIGNAL,),
    ),
    Case(
        "irfft",
        ("fft",),
        lambda a, b: jnp.fft.irfft(lax.complex(a, b), n=6),
        lambda a, b: fourier(mirrored(a, b, 6), inverse=True)[0],
        (HALF, HALF),
    ),
    Case(
        "irfft_odd",
        ("fft",),
        lambda a, b: jnp.fft.irfft(lax.complex(a, b), n=7),
        lambda a, b: fourier(mirrored(a, b, 7), inverse=True)[0],
        (HALF, HALF),
    ),
]


def solved(a, b, lower=True):
    """A triangular system solved in fractions; None where it is singular."""
    n = len(a)
    x = np.full(b.shape, None, object)
    for c in range(b.shape[1]):
        for i in range(n) if lower else reversed(range(n)):
            others = range(i) if lower else range(i + 1, n)
            if a[i, i] == 0 or any(x[j, c] is None for j in others):
                continue
            x[i, c] = (b[i, c] - sum(a[i, j] * x[j, c] for j in others)) / a[i, i]
    return x


SQUARE, COLUMN = Float((3, 3), reach=5.0), Float((3, 2), reach=5.0)


SOLVES = [
    Case(
        "triangular_solve",
        ("triangular_solve",),
        lambda a, b: lax.linalg.triangular_solve(a, b, left_side=True, lower=True),
        solved,
        (SQUARE, COLUMN),
    ),
    Case(
        "triangular_solve_transposed",
        ("triangular_solve",),
        lambda a, b: lax.linalg.triangular_solve(a, b.T, left_side=False, lower=True),
        lambda a, b: solved(a.T, b, lower=False).T,
        (SQUARE, COLUMN),
    ),
    Case(
        "triangular_solve_unit",
        ("triangular_solve",),
        lambda a, b: lax.linalg.triangular_solve(
            a, b, left_side=True, lower=False, transpose_a=True, unit_diagonal=True
        ),
        lambda a, b: solved(
            np.where(np.eye(3, dtype=bool), Fraction(1), a.T), b, lower=True
        ),
        (SQUARE, COLUMN),
    ),
]


CASES = [*CONTRACTIONS, *SOLVES]
