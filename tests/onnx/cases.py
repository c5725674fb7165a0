"""Cases of operators: how far a result may lie from that of onnxruntime, and why.

The cases themselves are in `cases_*.py`, by group of operators.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.onnx.models import EPS, by_onnxruntime, gamma, model_of


@dataclass(frozen=True)
class Case:
    """One operator with inputs and attributes, at every version between two opsets.

    tolerance(case, opset, expected) -> the greatest distance, an array or a number.
    """

    op: str
    arrays: tuple
    attributes: dict[str, Any] = field(default_factory=dict)
    tolerance: Callable = lambda case, opset, expected: 0
    opsets: tuple[int, int] = (7, 26)
    fixed: tuple[int, ...] = ()
    outputs: int = 1

    def model(self, opset, arrays=None):
        return model_of(
            self.op,
            self.arrays if arrays is None else arrays,
            self.attributes,
            opset=opset,
            fixed=self.fixed,
            outputs=self.outputs,
        )

    def __str__(self):
        shapes = "x".join(
            "-" if a is None else str(list(np.shape(a))) for a in self.arrays
        )
        said = ",".join(f"{k}={v}" for k, v in self.attributes.items() if k != "value")
        return f"{self.op} {shapes} {said}"


def case(
    op, *arrays, tolerance=None, opsets=(7, 26), fixed=(), outputs=1, **attributes
):
    rest = {} if tolerance is None else {"tolerance": tolerance}
    return Case(
        op, arrays, attributes, opsets=opsets, fixed=fixed, outputs=outputs, **rest
    )


def ulps(count):
    """Elementwise functions, `count` units in the last place of the larger of |y|, 1.

    XLA's own worst errors over all inputs are between 0.5 and 6.6 (benchmarked over the
    whole of binary32); onnxruntime's are polynomials of the same quality. Near zero the
    functions that subtract lose relative, not absolute, precision: hence the 1.
    """

    def tolerance(case, opset, expected):
        return count * 2 * EPS * np.maximum(np.abs(expected), 1)

    return tolerance


def sums(count, minus=()):
    """Sums of products, `count` roundings on the way to each result, in any order.

    Both sides lie within gamma_count of the exact result, times the same sum over
    magnitudes (Higham 2002, section 3.1), which onnxruntime computes from |inputs|
    (negative at the positions `minus`, which are subtracted).
    """

    def tolerance(case, opset, expected):
        sizes = [
            a
            if a is None or a.dtype.kind != "f"
            else -np.abs(a)
            if i in minus
            else np.abs(a)
            for i, a in enumerate(case.arrays)
        ]
        model, feeds = case.model(opset, sizes)
        return 2 * gamma(count) * np.abs(by_onnxruntime(model, feeds)[0]) * (1 + 1e-3)

    return tolerance


def normalised(count, deviation):
    """(x - mean) / std * scale + bias over groups of `count`, with |x|, |scale|, |bias|
    at most 2 and std at least `deviation`.

    The mean errs by gamma_count max|x|, which shifts x - mean by as much; the variance
    errs relatively by twice that over std, plus gamma_(count + 3). With |y| <= |x -
    mean| / std <= 4 / std, both sides err by at most the bound below.
    """

    def tolerance(case, opset, expected):
        shift = gamma(count + 2) * 2 / deviation
        stretch = (2 * shift + gamma(count + 8)) * (4 / deviation)
        return 2 * (2 * (shift + stretch) + 4 * EPS * np.abs(expected))

    return tolerance


RANDOM = np.random.default_rng(20260101)


def real(*shape, scale=2.0):
    """Uniform in [-scale, scale]."""
    return RANDOM.uniform(-scale, scale, shape).astype(np.float32)


def positive(*shape, low=0.1, high=2.0):
    return RANDOM.uniform(low, high, shape).astype(np.float32)


def ints(*values):
    return np.asarray(values, np.int64)


def whole(*shape, low=-9, high=10, dtype=np.int64):
    return RANDOM.integers(low, high, shape).astype(dtype)


def f32(*values):
    return np.asarray(values, np.float32)
