"""Each linear or piecewise operation means what JAX says it means.

The oracle is JAX itself on small integers, which float arithmetic does not round: the
operation's matrix is read off by applying it to unit vectors, and the exact minimum of
a linear function of it over a box is a sum. The checker must report exactly that
number.
"""

# The tables below read as tables: one case, one row.
# ruff: noqa: E501

import itertools
import zlib

import numpy as np
import pytest
from jax import lax

from tests.torchlean_check.builder import Certificate, exact, leaf
from torchlean_check import check

WEIGHTS = np.random.default_rng(7)


def integers(*shape, rng=WEIGHTS):
    return rng.integers(-4, 5, shape).astype(np.float64)


def stream(name):
    """Numbers that depend on the test alone, not on those that ran before it."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def conv_params(strides, padding, lhs, rhs, groups=1, batches=1, spec=None):
    rank = len(strides)
    order = list(range(rank + 2))
    return {
        "window_strides": list(strides),
        "padding": [list(p) for p in padding],
        "lhs_dilation": list(lhs),
        "rhs_dilation": list(rhs),
        "feature_group_count": groups,
        "batch_group_count": batches,
        "dimension_numbers": spec or [order, order, order],
    }


def conv(shape, kernel, **params):
    weights = integers(*kernel)
    kept = dict(params)
    kept["dimension_numbers"] = lax.ConvDimensionNumbers(
        *map(tuple, params["dimension_numbers"])
    )

    def f(x):
        kernel = weights.astype(np.float32)
        return lax.conv_general_dilated(x, kernel, **kept)

    return f"conv{shape}{kernel}", shape, f, "conv_general_dilated", [weights], params


def _tuples(value):
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return value


def window(shape, op, reduce, dims, strides, padding, base, dilation):
    params = {
        "window_dimensions": dims,
        "window_strides": strides,
        "padding": padding,
        "base_dilation": base,
        "window_dilation": dilation,
    }
    kept = {k: _tuples(v) for k, v in params.items()}
    return f"{op}{shape}", shape, lambda x: reduce(x, **kept), op, [], params


def dot(shape, other, contract, batch, swapped=False):
    weights = integers(*other)
    dims = (tuple(map(tuple, contract)), tuple(map(tuple, batch)))

    def f(x):
        pair = (weights.astype(np.float32), x)
        return lax.dot_general(*(pair if swapped else pair[::-1]), dims)

    lists = [[list(a) for a in pair] for pair in (contract, batch)]
    name = f"dot{shape}{other}{'T' if swapped else ''}"
    operands = [weights, "x"] if swapped else ["x", weights]
    return name, shape, f, "dot_general", operands, {"dimension_numbers": lists}


def sum_window(x, **params):
    return lax.reduce_window(x, np.float32(0), lax.add, **params)


def max_window(x, **params):
    return lax.reduce_window(x, np.float32(-np.inf), lax.max, **params)


NHWC = [[0, 3, 1, 2], [3, 2, 0, 1], [0, 3, 1, 2]]
INDEX = np.array([[5, -1, 0], [0, 3, -1]], np.int32)
CHOICE = np.array([[0, 1, 1], [2, 0, 1]], np.int32)
OTHER = integers(2, 3)
COLUMN = integers(1, 4, 1)

LINEAR = [
    dot((3, 4), (4, 5), ((1,), (0,)), ((), ())),
    dot((3, 4), (5, 3), ((0,), (1,)), ((), ()), swapped=False),
    dot((3, 4), (5, 3), ((1,), (0,)), ((), ()), swapped=True),
    dot((2, 3, 4), (3, 4, 2, 5), ((2,), (1,)), ((0, 1), (2, 0))),
    dot((2, 3, 4), (5, 4, 3, 2), ((1,), (2,)), ((3,), (0,)), swapped=True),
    dot((3, 4), (4, 3, 2), ((0, 1), (1, 0)), ((), ())),
    dot((2,), (3,), ((), ()), ((), ())),
    conv((2, 3, 6), (4, 3, 3), **conv_params([1], [(1, 1)], [1], [1])),
    conv((1, 2, 7, 6), (3, 2, 3, 2), **conv_params([2, 1], [(1, 0), (2, 1)], [1, 1], [1, 2])),
    conv((1, 2, 4, 3), (2, 2, 3, 3), **conv_params([1, 2], [(2, -1), (0, 3)], [2, 3], [1, 1])),
    conv((1, 5, 6, 2), (3, 2, 2, 4), **conv_params([1, 1], [(1, 1), (0, 1)], [1, 1], [1, 1], spec=NHWC)),
    conv((2, 4, 5), (6, 2, 3), **conv_params([1], [(1, 1)], [1], [1], groups=2)),
    conv((4, 3, 5), (6, 3, 3), **conv_params([1], [(0, 1)], [1], [1], batches=2)),
    conv((2, 3), (4, 3), **conv_params([], [], [], [])),
    window((3, 5), "reduce_window_sum", sum_window, [2, 3], [1, 2], [[0, 1], [1, 1]], [1, 1], [1, 1]),
    window((3, 4), "reduce_window_sum", sum_window, [2, 2], [1, 1], [[1, -1], [0, 2]], [2, 1], [1, 3]),
    window((3,), "reduce_window_sum", sum_window, [2], [1], [[3, 2]], [1], [1]),
    ("reduce_sum", (2, 3, 4), lambda x: x.sum((0, 2)), "reduce_sum", [], {"axes": [0, 2]}),
    ("reduce_sum0", (2, 3), lambda x: x, "reduce_sum", [], {"axes": []}),
    ("cumsum", (2, 4), lambda x: lax.cumsum(x, 1), "cumsum", [], {"axis": 1, "reverse": False}),
    ("cumsum_back", (4, 2), lambda x: lax.cumsum(x, 0, reverse=True), "cumsum", [], {"axis": 0, "reverse": True}),
    ("transpose", (2, 3, 4), lambda x: x.transpose(2, 0, 1), "transpose", [], {"permutation": [2, 0, 1]}),
    ("reshape", (2, 6), lambda x: x.reshape(3, 4), "reshape", [], {"new_sizes": [3, 4]}),
    ("squeeze", (1, 3, 1, 2), lambda x: x.squeeze((0, 2)), "squeeze", [], {"dimensions": [0, 2]}),
    ("broadcast", (3, 1), lambda x: lax.broadcast_in_dim(x, (2, 3, 4), (1, 2)), "broadcast_in_dim", [], {"broadcast_dimensions": [1, 2]}),
    ("slice", (5, 6), lambda x: x[1:5:2, 0:4:3], "slice", [], {"start_indices": [1, 0], "limit_indices": [5, 4], "strides": [2, 3]}),
    ("rev", (2, 3, 2), lambda x: lax.rev(x, (0, 2)), "rev", [], {"dimensions": [0, 2]}),
    ("concatenate", (2, 3), lambda x: lax.concatenate([x, OTHER, x], 1), "concatenate", ["x", OTHER, "x"], {"dimension": 1}),
    ("pad", (3, 2), lambda x: lax.pad(x, np.float32(7), [(1, -1, 2), (-1, 3, 1)]), "pad", ["x", np.float64(7)], {"padding_config": [[1, -1, 2], [-1, 3, 1]]}),
    ("take", (2, 3), lambda x: np.where(INDEX < 0, 2.5, np.asarray(x).reshape(-1)[INDEX]), "take", ["x", INDEX], {"fill": [5, -1]}),
    ("select_n", (2, 3), lambda x: lax.select_n(CHOICE, x, OTHER.astype(np.float32), -x), "select_n", [CHOICE, "x", OTHER, "-x"], {}),
    ("add", (2, 3), lambda x: x + OTHER, "add", ["x", OTHER], {}),
    ("add_scalar", (2, 3), lambda x: 3 + x, "add", [np.float64(3), "x"], {}),
    ("add_axes", (2, 1, 3), lambda x: x + COLUMN, "add", ["x", COLUMN], {}),
    ("sub", (2, 3), lambda x: OTHER - x, "sub", [OTHER, "x"], {}),
    ("neg", (2, 3), lambda x: -x, "neg", [], {}),
    ("mul", (2, 3), lambda x: OTHER * x, "mul", [OTHER, "x"], {}),
    ("div", (2, 3), lambda x: x / 4, "div", ["x", np.float64(4)], {}),
    ("copy", (2, 3), lambda x: x, "copy", [], {}),
    ("stop_gradient", (2, 3), lambda x: x, "stop_gradient", [], {}),
    ("convert", (2, 3), lambda x: x, "convert_element_type", [], {"new_dtype": "float32"}),
]  # fmt: skip


def build(shape, lo, hi, op, operands, params, result_shape):
    c = Certificate()
    x = c.box(lo, hi)
    values = []
    for operand in operands or ["x"]:
        if isinstance(operand, str):
            values.append(x if operand == "x" else c.node("neg", [x], shape))
        else:
            values.append(c.constant(operand))
    if op == "conv_general_dilated":
        values.insert(0, x)
    c.output(c.node(op, values, result_shape, **params))
    return c


@pytest.mark.parametrize("case", LINEAR, ids=lambda case: case[0])
def test_minimum_over_a_box_is_exact(case):
    name, shape, f, op, operands, params = case
    rng = stream(name)
    if op == "conv_general_dilated":
        operands = operands[:1]
    size = int(np.prod(shape))
    origin = np.asarray(f(np.zeros(shape, np.float32)), np.float64)
    units = np.eye(size, dtype=np.float32).reshape(size, *shape)
    matrix = np.stack([np.asarray(f(u), np.float64).ravel() for u in units], 1)
    matrix -= origin.reshape(-1, 1)
    lo = integers(*shape, rng=rng)
    hi = lo + rng.integers(0, 4, shape)
    for _ in range(5):
        c = build(shape, lo, hi, op, operands, params, origin.shape)
        rows = integers(6, origin.size, rng=rng)
        c.property = c.rows(rows, np.zeros(6))
        forms = rows @ matrix
        corners = np.where(forms > 0, lo.ravel(), hi.ravel())
        least = ((forms * corners).sum(1) + rows @ origin.ravel()).min()
        report = check(c.pack())
        assert exact(report.margin) == least.item()
        assert report.accepted == (least.item() > 0)
        c.proof = [leaf("ibp")]
        assert exact(check(c.pack()).margin) <= least.item()


PIECEWISE = [
    ("max", (2, 2), lambda x: np.maximum(x, 0), "max", ["x", np.float64(0)], {}),
    ("max_constant", (2, 2), lambda x: np.maximum(x, 1.5), "max", [np.float64(1.5), "x"], {}),
    ("min_constant", (4,), lambda x: np.minimum(x, 0.5), "min", ["x", np.float64(0.5)], {}),
    ("max_values", (1,), lambda x: np.maximum(x, -x), "max", ["x", "-x"], {}),
    ("abs", (2, 2), np.abs, "abs", [], {}),
    ("clamp", (4,), lambda x: np.clip(x, -1, 1), "clamp", [np.float64(-1), "x", np.float64(1)], {}),
    ("reduce_max", (2, 2), lambda x: x.max(1), "reduce_max", [], {"axes": [1]}),
    ("reduce_min", (2, 2), lambda x: x.min(0), "reduce_min", [], {"axes": [0]}),
    window((1, 4), "reduce_window_max", max_window, [1, 2], [1, 1], [[0, 0], [1, 0]], [1, 1], [1, 1]),
]  # fmt: skip


@pytest.mark.parametrize("method", ["crown", "crown-ibp", "ibp"])
@pytest.mark.parametrize("case", PIECEWISE, ids=lambda case: case[0])
def test_piecewise_bounds_hold_and_are_exact_at_points(case, method):
    """Of the result and its operand together: a wrong line shows in their difference."""
    name, shape, f, op, operands, params = case
    rng = stream(name)
    entries = int(np.prod(shape))
    for trial in range(60 if entries == 1 else 16):
        lo = integers(*shape, rng=rng)
        hi = lo + (rng.integers(0, 4, shape) if trial else 0)
        grids = [
            np.linspace(a, b, 5) for a, b in zip(lo.ravel(), hi.ravel(), strict=True)
        ]
        points = np.array(list(itertools.product(*grids)), np.float32)
        results = np.stack([np.asarray(f(p.reshape(shape))) for p in points])
        c = build(shape, lo, hi, op, operands, params, results.shape[1:])
        c.proof = [leaf(method)]
        c.output(*c.graph["outputs"], c.graph["inputs"][0]["value"])
        row = integers(1, results[0].size + lo.size, rng=rng)
        c.property = c.rows(row, [0])
        both = np.concatenate([results.reshape(len(points), -1), points], 1)
        least = (both.astype(np.float64) @ row.T).min()
        margin = exact(check(c.pack()).margin)
        assert margin <= least
        if not trial:
            assert margin == least
