"""Cases of `_reduce`, `_contraction`, `_pool` and `_normalise`."""

import itertools

import numpy as np

from tests.onnx.cases import case, ints, normalised, positive, real, sums, ulps, whole

NAMES = "ReduceSum ReduceMean ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceMax \
ReduceMin".split()
# the opset at which the axes became an input
INPUT = {name: 13 if name == "ReduceSum" else 18 for name in NAMES}
LOGS = "ReduceLogSum ReduceLogSumExp".split()
X = real(2, 3, 4)


def _tolerance(name):
    """12 terms at most. A product of 12 numbers up to 2 has 11 roundings."""
    if name in ("ReduceMax", "ReduceMin"):
        return None
    return ulps(64) if name in LOGS else sums(14 if name != "ReduceL2" else 16)


REDUCED = [
    *(
        case(n, X, tolerance=_tolerance(n), opsets=(7, INPUT[n] - 1), **a)
        for n in NAMES
        for a in ({"axes": [0, 2]}, {"axes": [1], "keepdims": 0})
    ),
    *(
        case(
            n,
            X,
            ints(*a),
            tolerance=_tolerance(n),
            opsets=(INPUT[n], 26),
            fixed=(1,),
            **k,
        )
        for n in NAMES
        for a, k in (((0, -1), {}), ((1,), {"keepdims": 0}))
    ),
    *(
        case(n, X, axes=[-2], tolerance=_tolerance(n), opsets=(11, INPUT[n] - 1))
        for n in NAMES
    ),
    *(
        case(n, X, keepdims=0, tolerance=_tolerance(n))
        for n in ("ReduceSum", "ReduceMax")
    ),
    case("ReduceSum", X, noop_with_empty_axes=1, opsets=(13, 26)),
    case("ReduceMax", X, noop_with_empty_axes=1, opsets=(18, 26)),
    *(
        case(n, whole(2, 3), keepdims=0)
        for n in ("ReduceSum", "ReduceMax", "ReduceMin")
    ),
    case("ReduceMean", whole(2, 3, dtype=np.int32), axes=[1], opsets=(7, 17)),
    case("ReduceProd", whole(2, 3, dtype=np.int32), axes=[1], opsets=(7, 17)),
    case(
        "ReduceMax",
        np.array([[True, False], [False, False]]),
        ints(1),
        fixed=(1,),
        opsets=(20, 26),
    ),
    *(
        case(n, positive(2, 3), axes=[1], tolerance=_tolerance(n), opsets=(7, 17))
        for n in LOGS
    ),
    *(
        case(
            n,
            positive(2, 3),
            ints(0),
            fixed=(1,),
            tolerance=_tolerance(n),
            opsets=(18, 26),
        )
        for n in LOGS
    ),
    *(
        case(n, real(3, 4), **a)
        for n in ("ArgMax", "ArgMin")
        for a in ({}, {"axis": 1, "keepdims": 0})
    ),
    *(
        case(
            n,
            np.float32([[1, 5, 5], [0, 0, 0]]),
            axis=-1,
            select_last_index=s,
            opsets=(12, 26),
        )
        for n in ("ArgMax", "ArgMin")
        for s in (0, 1)
    ),
    *(
        case(
            "CumSum",
            real(3, 4),
            np.array(a),
            fixed=(1,),
            exclusive=e,
            reverse=r,
            tolerance=sums(4),
            opsets=(11, 26),
        )
        for a, e, r in itertools.product((0, -1), (0, 1), (0, 1))
    ),
]

PRODUCTS = [
    case("MatMul", real(3, 4), real(4, 2), tolerance=sums(4)),
    case("MatMul", real(4), real(4, 2), tolerance=sums(4)),
    case("MatMul", real(3, 4), real(4), tolerance=sums(4)),
    case("MatMul", real(2, 1, 3, 4), real(5, 4, 2), tolerance=sums(4), fixed=(1,)),
    case("MatMul", whole(2, 3), whole(3, 2), opsets=(9, 26)),
    *(
        case(
            "Gemm",
            real(*((4, 3) if a else (3, 4))),
            real(*((2, 4) if b else (4, 2))),
            real(*c),
            transA=a,
            transB=b,
            alpha=0.7,
            beta=1.3,
            tolerance=sums(8),
            fixed=(1, 2),
        )
        for a, b, c in (((0, 0, (2,))), (1, 0, (3, 1)), (0, 1, (3, 2)), (1, 1, (1,)))
    ),
    case("Gemm", real(3, 4), real(4, 2), real(2), tolerance=sums(6)),
    case("Gemm", real(3, 4), real(4, 2), opsets=(11, 26), tolerance=sums(5)),
    case("Gemm", real(3, 4), real(4, 2), real(2), beta=0.0, tolerance=sums(5)),
    case(
        "Einsum",
        real(2, 3, 4),
        real(4, 5),
        equation="bij, jk -> bik",
        tolerance=sums(4),
        opsets=(12, 26),
    ),
    case(
        "Einsum",
        real(3, 4),
        real(3, 4),
        equation="ij,ij",
        tolerance=sums(12),
        opsets=(12, 26),
    ),
]


