"""Cases of `_arithmetic` and `_activations`."""

import numpy as np

from tests.onnx.cases import case, f32, ints, positive, real, ulps, whole

NON_NUMBERS = f32(0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -1.5)
HALVES = f32(0.5, 1.5, 2.5, -0.5, -1.5, 3.7, -3.7)
TRUE = np.array([[True], [False], [True]])
FALSE = np.array([True, False, False, True])

# one correctly rounded operation, or none: equal to the last bit
EXACT = [
    *(case(op, real(2, 3), real(2, 3)) for op in ("Add", "Sub", "Mul", "Div")),
    *(case(op, real(4, 1, 3), real(2, 1)) for op in ("Add", "Sub", "Mul")),
    *(case(op, NON_NUMBERS, real(7)) for op in ("Add", "Sub", "Mul", "Div")),
    *(case(op, whole(5), whole(5)) for op in ("Add", "Sub", "Mul")),
    case("Div", f32(1, 2, 3), real(3), fixed=(0,)),
    case("Div", whole(8), ints(2, -2, 3, -3, 5, -5, 7, 1)),
    case(
        "Div", ints(7, -7, 7, -7).astype(np.int32), ints(2, 2, -2, -2).astype(np.int32)
    ),
    *(case(op, real(2, 3)) for op in ("Neg", "Abs", "Relu")),
    *(case(op, HALVES) for op in ("Floor", "Ceil")),
    case("Round", HALVES, opsets=(11, 26)),
    case("Sign", f32(-2, -0.0, 0, 3), opsets=(9, 26)),
    case("Sign", ints(-2, 0, 3), opsets=(9, 26)),
    case("Neg", whole(4), opsets=(7, 26)),
    case("Abs", whole(4), opsets=(7, 26)),
    case("Relu", whole(4, dtype=np.int32), opsets=(14, 26)),
    case("Sqrt", positive(5)),
    case("Reciprocal", positive(5)),
    case("IsNaN", NON_NUMBERS, opsets=(9, 26)),
    case("IsInf", NON_NUMBERS, opsets=(10, 26)),
    case("IsInf", NON_NUMBERS, detect_negative=0, opsets=(10, 26)),
    case("IsInf", NON_NUMBERS, detect_positive=0, opsets=(10, 26)),
    *(
        case(op, real(2, 3), real(3), real(2, 1), opsets=(8, 26))
        for op in ("Min", "Max")
    ),
    *(case(op, real(2, 3), opsets=(8, 26)) for op in ("Min", "Max", "Sum", "Mean")),
    *(case(op, whole(4), whole(4), opsets=(12, 26)) for op in ("Min", "Max")),
    case("Sum", real(2, 3), real(3), opsets=(8, 26)),
    case("Mean", real(2, 3), real(3), opsets=(8, 26)),
    *(case(op, whole(3, 3), whole(3), opsets=(9, 26)) for op in ("Greater", "Less")),
    *(case(op, whole(3, 3), whole(3)) for op in ("Equal",)),
    *(case(op, NON_NUMBERS, f32(0.0)) for op in ("Greater", "Less")),
    case("Equal", f32(0.0, 1.0, np.nan), f32(-0.0, 1.0, np.nan), opsets=(11, 26)),
    case("Equal", TRUE, FALSE),
    case("GreaterOrEqual", whole(9), whole(9), opsets=(12, 26)),
    case("LessOrEqual", real(9), f32(0.0), opsets=(12, 26)),
    *(case(op, TRUE, FALSE) for op in ("And", "Or", "Xor")),
    case("Not", FALSE),
    case("Where", TRUE, real(3, 2), f32(7.0), opsets=(9, 26)),
    case("Where", FALSE, whole(4), whole(1), opsets=(9, 26)),
    case("Pow", real(5), f32(2.0)),
    case("Pow", f32(2, 3), ints(3), opsets=(12, 26)),
    case("Pow", whole(4), ints(2), opsets=(12, 26)),
    case("Mod", whole(8), ints(4, -4, 5, -5, 3, -3, 7, -7), opsets=(10, 26)),
    case("Mod", whole(8), ints(4, -4, 5, -5, 3, -3, 7, -7), fmod=1, opsets=(10, 26)),
    case("Mod", real(8), real(8), fmod=1, opsets=(10, 26)),
    case("Clip", real(9), min=-0.5, max=1.0, opsets=(7, 10)),
    case("Clip", real(9), max=1.0, opsets=(7, 10)),
    case(
        "Clip",
        real(9),
        np.array(-0.5, np.float32),
        np.array(1, np.float32),
        opsets=(11, 26),
    ),
    case(
        "Clip",
        real(9),
        np.array(-0.5, np.float32),
        np.array(1, np.float32),
        fixed=(1, 2),
        opsets=(11, 26),
    ),
    case("Clip", real(9), None, np.array(1, np.float32), fixed=(2,), opsets=(11, 26)),
    case(
        "Clip",
        real(9),
        np.array(1, np.float32),
        np.array(-1, np.float32),
        fixed=(1, 2),
        opsets=(11, 26),
    ),
    case("Clip", whole(9), np.array(-2), np.array(3), fixed=(1, 2), opsets=(12, 26)),
    case("LeakyRelu", real(9)),
    case("LeakyRelu", real(9), alpha=0.3),
    case("LeakyRelu", real(9), alpha=1.7),
    case("LeakyRelu", real(9), alpha=-0.5),
    case("PRelu", real(2, 3, 2), real(3, 1)),
    case("PRelu", real(2, 3, 2), real(1), fixed=(1,)),
    case("PRelu", real(2, 3), real(2, 3)),
    case("ThresholdedRelu", real(9), opsets=(10, 26)),
    case("ThresholdedRelu", real(9), alpha=0.25, opsets=(10, 26)),
]

