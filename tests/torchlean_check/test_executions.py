"""Claims about executions: runs drawn in exact fractions are the oracle.

Each graph is built so that its runs stray far: what is left out of the slack shows.
"""

import json
from fractions import Fraction

import numpy as np
import pytest

from tests.torchlean_check.builder import (
    Certificate,
    archive,
    canonical,
    exact,
)
from tests.torchlean_check.evaluator import Claim
from tests.torchlean_check.executions import FORMATS, FUNCTIONS, Execution, nearest
from torchlean_check import check

ULPS = {
    "exp": 551,
    "expm1": 617,
    "log": 119,
    "log1p": 252,
    "tanh": 649,
    "logistic": 248,
    "erf": 664,
    "sin": 56,
    "cos": 56,
    "rsqrt": 125,
}
MODEL = {
    "name": "as tested",
    "ulps": ULPS,
    "quotient": 200,
    "products": {"operand": [0, 0], "rounding": 100},
}
VECTOR = {"dimension_numbers": [[[0], [0]], [[], []]]}
FAR = 2.0**100
RNG = np.random.default_rng(3)


def executing(c: Certificate, model=MODEL) -> bytes:
    """The certificate as a claim about executions."""
    members = c.members()
    manifest = json.loads(members["manifest.json"])
    manifest |= {"semantics": "fp32", "error_model": model}
    return archive({**members, "manifest.json": canonical(manifest)})


class Network(Certificate):
    """In float32 unless said."""

    model = MODEL

    def at(self, x, radius=0.0, dtype=np.float32):
        x = np.asarray(x, dtype)
        value = self.box(x - dtype(radius), x + dtype(radius), dtype)
        self.graph["inputs"][-1]["dtype"] = np.dtype(dtype).name
        return value

    def number(self, x, dtype=np.float32):
        return self.constant(np.asarray(x, dtype))

    def ends(self, value, size):
        self.output(value)
        self.size, self.inner = size, dict(self.arrays)
        return self

    def claiming(self, row):
        """The certificate that row @ outputs is above something far below."""
        self.arrays = dict(self.inner)
        self.property = self.rows([row], [-FAR])
        return executing(self, self.model)


def absorbed(c, x, shape):
    """x up to 2**-12 or so: a sum with 2**12, and back."""
    big = c.number(2.0**12)
    return c.node("sub", [c.node("add", [x, big], shape), big], shape)


def sums(op, **params):
    """Many terms that cancel: nearly half of what any order may lose."""

    def build():
        c, n = Network(), 40
        terms = np.full(n, 0.75)
        terms[0], terms[-1] = 2.0**24, -(2.0**24)
        x = c.at(terms)
        if op == "dot_general":
            y = c.node(op, [x, c.number(np.ones(n))], [], **VECTOR)
        elif op == "products":
            other = c.at(np.ones(n))
            y = c.node("dot_general", [x, other], [], **VECTOR)
        else:
            y = c.node(op, [x], [n] if op == "cumsum" else [], **params)
        return c.ends(y, n if op == "cumsum" else 1)

    return build


def convolution():
    c = Network()
    image = RNG.integers(-8, 8, (1, 2, 4, 4)) * 2.0**20 + RNG.random((1, 2, 4, 4))
    kernel = RNG.integers(-4, 4, (2, 2, 3, 3)) / 3
    options = {"window_strides": [1, 1], "padding": [[1, 1], [1, 1]]}
    options |= {"lhs_dilation": [1, 1], "rhs_dilation": [1, 1]}
    options |= {"feature_group_count": 1, "batch_group_count": 1}
    numbers = {"dimension_numbers": [[0, 1, 2, 3]] * 3}
    operands = [c.at(image), c.number(kernel)]
    y = c.node("conv_general_dilated", operands, [1, 2, 4, 4], **options, **numbers)
    return c.ends(y, 32)


def absorbing():
    c = Network()
    x = c.at(RNG.random(6) * 2.0**-3)
    return c.ends(absorbed(c, x, [6]), 6)