def _conv(shape, weights, *bias, **attributes):
    terms = int(np.prod(weights[1:])) + 2
    x, w = real(*shape), real(*weights)
    fixed = tuple(range(1, 2 + len(bias)))
    return case(
        "Conv",
        x,
        w,
        *(real(*b) for b in bias),
        fixed=fixed,
        tolerance=sums(terms),
        **attributes,
    )


def _transposed(shape, weights, *bias, **attributes):
    terms = int(np.prod([weights[0], *weights[2:]])) + 2
    x, w = real(*shape), real(*weights)
    fixed = tuple(range(1, 2 + len(bias)))
    return case(
        "ConvTranspose",
        x,
        w,
        *(real(*b) for b in bias),
        fixed=fixed,
        tolerance=sums(terms),
        **attributes,
    )


CONVOLUTIONS = [
    _conv((2, 3, 6, 5), (4, 3, 3, 2), (4,)),
    _conv((1, 2, 7), (3, 2, 3), (3,), pads=[2, 1], strides=[2]),
    _conv(
        (1, 2, 7, 6), (2, 2, 3, 3), pads=[0, 2, 3, 1], strides=[2, 1], dilations=[1, 2]
    ),
    _conv((1, 4, 5, 5), (6, 2, 2, 3), (6,), group=2, kernel_shape=[2, 3]),
    _conv((1, 4, 5, 5), (8, 1, 3, 3), group=4),
    _conv((1, 1, 4, 4, 3), (2, 1, 2, 2, 2), pads=[1, 0, 0, 0, 1, 1]),
    *(
        _conv((1, 2, 7, 6), (2, 2, 3, 2), strides=[2, 3], auto_pad=auto, **more)
        for auto in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for more in ({}, {"dilations": [1, 1]})
    ),
    _transposed((1, 3, 4, 3), (3, 2, 3, 2), (2,)),
    _transposed((1, 2, 5), (2, 3, 3), strides=[3], pads=[1, 0], output_padding=[2]),
    _transposed(
        (1, 2, 4, 3),
        (2, 3, 3, 2),
        strides=[2, 3],
        pads=[1, 0, 2, 1],
        dilations=[2, 1],
        output_padding=[1, 0],
    ),
    _transposed((1, 4, 3, 3), (4, 2, 2, 2), (4,), group=2, strides=[2, 2]),
    _transposed((1, 2, 3, 3), (2, 1, 3, 3), strides=[2, 2], pads=[2, 2, 2, 2]),
    _transposed((1, 2, 3, 3), (2, 1, 1, 1), pads=[1, 1, 0, 0]),
    _transposed((1, 1, 3, 3), (1, 1, 3, 3), strides=[2, 2], output_shape=[6, 7]),
    *(
        _transposed((1, 1, 4, 3), (1, 1, 3, 2), strides=[2, 2], auto_pad=auto)
        for auto in ("SAME_UPPER", "SAME_LOWER", "VALID")
    ),
]


def _pooled(op, shape, **attributes):
    window = int(np.prod(attributes["kernel_shape"]))
    tolerance = None if op == "MaxPool" else sums(window + 2)
    return case(op, real(*shape), tolerance=tolerance, **attributes)


