"""What is relied on of XLA's own products and sums: no kernels of ours.

Each is compared with sums that are written out: as functions, which checks the rules by
which every domain walks it, and in runs on this machine, which have to stay under the
error that any order of the written sums may have. Its code is not read, so memory and
the lowered precision are not spoken of. No domain knows how a fast transform rounds:
of that one runs alone are held against the bound.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.pallas_kernels._row_terms import normal
from torchlean_jax.pallas_kernels._terms import Program, Terms

CLAUSES = ("meaning", "rounding")
_WHY = "a sum in tiles, padded with zeros, rounds at most twice as often"
_ASSUMED = (
    "that XLA's code reads and writes what it should, which nothing here reads",
)


def _normals(key, shapes, dtype):
    return tuple(normal(key, shape, dtype, k) for k, shape in enumerate(shapes))


def _dot(x, weight):
    return jnp.matmul(x, weight, precision=lax.Precision.HIGHEST)


def _written_dot(x, weight):
    return (x[:, :, None] * weight[None]).sum(axis=1)


def _sum(x):
    return x.sum(axis=-1)


def _written_sum(x):
    return _dot(x, jnp.ones(x.shape[-1]))


def _pool(x):
    windows = (1, 2, 2, 1)
    return lax.reduce_window(x, 0.0, lax.add, windows, windows, "VALID")


def _written_pool(x):
    height, width = (x.shape[k] // 2 * 2 for k in (1, 2))
    x = x[:, :height, :width]
    parts = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return _dot(jnp.stack(parts, axis=-1), jnp.ones(4))


# 3 x 3 taps, over padding of one zero on each side; two steps down, one across
_TAPS, _STRIDES = (3, 3), (2, 1)


def _conv(x, weight):
    return lax.conv_general_dilated(
        x,
        weight,
        _STRIDES,
        [(1, 1), (1, 1)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )


def _written_conv(x, weight):
    """The sum over taps of shifted images times matrices of channels."""
    height, width = (
        (n + 2 - tap) // stride + 1
        for n, tap, stride in zip(x.shape[1:3], _TAPS, _STRIDES, strict=True)
    )
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    seen = [
        padded[:, i :: _STRIDES[0], j :: _STRIDES[1]][:, :height, :width]
        for i, j in np.ndindex(_TAPS)
    ]
    columns = jnp.concatenate(seen, axis=-1)[..., None]
    return (columns * weight.reshape(-1, weight.shape[-1])).sum(axis=-2)


def _fft(x):
    """The spectrum of real rows, real and imaginary parts beside each other."""
    spectrum = jnp.fft.rfft(x)
    return jnp.stack([spectrum.real, spectrum.imag], axis=-1)


def _written_fft(x):
    """Sums of products with cosines and sines."""
    n = x.shape[-1]
    counts = np.outer(np.arange(n), np.arange(n // 2 + 1)) % n
    turns = 8 * jnp.arctan(jnp.float32(1)) * jnp.asarray(counts, jnp.float32) / n
    parts = jnp.stack([jnp.cos(turns), -jnp.sin(turns)], axis=-1)
    return (x[..., :, None, None] * parts).sum(axis=-3)


def _terms(name, summary, formula, op, written, shapes, **known) -> Terms:
    program = Program(name, op, written, _normals, slack=2.0, because=_WHY, **known)
    return Terms(
        name=name,
        summary=summary,
        formula=formula,
        op=op,
        differentiable=op,
        programs=(program,),
        shapes=shapes,
        dtypes=("float32",),
        clauses=CLAUSES,
        assumed=_ASSUMED,
    )


TERMS = (
    _terms(
        "xla_dot",
        "XLA's own product of matrices, at the highest precision",
        "y[i, j] = sum of x[i, k] * weight[k, j] over k",
        _dot,
        _written_dot,
        {"ragged": ((5, 12), (12, 7)), "square": ((16, 16), (16, 16))},
    ),
    _terms(
        "xla_sum",
        "XLA's own sum over the last axis",
        "y = x @ (1, 1, ...)",
        _sum,
        _written_sum,
        {"ragged": ((5, 12),), "wide": ((2, 100),)},
    ),
    _terms(
        "xla_pool",
        "XLA's own sums over windows of 2 x 2",
        "y[i, j] = x[2i, 2j] + x[2i, 2j + 1] + x[2i + 1, 2j] + x[2i + 1, 2j + 1]",
        _pool,
        _written_pool,
        {"ragged": ((2, 5, 7, 3),), "square": ((1, 4, 4, 1),)},
    ),
    _terms(
        "xla_conv",
        "XLA's own convolution over images, at the highest precision",
        "y[i, j] = sum of x[2i + p - 1, j + q - 1] @ weight[p, q] over p, q = 0, 1, 2",
        _conv,
        _written_conv,
        {
            "ragged": ((2, 5, 4, 3), (3, 3, 3, 2)),
            "one": ((1, 1, 1, 1), (3, 3, 1, 1)),
        },
    ),
    _terms(
        "xla_fft",
        "XLA's own transform of real rows",
        "y[k] = sum of x[j] exp(-2 pi i j k / n) over j",
        _fft,
        _written_fft,
        {"ragged": ((3, 12),), "prime": ((2, 7),), "power": ((1, 16),)},
        linear=True,
        walked=False,
    ),
)
