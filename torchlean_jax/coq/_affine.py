"""Affine maps as proofs/Graph.v has them, in literals of 62 bits.

The numbers of an array share one exponent. A weight of 1e-9 beside one of 1 makes all
of them integers of more bits than a machine integer has; most are zero below the bits
that fit, so what is left over is a sparse matrix, and the map is the sum of both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

Term = tuple[int, "Matrix"]

BITS = 62  # of the machine integers that literals are
LARGEST = 1 << BITS


@dataclass(frozen=True)
class Matrix:
    """A linear map in units of 2**exp.

    kind "same": the identity; "times": `rows` holds a factor for each entry; "full":
    rows of integers; "gaps": rows of pairs (position, integer), by position.
    """

    kind: str
    exp: int = 0
    rows: tuple = ()


@dataclass(frozen=True)
class Affine:
    """bias (integers in units of 2**exp) plus the sum of matrices times values."""

    size: int
    terms: tuple[Term, ...] = ()
    bias: tuple[int, ...] = ()
    exp: int = 0


def narrow(a: Affine) -> Affine:
    """The same function; each matrix is made of integers below 2**62."""
    terms = tuple((k, part) for k, m in a.terms for part in _parts(m))
    return replace(a, terms=terms)


def _parts(matrix: Matrix) -> Iterator[Matrix]:
    """Matrices whose sum is the given one, the largest numbers first."""
    shift = max(map(int.bit_length, _numbers(matrix)), default=0) - BITS
    if shift <= 0:
        yield matrix
        return
    yield Matrix(
        matrix.kind, matrix.exp + shift, _each(matrix, lambda m: _high(m, shift))
    )
    yield from _parts(_sparse(matrix, lambda m: m - (_high(m, shift) << shift)))


def _high(m: int, shift: int) -> int:
    """Towards 0, so that both parts have the sign of the number."""
    return m >> shift if m >= 0 else -(-m >> shift)


def _numbers(matrix: Matrix) -> Iterable[int]:
    if matrix.kind == "full":
        return (m for row in matrix.rows for m in row)
    if matrix.kind == "gaps":
        return (m for row in matrix.rows for _, m in row)
    return matrix.rows


def _each(matrix: Matrix, change) -> tuple:
    if matrix.kind == "full":
        return tuple(tuple(map(change, row)) for row in matrix.rows)
    if matrix.kind == "gaps":
        return tuple(tuple((j, change(m)) for j, m in row) for row in matrix.rows)
    return tuple(map(change, matrix.rows))


def _sparse(matrix: Matrix, change) -> Matrix:
    rows = _each(matrix, change)
    if matrix.kind == "times":
        return Matrix("times", matrix.exp, rows)
    pairs = (enumerate(row) if matrix.kind == "full" else row for row in rows)
    kept = tuple(tuple((j, m) for j, m in row if m) for row in pairs)
    return Matrix("gaps", matrix.exp, kept)