POOLED = [
    *(
        _pooled(op, (1, 2, 6, 7), kernel_shape=[3, 2])
        for op in ("MaxPool", "AveragePool")
    ),
    *(
        _pooled(
            op, (1, 1, 7, 6), kernel_shape=[3, 3], strides=[2, 3], pads=[1, 0, 0, 2]
        )
        for op in ("MaxPool", "AveragePool")
    ),
    *(
        _pooled(op, (1, 1, 7, 6), kernel_shape=[3, 2], strides=[2, 2], auto_pad=auto)
        for op in ("MaxPool", "AveragePool")
        for auto in ("SAME_UPPER", "SAME_LOWER", "VALID")
    ),
    *(
        _pooled(
            op,
            (1, 1, n),
            kernel_shape=[3],
            strides=[s],
            pads=p,
            ceil_mode=1,
            opsets=(10, 26),
        )
        for op in ("MaxPool", "AveragePool")
        for n, s, p in ((6, 2, [0, 0]), (7, 3, [1, 1]), (5, 4, [1, 0]), (4, 3, [2, 2]))
    ),
    _pooled(
        "MaxPool", (1, 1, 8, 7), kernel_shape=[2, 3], dilations=[3, 2], opsets=(10, 26)
    ),
    _pooled(
        "MaxPool",
        (1, 1, 8),
        kernel_shape=[2],
        dilations=[3],
        strides=[2],
        ceil_mode=1,
        opsets=(10, 26),
    ),
    _pooled("MaxPool", (1, 1, 3, 3, 3), kernel_shape=[2, 2, 2]),
    case(
        "MaxPool",
        whole(1, 1, 5, low=-5, dtype=np.int8),
        kernel_shape=[2],
        pads=[1, 0],
        opsets=(12, 26),
    ),
    *(
        _pooled(
            "AveragePool",
            (1, 1, 5, 4),
            kernel_shape=[3, 3],
            pads=[1, 2, 2, 1],
            count_include_pad=c,
            strides=[2, 1],
        )
        for c in (0, 1)
    ),
    *(
        _pooled(
            "AveragePool",
            (1, 1, n),
            kernel_shape=[3],
            strides=[2],
            pads=p,
            ceil_mode=1,
            count_include_pad=1,
            opsets=(19, 26),
        )
        for n, p in ((6, [0, 0]), (6, [1, 1]), (7, [1, 2]))
    ),
    _pooled("AveragePool", (1, 1, 9), kernel_shape=[3], dilations=[2], opsets=(19, 26)),
    case("GlobalAveragePool", real(2, 3, 2, 4), tolerance=sums(10)),
    case("GlobalMaxPool", real(2, 3, 2, 4)),
]

NORMALISED = [
    case(
        "BatchNormalization",
        real(2, 3, 4),
        positive(3),
        real(3),
        real(3),
        positive(3),
        tolerance=sums(8, minus=[3]),
        fixed=(1, 2, 3, 4),
    ),
    case(
        "BatchNormalization",
        real(2, 3),
        positive(3),
        real(3),
        real(3),
        positive(3),
        tolerance=sums(8, minus=[3]),
        epsilon=0.01,
        momentum=0.5,
        fixed=(1, 2, 3, 4),
    ),
    *(
        case(
            "LayerNormalization",
            real(2, 3, 4),
            real(*s),
            real(*s),
            opsets=(17, 26),
            fixed=(1, 2),
            tolerance=normalised(n, 0.5),
            **a,
        )
        for s, n, a in (
            ((4,), 4, {}),
            ((3, 4), 12, {"axis": 1}),
            ((4,), 4, {"epsilon": 0.1}),
        )
    ),
    case(
        "LayerNormalization",
        real(2, 3, 4),
        real(4),
        opsets=(17, 26),
        fixed=(1,),
        axis=-1,
        tolerance=normalised(4, 0.5),
    ),
    case(
        "RMSNormalization",
        real(2, 3, 4),
        real(4),
        opsets=(23, 26),
        fixed=(1,),
        tolerance=normalised(4, 0.5),
    ),
    case(
        "InstanceNormalization",
        real(2, 3, 4, 2),
        real(3),
        real(3),
        fixed=(1, 2),
        tolerance=normalised(8, 0.5),
    ),
    case(
        "GroupNormalization",
        real(2, 4, 3),
        real(4),
        real(4),
        num_groups=2,
        fixed=(1, 2),
        opsets=(21, 26),
        tolerance=normalised(6, 0.5),
    ),
    *(
        case("LpNormalization", real(3, 4), p=p, axis=a, tolerance=ulps(16))
        for p, a in ((1, 0), (2, -1))
    ),
]

CASES = REDUCED + PRODUCTS + CONVOLUTIONS + POOLED + NORMALISED
