"""Rules for factorisations and triangular systems, as the textbook defines them.

Where mathematics leaves a choice, LAPACK's is taken, whose results the primitives
promise: the sign of a Householder vector, the first largest element as the pivot.
"""

import numpy as np

from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains.real._arithmetic import over
from torchlean_jax.domains.real._compare import equal, less
from torchlean_jax.domains.real._flint import flint, is_no_number, no_number
from torchlean_jax.domains.real._order import first_extreme
from torchlean_jax.domains.real._value import RealArray, each, rules


def _conjugated(balls):
    return each(lambda z: z.conjugate() if isinstance(z, flint().acb) else z, balls)


def _matrices(balls):
    return balls.reshape(-1, *balls.shape[-2:])


def _stacked(matrices, like: RealArray):
    """The matrices as a batch like that of `like`."""
    balls = np.array(matrices, object)
    return RealArray(balls.reshape(*like.shape[:-2], *balls.shape[1:]), like.dtype)


def _zeros(a, *shape):
    """Zeros of the kind (real or complex) of the elements of `a`."""
    return np.full(shape, a.flat[0] * 0 if a.size else flint().arb(0), object)


def _length_squared(x):
    return (x * _conjugated(x)).sum()


@rules.define("cholesky")
def _cholesky(x):
    """Of the lower triangle; no number where it is not positive definite."""
    return _stacked([_cholesky_factor(a) for a in _matrices(x.balls)], x)


def _cholesky_factor(a):
    n = len(a)
    factor = _zeros(a, n, n)
    for j in range(n):
        row = factor[j, :j]
        pivot = (a[j, j] - _length_squared(row)).real
        if is_no_number(pivot) or not less(flint().arb(0), pivot):
            return np.full((n, n), factor[0, 0] * 0 + no_number(), object)
        root = pivot.sqrt()
        factor[j, j] = factor[j, j] + root
        below = a[j + 1 :, j] - (factor[j + 1 :, :j] * _conjugated(row)).sum(1)
        factor[j + 1 :, j] = below / root
    return factor


@rules.define("triangular_solve")
def _triangular_solve(
    a, b, *, left_side, lower, transpose_a, conjugate_a, unit_diagonal
):
    """Substitution, one row of unknowns at a time."""
    matrices, sides = _matrices(a.balls), _matrices(b.balls)
    if conjugate_a:
        matrices = _conjugated(matrices)
    if transpose_a:
        matrices, lower = np.swapaxes(matrices, -1, -2), not lower
    if not left_side:  # x a = b is a' x' = b'
        matrices, sides = (np.swapaxes(x, -1, -2) for x in (matrices, sides))
        lower = not lower
    solved = [
        _substituted(matrix, side, lower, unit_diagonal)
        for matrix, side in zip(matrices, sides, strict=True)
    ]
    if not left_side:
        solved = [x.T for x in solved]
    return _stacked(solved, b)


def _substituted(a, b, lower, unit_diagonal):
    n = len(a)
    x = b.copy()
    for i in range(n) if lower else reversed(range(n)):
        known = slice(0, i) if lower else slice(i + 1, n)
        rest = x[i] - (a[i, known][:, None] * x[known]).sum(0)
        x[i] = rest if unit_diagonal else [over(r, a[i, i]) for r in rest]
    return x


@rules.define("lu")
def _lu(x):
    """Rows are exchanged so that the pivot is the first largest of its column."""
    factors, pivots, orders = zip(*map(_lu_factors, _matrices(x.balls)), strict=True)
    batch = x.shape[:-2]
    pivots, orders = (np.array(rows, np.int32) for rows in (pivots, orders))
    return [
        _stacked(factors, x),
        pivots.reshape(*batch, -1),
        orders.reshape(*batch, -1),
    ]


