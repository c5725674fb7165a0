"""What a leaf needs as evidence: signs or bounds before each maximum, and slopes; lines
around each smooth function.

Computed in floating point by back-substitution, then moved outward; the proof tests all
of it in exact arithmetic, so an error here costs a certificate and never a truth.
"""

import math
from dataclasses import dataclass

import numpy as np

from torchlean_jax.coq._affine import Affine, Matrix
from torchlean_jax.coq._core import Core, Node
from torchlean_jax.coq._curves import Bends, bends

SLOPE_EXP = -20  # at 12 bits, leaves of ACAS Xu with margins of 1e-5 are lost
GRID = -40  # coefficients are rounded down to multiples of 2**GRID
ROOM = 2.0**-24  # of the magnitude of a bound: more than float64 loses on the way


@dataclass(frozen=True)
class Evidence:
    """lo, hi (in units of 2**exp), below, above: integers for each entry; state: 1
    where the difference is at least 0, -1 where it is at most 0, else 0."""

    state: np.ndarray
    exp: int
    lo: np.ndarray
    hi: np.ndarray
    below: np.ndarray
    above: np.ndarray


class Prover:
    """Bounds over one part of the inputs, node after node."""

    def __init__(self, core: Core, boxes, splits, slopes):
        """boxes: (lo, hi) for each input. splits: (value, entry, at most?, at)s.
        slopes: step of the checker's program -> slopes of its lower lines in [0, 1].
        """
        self.core, self.boxes, self.splits, self.slopes = core, boxes, splits, slopes
        self.evidence: dict[int, Evidence] = {}
        self.bends: dict[int, Bends] = {}
        for k, node in enumerate(core.nodes, core.inputs):
            if node.second is not None:
                self.evidence[k] = self._decide(node)
            elif node.curve is not None:
                self.bends[k] = bends(node.curve, *self._range(node))

    def _range(self, node: Node) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the difference of a maximum's operands, or of the one there is."""
        every = np.eye(node.first.size)
        forms: dict[int, np.ndarray] = {}
        constant = self._through(node.first, every, forms)
        if node.second is not None:
            constant = constant + self._through(node.second, -every, forms)
        low = self.minimum(forms, constant)
        high = -self.minimum({k: -c for k, c in forms.items()}, -constant)
        self._apply_splits(node, low, high)
        return low, high

    def _decide(self, node: Node) -> Evidence:
        low, high = self._range(node)
        state = np.where(low >= 0, 1, np.where(high <= 0, -1, 0))
        reach = max(np.abs(low).max(), np.abs(high).max(), 2.0**-60)
        exp = math.frexp(reach)[1] - 26
        lo = np.floor(np.ldexp(low, -exp)).astype(np.int64) - 1
        hi = np.ceil(np.ldexp(high, -exp)).astype(np.int64) + 1
        one = 1 << -SLOPE_EXP
        given = None if node.step is None else self.slopes.get(node.step)
        below = (high >= -low) if given is None else np.asarray(given)
        below = np.round(below * one).astype(np.int64)
        width = np.where(state == 0, high - low, 1.0)
        above = np.ceil(np.clip(high / width, 0, 1) * one).astype(np.int64)
        return Evidence(state, exp, lo, hi, below, above)

    def _apply_splits(self, node: Node, low, high) -> None:
        """What cuts say of the operand of a relu or of a smooth function."""
        first, second = node.first, node.second
        plain = second is None or (not second.terms and not second.bias)
        if not (plain and len(first.terms) == 1 and first.terms[0][1].kind == "same"):
            return
        for value, entry, at_most, at in self.splits:
            if value == first.terms[0][0] and at_most:
                high[entry] = min(high[entry], at)
            elif value == first.terms[0][0]:
                low[entry] = max(low[entry], at)

    def minimum(self, forms: dict[int, np.ndarray], constant: np.ndarray) -> np.ndarray:
        """A lower bound of each form (rows of coefficients of values) over the part."""
        forms, constant = dict(forms), constant.copy()
        while forms:
            k = max(forms)
            rows = forms.pop(k)
            if k < self.core.inputs:
                lo, hi = self.boxes[k]
                constant += np.maximum(rows, 0) @ lo + np.minimum(rows, 0) @ hi
                continue
            node = self.core.nodes[k - self.core.inputs]
            if k in self.bends:
                rows, shift = self.bends[k].through(rows)
                constant = constant + shift
            if node.second is None:
                constant = constant + self._through(node.first, rows, forms)
                continue
            mine, shift = _lines(self.evidence[k], rows)
            constant = constant + shift + self._through(node.first, mine, forms)
            constant = constant + self._through(node.second, rows - mine, forms)
        return constant - ROOM * (1 + np.abs(constant))

    def _through(self, a: Affine, rows: np.ndarray, forms: dict) -> np.ndarray:
        for value, matrix in a.terms:
            moved = _times(rows, matrix, self._size(value))
            forms[value] = forms[value] + moved if value in forms else moved
        if not a.bias:
            return np.zeros(len(rows))
        return rows @ floats(a.bias, a.exp)

    def _size(self, value: int) -> int:
        if value < self.core.inputs:
            return len(self.boxes[value][0])
        return self.core.nodes[value - self.core.inputs].first.size


def _lines(e: Evidence, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the difference, and constants, of rows of a maximum."""
    slopes = np.where(rows >= 0, e.below, e.above) * 2.0**SLOPE_EXP
    mine = rows * np.where(e.state > 0, 1.0, np.where(e.state < 0, 0.0, slopes))
    lo, hi = np.ldexp(e.lo.astype(float), e.exp), np.ldexp(e.hi.astype(float), e.exp)
    ends = [rows * np.maximum(d, 0) - mine * d for d in (lo, hi)]
    least = np.minimum(0.0, np.minimum(*ends))
    return mine, np.where(e.state == 0, least, 0.0).sum(axis=1)


def _times(rows: np.ndarray, matrix: Matrix, size: int) -> np.ndarray:
    if matrix.kind == "same":
        return rows
    if matrix.kind == "times":
        return rows * floats(matrix.rows, matrix.exp)
    return rows @ dense(matrix, size)


_DENSE: dict[int, tuple[Matrix, np.ndarray]] = {}


def dense(matrix: Matrix, size: int) -> np.ndarray:
    """The matrix in float64; kept, as every leaf needs it."""
    if id(matrix) not in _DENSE:
        if len(_DENSE) > 64:
            _DENSE.clear()
        if matrix.kind == "full":
            found = np.array([floats(row, matrix.exp) for row in matrix.rows])
        else:
            found = np.zeros((len(matrix.rows), size))
            for row, pairs in zip(found, matrix.rows, strict=True):
                for j, weight in pairs:
                    row[j] = math.ldexp(weight, matrix.exp)
        _DENSE[id(matrix)] = matrix, found
    return _DENSE[id(matrix)][1]


def floats(values, exp: int) -> np.ndarray:
    return np.array([math.ldexp(v, exp) for v in values])