def underflow(where):
    """2**100 times what may have been flushed to 0."""

    def build():
        c, small = Network(), np.float32([3.1e-39, -7e-39, 1.1e-38])
        if where == "input":
            x = c.at(small)
        elif where == "constant":
            x = c.node("mul", [c.at([1.0, 1.0, 1.0]), c.number(small)], [3])
        elif where == "weights":
            x = c.node("dot_general", [c.at([1.0] * 3), c.number(small)], [], **VECTOR)
        elif where == "dot":
            tiny = c.number(small * np.float32(2.0**60))
            x = c.node("dot_general", [c.at([2.0**-60] * 3), tiny], [], **VECTOR)
        elif where == "sum":
            x = c.node("reduce_sum", [c.at(small * 1.01)], [], axes=[0])
        elif where == "power":
            x = c.node("integer_pow", [c.at([1.1e-13, 1e-13, -2e-13])], [3], y=3)
        else:
            x = c.node(
                "mul", [c.at(small * np.float32(2.0**60)), c.number(2.0**-60)], [3]
            )
        shape = [] if where in ("weights", "dot", "sum") else [3]
        y = c.node("mul", [x, c.number(2.0**100)], shape)
        return c.ends(y, 1 if shape == [] else 3)

    return build


def elementwise(op, *operands, magnified=True):
    """The rounding of one operation on uncertain operands, seen through 2**20."""

    def build():
        c, n = Network(), len(operands[0])
        xs = [absorbed(c, c.at(x), [n]) for x in operands]
        y = c.node(op, xs, [n], **({"y": 3} if op == "integer_pow" else {}))
        scale = 2.0**20 if magnified else 1.0
        return c.ends(c.node("mul", [y, c.number(scale)], [n]), n)

    return build


def extremes():
    c = Network()
    x = absorbed(c, c.at(RNG.random(6)), [6])
    y = c.at(RNG.random(6))
    big = c.node("max", [x, y], [6])
    small = c.node("min", [x, c.number(0.5)], [6])
    most = c.node("reduce_max", [x], [], axes=[0])
    least = c.node("reduce_min", [x], [], axes=[0])
    pairs = {"window_dimensions": [2], "window_strides": [2], "padding": [[0, 0]]}
    pairs |= {"base_dilation": [1], "window_dilation": [1]}
    pooled = c.node("reduce_window_max", [x], [3], **pairs)
    parts = [c.node("reshape", [v], [1], new_sizes=[1]) for v in (most, least)]
    y = c.node("concatenate", [big, small, *parts, pooled], [17], dimension=0)
    return c.ends(y, 17)


def moves():
    c = Network()
    x = absorbed(c, c.at(RNG.random((2, 3))), [2, 3])
    x = c.node("transpose", [x], [3, 2], permutation=[1, 0])
    index = c.constant(np.array([5, -1, 0, 2, 2], np.int32))
    x = c.node("take", [x, index], [5], fill=[0, 0])
    which = c.constant(np.array([True, False, True, True, False]))
    x = c.node("select_n", [which, x, c.node("neg", [x], [5])], [5])
    x = c.node("rev", [x], [5], dimensions=[0])
    return c.ends(c.node("abs", [x], [5]), 5)


def narrow(dtype):
    """A product of arrays in a narrow format, and casts on both sides of it."""

    def build():
        c, n = Network(), 12
        x = c.at(RNG.random(n))
        w = c.node(
            "convert_element_type", [c.number(RNG.random(n))], [n], new_dtype=dtype
        )
        x = c.node("convert_element_type", [x], [n], new_dtype=dtype)
        y = c.node("dot_general", [x, w], [], **VECTOR)
        z = c.node("reduce_sum", [x], [], axes=[0])
        y = c.node("mul", [y, z], [])
        y = c.node("convert_element_type", [y], [], new_dtype="float32")
        return c.ends(c.node("mul", [y, c.number(3.0)], []), 1)

    return build


def computed_weights():
    """A known operand that was rounded, under a box."""
    c = Network()
    w = c.node("div", [c.number(RNG.random(8)), c.number(3.0)], [8])
    w = absorbed(c, w, [8])
    x = c.at(RNG.random(8), 0.125)
    return c.ends(c.node("dot_general", [x, w], [], **VECTOR), 1)


