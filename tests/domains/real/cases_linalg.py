"""Cases of factorisations and solves, against mpmath and fractions.

The signs that LAPACK chooses are read off its float64 factors.
"""

from fractions import Fraction

import jax.numpy as jnp
import mpmath as mp
import numpy as np
from jax import lax

from tests.domains.real.cases import Case, normal, precise


def matrix(x):
    return mp.matrix([[mp.mpc(complex(v)) for v in row] for row in np.asarray(x)])


def array(m, *, is_complex=False):
    """An mpmath matrix as object arrays: (real parts, imaginary parts) if complex."""
    re, im = (
        np.array(
            [[getattr(m[i, j], p) for j in range(m.cols)] for i in range(m.rows)],
            object,
        )
        for p in ("real", "imag")
    )
    return [re, im] if is_complex else [re]


def cholesky(a):
    return array(mp.cholesky(matrix(np.tril(a) + np.tril(a, -1).T)))[0]


def eliminated(a):
    """LU with the first largest pivot, in fractions: (LU, pivots, order)."""
    a = np.vectorize(Fraction, otypes=[object])(a.astype(float))
    order, pivots = np.arange(len(a), dtype=object), []
    for j in range(min(a.shape)):
        best = max(range(j, len(a)), key=lambda i: (abs(a[i, j]), -i))
        pivots.append(best)
        a[[j, best]], order[[j, best]] = a[[best, j]], order[[best, j]]
        if a[j, j]:
            a[j + 1 :, j] /= a[j, j]
            a[j + 1 :, j + 1 :] -= a[j + 1 :, j, None] * a[j, None, j + 1 :]
    return [a, np.array(pivots, object), order]


def qr(mode, is_complex=False):
    """mpmath's factors, with the signs (phases) that LAPACK gives the rows of R."""

    def exact(a):
        q, r = mp.qr(matrix(a), mode="full" if mode == "complete" else "skinny")
        wanted = np.diag(np.linalg.qr(a.astype(np.complex128), mode=mode)[1])
        for j in range(min(r.rows, r.cols)):
            # both are of one size: only the phase is read off the float64 factors
            phase = mp.mpc(complex(wanted[j])) / r[j, j]
            phase = mp.mpc(round(float(phase.real)), round(float(phase.imag)))
            for k in range(r.cols):
                r[j, k] *= phase
            for k in range(q.rows):
                q[k, j] /= phase
        for j in range(r.rows):
            for k in range(min(j, r.cols)):
                r[j, k] = mp.mpf(0)
        return [*array(q, is_complex=is_complex), *array(r, is_complex=is_complex)]

    return precise(exact)


def reflected(a):
    """R and the scaled reflections, from what they must be: H_k ... H_1 A = R."""
    a = matrix(a)
    m, n = a.rows, a.cols
    scales, stored = [], a.copy()
    for j in range(min(m, n)):
        x = [a[i, j] for i in range(j, m)]
        length = mp.sqrt(sum(abs(v) ** 2 for v in x))
        pivot = -length if x[0].real >= 0 else length
        if len(x) == 1:
            pivot, v, scale = x[0], [mp.mpf(1)], mp.mpf(0)
        else:
            v = [mp.mpf(1)] + [w / (x[0] - pivot) for w in x[1:]]
            scale = 2 / sum(abs(w) ** 2 for w in v)
        scales.append(scale)
        for k in range(j, n):
            along = scale * sum(v[i] * a[j + i, k] for i in range(m - j))
            for i in range(m - j):
                a[j + i, k] -= along * v[i]
        for i in range(1, m - j):
            stored[j + i, j] = v[i]
        for k in range(j, n):
            stored[j, k] = a[j, k]
        stored[j, j] = pivot
    return [array(stored)[0], np.array([mp.mpf(s.real) for s in scales], object)]


SQUARE, TALL, WIDE = normal(4, 4), normal(5, 3), normal(2, 4)
POSITIVE = np.float32(SQUARE @ SQUARE.T + np.eye(4))
COMPLEX = (normal(3, 3) + 1j * normal(3, 3)).astype(np.complex64)
TIED = np.array([[1, 2, 3], [-1, 5, 6], [1, 0, 1]], np.float32)
SINGULAR = np.array([[0, 1, 2], [0, 3, 4], [0, 5, 7]], np.float32)

LINALG = [
    Case("cholesky", lax.linalg.cholesky, precise(cholesky), (POSITIVE,)),
    Case(
        "cholesky_indefinite",
        lambda a: lax.linalg.cholesky(a, symmetrize_input=False),
        lambda a: np.where(np.tri(4) > 0, None, Fraction(0)),
        (POSITIVE - 40 * np.eye(4, dtype=np.float32),),
    ),
    *(
        Case(f"lu_{name}", lambda a: list(lax.linalg.lu(a)), eliminated, (a,))
        for name, a in {
            "square": SQUARE,
            "tall": TALL,
            "wide": WIDE,
            "tied": TIED,
            "singular": SINGULAR,
        }.items()
    ),
    Case("qr", jnp.linalg.qr, qr("reduced"), (SQUARE,)),
    Case("qr_tall", jnp.linalg.qr, qr("reduced"), (TALL,)),
    Case("qr_full", lambda a: jnp.linalg.qr(a, "complete"), qr("complete"), (TALL,)),
    Case(
        "geqrf",
        lambda a: [x.T if x.ndim == 2 else x for x in jnp.linalg.qr(a, "raw")],
        precise(reflected),
        (TALL,),
    ),
    Case(
        "householder_product",
        lambda a: [
            lax.linalg.householder_product(h.T, t) for h, t in [jnp.linalg.qr(a, "raw")]
        ],
        lambda a: qr("reduced")(a)[:1],
        (TALL,),
    ),
    Case(
        "solve",
        jnp.linalg.solve,
        precise(lambda a, b: array(mp.inverse(matrix(a)) * matrix(b))[0]),
        (SQUARE, normal(4, 2)),
    ),
    Case(
        "complex_solve",
        jnp.linalg.solve,
        precise(lambda a, b: array(mp.inverse(matrix(a)) * matrix(b), is_complex=True)),
        (COMPLEX, COMPLEX.T),
    ),
    Case(
        "determinant",
        jnp.linalg.det,
        precise(lambda a: mp.det(matrix(a)).real),
        (SQUARE,),
    ),
]