_TO = {"float": 1, "uint8": 2, "int32": 6, "int64": 7, "bool": 9, "half": 10}
CASTS = [
    *(case("Cast", f32(0, -1.7, 2.5, 100.9), to=_TO[t]) for t in ("int32",)),
    *(case("Cast", f32(0, -1.7, 2.5), to=_TO[t]) for t in ("bool", "half", "float")),
    case("Cast", whole(4), to=_TO["float"]),
    case("Cast", whole(4), to=_TO["bool"]),
    case("Cast", FALSE, to=_TO["int64"]),
    case("Cast", FALSE, to=_TO["float"]),
    case("Cast", whole(4, low=0), to=_TO["uint8"]),
    case("CastLike", f32(1.5, -2.5), ints(1), opsets=(15, 26)),
]

SMOOTH = [
    # XLA multiplies by the reciprocal of what it has to repeat
    case("Div", real(4, 1, 3), real(2, 1), tolerance=ulps(2)),
    case("Erf", real(20), tolerance=ulps(8), opsets=(9, 26)),
    case("Exp", real(20), tolerance=ulps(8)),
    case("Log", positive(20), tolerance=ulps(8)),
    case("Sin", real(20, scale=9.0), tolerance=ulps(8)),
    case("Cos", real(20, scale=9.0), tolerance=ulps(8)),
    case("Tan", real(20, scale=1.2), tolerance=ulps(8)),
    case("Asin", real(20, scale=1.0), tolerance=ulps(8)),
    case("Acos", real(20, scale=1.0), tolerance=ulps(8)),
    case("Atan", real(20), tolerance=ulps(8)),
    # XLA's sinh and cosh are off by up to 24.6
    case("Sinh", real(20), tolerance=ulps(28), opsets=(9, 26)),
    case("Cosh", real(20), tolerance=ulps(28), opsets=(9, 26)),
    case("Asinh", real(20), tolerance=ulps(8), opsets=(9, 26)),
    case("Acosh", positive(20, low=1.1, high=9), tolerance=ulps(8), opsets=(9, 26)),
    case("Atanh", real(20, scale=0.9), tolerance=ulps(8), opsets=(9, 26)),
    case("Sigmoid", real(20, scale=9.0), tolerance=ulps(8)),
    case("Tanh", real(20, scale=9.0), tolerance=ulps(8)),
    case("Pow", positive(9), real(9), tolerance=ulps(16)),
    case("Pow", positive(9), f32(0.5), fixed=(1,), tolerance=ulps(2)),
    case("Pow", positive(9), f32(-0.75), fixed=(1,), tolerance=ulps(16)),
    case("Pow", real(9), f32(3.0), fixed=(1,), tolerance=ulps(4)),
    case("Pow", real(9), f32(-2.0), fixed=(1,), tolerance=ulps(8)),
    case("Pow", real(3), f32(3.0).reshape(1, 1), fixed=(1,), tolerance=ulps(4)),
    case("Elu", real(20), tolerance=ulps(12)),
    case("Elu", real(20), alpha=0.7, tolerance=ulps(12)),
    case("Selu", real(20), tolerance=ulps(16)),
    case("Selu", real(20), alpha=1.5, gamma=2.0, tolerance=ulps(16)),
    case("Celu", real(20), opsets=(12, 26), tolerance=ulps(12)),
    case("Celu", real(20), alpha=1.8, opsets=(12, 26), tolerance=ulps(12)),
    case("Softplus", real(20), tolerance=ulps(12)),
    case("Softsign", real(20), tolerance=ulps(4)),
    case("HardSigmoid", real(20, scale=5.0), tolerance=ulps(4)),
    case("HardSigmoid", real(20), alpha=0.4, beta=0.1, tolerance=ulps(4)),
    case("HardSwish", real(20, scale=5.0), tolerance=ulps(6), opsets=(14, 26)),
    case("Mish", real(20), tolerance=ulps(16), opsets=(18, 26)),
    case("Swish", real(20), tolerance=ulps(16), opsets=(24, 26)),
    case("Swish", real(20), alpha=1.7, tolerance=ulps(16), opsets=(24, 26)),
    case("Gelu", real(20), tolerance=ulps(16), opsets=(20, 26)),
    case("Gelu", real(20), approximate="tanh", tolerance=ulps(16), opsets=(20, 26)),
    # a softmax of n terms sums n exponentials and divides: n + 2 roundings and exp's
    *(
        case(op, real(2, 3, 4), tolerance=ulps(40), opsets=opsets, **axis)
        for op in ("Softmax", "LogSoftmax")
        for opsets in ((7, 12), (13, 26))
        for axis in ({}, {"axis": 0}, {"axis": 2})
    ),
    case("Softmax", real(2, 3, 4), axis=-2, tolerance=ulps(40), opsets=(13, 26)),
    case("Softmax", real(2, 3, 4), axis=-2, tolerance=ulps(40), opsets=(11, 12)),
]

CASES = EXACT + CASTS + SMOOTH