def network():
    c = Network()
    x, shape = c.at(RNG.random(4) * 8, 2.0**-10), [4]
    for op in ("max", "tanh"):
        w = c.number(RNG.standard_normal((4, 4)))
        x = c.node("dot_general", [x, w], shape, **VECTOR)
        x = c.node("add", [x, c.number(RNG.standard_normal(4) * 1e3)], shape)
        x = c.node("max", [x, c.number(0.0)], shape) if op == "max" else x
    return c.ends(
        c.node("tanh", [c.node("div", [x, c.number(999.0)], shape)], shape), 4
    )


NEAR = [0.5001, 0.75, 1.3, 2.2]
GRAPHS = {
    "dot": sums("dot_general"),
    "products": sums("products"),
    "sum": sums("reduce_sum", axes=[0]),
    "cumsum": sums("cumsum", axis=0, reverse=False),
    "convolution": convolution,
    "absorbing": absorbing,
    **{
        f"underflow in {w}": underflow(w)
        for w in "input constant weights dot sum power product".split()
    },
    **{op: elementwise(op, NEAR) for op in (*FUNCTIONS, "square", "integer_pow")},
    "mul": elementwise("mul", NEAR, [3.3, -1.7, 0.9, 1e-3]),
    "div": elementwise("div", [1e-3, 1.7, -2.9, 3.3], NEAR),
    "extremes": extremes,
    "moves": moves,
    "bfloat16": narrow("bfloat16"),
    "float16": narrow("float16"),
    "computed weights": computed_weights,
    "network": network,
}


def runs_stay_above(name, draws=40):
    """Every drawn run stays within what the checker derived for each output, from below
    and from above; the largest share of the slack that a run used."""
    c, rng = GRAPHS[name](), np.random.default_rng(7)
    unit = np.eye(c.size, dtype=int)
    rows, margins, worst = [*unit, *-unit], [], Fraction(0)
    for row in rows:
        blob = c.claiming(row)
        report = check(blob)
        assert report.accepted, report.reason
        margins.append(exact(report.margin) - Fraction(FAR))
    claim = Claim(blob)
    run = Execution(claim, c.model, rng)
    for point in claim.points(draws, rng):
        point = {v: _floats(claim, v, x) for v, x in point.items()}
        y, real = run.outputs(point), claim_outputs(claim, point)
        for row, margin in zip(rows, margins, strict=True):
            assert row @ y >= margin
            if real is not None and row @ real > margin:
                worst = max(worst, (row @ real - row @ y) / (row @ real - margin))
    return worst


def _floats(claim, value, x):
    entry = next(i for i in claim.manifest["graph"]["inputs"] if i["value"] == value)
    flat = [nearest(v, entry["dtype"]) for v in np.ravel(x)]
    return np.array([*flat, None], object)[:-1].reshape(np.shape(x))


def claim_outputs(claim, point):
    try:
        return claim.outputs(point)
    except KeyError:
        return None  # a function that has no fractions


@pytest.mark.parametrize("name", GRAPHS)
def test_every_run_is_above_the_margin(name):
    runs_stay_above(name)


@pytest.mark.parametrize("name", ["dot", "sum", "absorbing", "underflow in product"])
def test_runs_come_near_to_the_margin(name):
    """Else the suite could not tell a forgotten term."""
    assert runs_stay_above(name) > 0.3


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_oracle_rounds_as_numpy_does(dtype):
    bits = RNG.integers(0, 2**63, 300).astype(np.uint64)
    wide = bits.view(np.float64)
    wide = wide[np.isfinite(wide) & (abs(wide) < np.finfo(dtype).max / 2)]
    wide = np.concatenate([wide, RNG.standard_normal(200) * 2.0**-14, [0.0, 2.0**-149]])
    for v in wide:
        with np.errstate(over="ignore", under="ignore"):
            expected = Fraction(float(np.asarray(v).astype(dtype)))
        assert nearest(Fraction(float(v)), dtype) == expected
    assert set(FORMATS) > {dtype}