def _lu_factors(a):
    a, order, pivots = a.copy(), np.arange(len(a)), []
    for j in range(min(a.shape)):
        sizes = each(_size, a[j:, j])
        best = j + first_extreme(sizes, largest=True)
        pivots.append(best)
        a[[j, best]], order[[j, best]] = a[[best, j]], order[[best, j]]
        if equal(sizes[best - j], flint().arb(0)):
            continue  # the column is zero: there is nothing to eliminate
        a[j + 1 :, j] = a[j + 1 :, j] / a[j, j]
        a[j + 1 :, j + 1 :] -= a[j + 1 :, j, None] * a[j, None, j + 1 :]
    return a, pivots, order


def _size(z):
    """What LAPACK compares: |re| + |im|."""
    return abs(z.real) + abs(z.imag) if isinstance(z, flint().acb) else abs(z)


@rules.define("geqrf")
def _geqrf(x):
    factors, scales = zip(*map(_reflected, _matrices(x.balls)), strict=True)
    scales = np.array(scales, object).reshape(*x.shape[:-2], -1)
    return [_stacked(factors, x), RealArray(scales, x.dtype)]


def _reflected(a):
    """(R above, the reflections below the diagonal; their scales), column by column."""
    a, scales = a.copy(), []
    for j in range(min(a.shape)):
        head, tail = a[j, j], a[j + 1 :, j]
        scale, pivot, vector = _reflection(head, tail)
        scales.append(scale)
        v = np.concatenate([[head * 0 + 1], vector])
        rest = a[j:, j + 1 :]
        along = (_conjugated(v)[:, None] * rest).sum(0)
        conjugate = _conjugated(np.array([scale], object))[0]
        a[j:, j + 1 :] = rest - conjugate * v[:, None] * along
        a[j, j], a[j + 1 :, j] = pivot, vector
    return a, scales


def _reflection(head, tail):
    """(scale, what the head becomes, the vector below a 1) as in LAPACK's larfg."""
    zero = head * 0
    below = (_length_squared(tail) + zero).real
    if equal(below, flint().arb(0)) and equal(head.imag, flint().arb(0)):
        return zero, head, tail
    length = (below + (head * _conjugated_one(head)).real).sqrt()
    pivot = length if less(head.real, flint().arb(0)) else -length
    return (pivot - head) / pivot, zero + pivot, tail / (head - pivot)


def _conjugated_one(z):
    return z.conjugate() if isinstance(z, flint().acb) else z


@rules.define("householder_product")
def _householder_product(a, scales):
    """The first columns of the product of the reflections of `geqrf`."""
    rows = scales.balls.reshape(-1, scales.shape[-1])
    products = [
        _product(matrix, row, matrix.shape[1])
        for matrix, row in zip(_matrices(a.balls), rows, strict=True)
    ]
    return _stacked(products, a)


def _product(a, scales, columns):
    m = len(a)
    q = _zeros(a, m, columns)
    for i in range(min(m, columns)):
        q[i, i] = q[i, i] + 1
    for j in reversed(range(len(scales))):
        v = np.concatenate([[a[j, j] * 0 + 1], a[j + 1 :, j]])
        along = (_conjugated(v)[:, None] * q[j:]).sum(0)
        q[j:] = q[j:] - scales[j] * v[:, None] * along
    return q


@rules.define("qr")
def _qr(x, *, full_matrices, pivoting, use_magma=None):
    if pivoting:
        raise MissingRuleError("a QR factorisation with exchanged columns")
    m, n = x.shape[-2:]
    size = m if full_matrices else min(m, n)
    qs, rs = [], []
    for matrix in _matrices(x.balls):
        factors, scales = _reflected(matrix)
        qs.append(_product(factors, scales, size))
        upper = factors[:size].copy()
        upper[np.tril_indices(size, -1, n)] = factors[0, 0] * 0
        rs.append(upper)
    return [_stacked(qs, x), _stacked(rs, x)]


_CHOICE = "which LAPACK chooses by the way it rounds"
rules.refuse(
    "eigh",
    "eig",
    because=f"eigenvectors are defined up to a factor, {_CHOICE}",
)
rules.refuse("svd", because=f"singular vectors are defined up to a factor, {_CHOICE}")
rules.refuse("schur", because=f"a Schur form is defined up to an order, {_CHOICE}")
