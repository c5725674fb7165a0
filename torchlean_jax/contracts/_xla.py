"""What is relied on of XLA's own products and sums: no kernels of ours.

Each is compared with sums that are written out: as functions, which checks the rules by
which every domain walks it, and in runs on this machine, which have to stay under the
error that any order of the written sums may have. Its code is not read, so memory and
the lowered precision are not spoken of.
"""

import jax.numpy as jnp
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


def _terms(name, summary, formula, op, written, shapes) -> Terms:
    program = Program(name, op, written, _normals, slack=2.0, because=_WHY)
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
)
