"""Cases of `_layout`, `_index`, `_constants` and `_resize`: results are exact."""

import numpy as np

from tests.onnx.cases import case, f32, ints, real, whole

LARGE = 2**62

MOVES = [
    case("Identity", real(2, 3)),
    case("Reshape", real(2, 3, 4), ints(4, -1), fixed=(1,)),
    case("Reshape", real(2, 3, 4), ints(0, 0, 2, 2), fixed=(1,)),
    case("Reshape", real(0, 3), ints(3, 0), fixed=(1,), allowzero=1, opsets=(14, 26)),
    case("Reshape", whole(2, 3), ints(-1), fixed=(1,)),
    *(case("Flatten", real(2, 3, 4), **a) for a in ({}, {"axis": 0}, {"axis": 3})),
    case("Flatten", real(2, 3, 4), axis=-1, opsets=(11, 26)),
    case("Flatten", real(2, 3, 4), axis=2),
    case("Transpose", real(2, 3, 4)),
    case("Transpose", real(2, 3, 4), perm=[1, 2, 0]),
    case("Squeeze", real(1, 3, 1), axes=[0], opsets=(7, 12)),
    case("Squeeze", real(1, 3, 1), axes=[-1], opsets=(11, 12)),
    case("Squeeze", real(1, 3, 1), ints(-1), fixed=(1,), opsets=(13, 26)),
    case("Squeeze", real(1, 3, 1)),
    case("Unsqueeze", real(3, 2), axes=[0, 3], opsets=(7, 12)),
    case("Unsqueeze", real(3, 2), ints(3, -4), fixed=(1,), opsets=(13, 26)),
    case("Concat", real(2, 3), real(2, 1), axis=1),
    case("Concat", real(2, 3), real(1, 3), axis=-2, opsets=(11, 26)),
    case("Concat", whole(2), whole(3), axis=0),
    case("Split", real(6, 2), outputs=3, opsets=(7, 17)),
    case("Split", real(2, 6), axis=1, split=[1, 2, 3], outputs=3, opsets=(7, 12)),
    case(
        "Split", real(2, 6), ints(1, 5), axis=-1, fixed=(1,), outputs=2, opsets=(13, 26)
    ),
    case("Split", real(7, 2), num_outputs=3, outputs=3, opsets=(18, 26)),
    case("Slice", real(5, 6), starts=[1, -3], ends=[4, LARGE], opsets=(7, 9)),
    case("Slice", real(5, 6), starts=[2], ends=[-1], axes=[1], opsets=(7, 9)),
    case(
        "Slice",
        real(5, 6),
        ints(1),
        ints(4),
        ints(-1),
        fixed=(1, 2, 3),
        opsets=(11, 26),
    ),
    case("Expand", real(3, 1), ints(2, 1, 4), fixed=(1,), opsets=(8, 26)),
    case("Expand", real(2, 3), ints(1), fixed=(1,), opsets=(8, 26)),
    case("Tile", real(2, 3), ints(2, 3), fixed=(1,)),
    case("Tile", real(2, 3), ints(1, 0), fixed=(1,)),
    case("DepthToSpace", real(2, 8, 2, 3), blocksize=2, opsets=(7, 26)),
    case("DepthToSpace", real(2, 8, 2, 3), blocksize=2, mode="CRD", opsets=(11, 26)),
    case("SpaceToDepth", real(2, 2, 4, 6), blocksize=2),
    case("Trilu", real(2, 3, 4), opsets=(14, 26)),
    case("Trilu", real(3, 4), np.array(-1), upper=0, fixed=(1,), opsets=(14, 26)),
    case("Trilu", real(3, 4), np.array(1), fixed=(1,), opsets=(14, 26)),
]


def _slices(*triples):
    starts, ends, steps = (ints(*c) for c in zip(*triples, strict=True))
    axes = ints(*range(len(triples)))
    return case(
        "Slice",
        real(5, 6),
        starts,
        ends,
        axes,
        steps,
        fixed=(1, 2, 3, 4),
        opsets=(10, 26),
    )


SLICES = [
    _slices((0, 5, 2)),
    _slices((-1, -LARGE, -1)),
    _slices((4, 0, -2), (1, 5, 3)),
    _slices((LARGE, -LARGE, -3), (-2, LARGE, 1)),
    _slices((3, 1, 1)),
    _slices((1, 3, -1)),
    _slices((-4, -1, 2), (-1, -5, -2)),
]

PADS = [
    case("Pad", real(2, 3), pads=[1, 0, 0, 2], opsets=(7, 10)),
    case("Pad", real(2, 3), pads=[1, 0, 0, 2], value=1.5, opsets=(7, 10)),
    case("Pad", real(3, 4), pads=[1, 2, 0, 2], mode="reflect", opsets=(7, 10)),
    *(
        case("Pad", real(4, 4), ints(1, 2, 0, 3), fixed=(1,), mode=mode, opsets=opsets)
        for mode, opsets in (
            ("constant", (11, 26)),
            ("reflect", (11, 26)),
            ("edge", (11, 26)),
            ("wrap", (19, 26)),
        )
    ),
    case("Pad", real(4, 4), ints(-1, 2, 1, -2), fixed=(1,), opsets=(11, 26)),
    case(
        "Pad",
        real(2, 3),
        ints(1, 1, 0, 0),
        np.array(2.5, np.float32),
        fixed=(1, 2),
        opsets=(11, 26),
    ),
    case("Pad", real(2, 3), ints(1, 2), None, ints(-1), fixed=(1, 3), opsets=(18, 26)),
]

POINTS = ints([0, 1], [1, -1], [0, 1])
INDEXING = [
    *(
        case("Gather", real(3, 4), ints([2, 0], [1, 1]), axis=a, fixed=(1,))
        for a in (0, 1)
    ),
    case("Gather", real(3, 4), np.array(-1), axis=-1, fixed=(1,), opsets=(11, 26)),
    case("Gather", real(3, 4), ints(2).reshape(1, 1), fixed=(1,)),
    case("Gather", real(3, 4), ints(2, 0), axis=1),
    case("Gather", whole(5), ints(-5, 4), fixed=(1,), opsets=(11, 26)),
    *(
        case(
            "GatherElements",
            real(3, 3),
            whole(2, 3, low=-3, high=3),
            axis=a,
            fixed=fixed,
            opsets=(11, 26),
        )
        for a in (0, -2)
        for fixed in ((), (1,))
    ),
    case(
        "GatherElements",
        real(2, 4),
        whole(2, 3, low=0, high=4),
        axis=1,
        opsets=(11, 26),
    ),
    *(
        case("GatherND", real(2, 3, 2), POINTS, fixed=f, opsets=(11, 26))
        for f in ((), (1,))
    ),
    case("GatherND", real(2, 3, 4), ints([1], [2]), batch_dims=1, opsets=(12, 26)),
    case(
        "GatherND",
        real(2, 3),
        ints([[1]], [[0]]),
        batch_dims=1,
        fixed=(1,),
        opsets=(12, 26),
    ),
    *(
        case("ScatterND", real(2, 3), POINTS[:2], real(2), fixed=f, opsets=(11, 26))
        for f in ((), (1,))
    ),
    case(
        "ScatterND", real(3, 2), ints([2], [0]), real(2, 2), fixed=(1,), opsets=(11, 26)
    ),
    *(
        case(
            "ScatterND",
            whole(2, 3),
            POINTS,
            whole(3),
            reduction=r,
            fixed=(1,),
            opsets=(16, 26),
        )
        for r in ("add", "mul")
    ),
    *(
        case("ScatterND", whole(2, 3), POINTS, whole(3), reduction=r, opsets=(18, 26))
        for r in ("max", "min")
    ),
    *(
        case(
            "ScatterElements",
            real(3, 3),
            ints([1, 0, 2], [0, -1, 1]),
            real(2, 3),
            axis=a,
            fixed=f,
            opsets=(11, 26),
        )
        for a in (0, -1)
        for f in ((), (1,))
    ),
    case(
        "ScatterElements",
        whole(3, 3),
        ints([1, 0, 1], [1, 2, 1]),
        whole(2, 3),
        reduction="add",
        opsets=(16, 26),
    ),
    case("OneHot", ints(0, 2, -1), np.array(3), f32(-1, 5), fixed=(1,), opsets=(9, 26)),
    case(
        "OneHot",
        ints([0, 2], [1, 9]),
        ints(3),
        f32(0, 1),
        axis=1,
        fixed=(1,),
        opsets=(9, 26),
    ),
    case("TopK", real(3, 5), ints(2), fixed=(1,), outputs=2, opsets=(10, 26)),
    case(
        "TopK",
        real(3, 5),
        ints(2),
        axis=0,
        largest=0,
        fixed=(1,),
        outputs=2,
        opsets=(11, 26),
    ),
]

MADE = [
    case("Shape", real(2, 3, 4)),
    case("Shape", real(2, 3, 4), start=1, opsets=(15, 26)),
    case("Shape", real(2, 3, 4), start=-3, end=-1, opsets=(15, 26)),
    case("Size", real(2, 3, 4)),
    case("ConstantOfShape", ints(2, 3), fixed=(0,), opsets=(9, 26)),
    case(
        "Range",
        np.array(3),
        np.array(10),
        np.array(3),
        fixed=(0, 1, 2),
        opsets=(11, 26),
    ),
    case(
        "Range",
        np.array(3),
        np.array(-4),
        np.array(-2),
        fixed=(0, 1, 2),
        opsets=(11, 26),
    ),
    case(
        "Range",
        np.array(0.5, np.float32),
        np.array(2, np.float32),
        np.array(0.25, np.float32),
        fixed=(0, 1, 2),
        opsets=(11, 26),
    ),
    case("EyeLike", real(3, 4), k=-1, opsets=(9, 26)),
    case("EyeLike", real(3, 4), dtype=6, opsets=(9, 26)),
    case("Dropout", real(2, 3)),
    case("Dropout", real(2, 3), outputs=2, opsets=(12, 26)),
    case("Dropout", real(2, 3), np.array(0.3, np.float32), fixed=(1,), opsets=(12, 26)),
]

PLACES = "half_pixel pytorch_half_pixel align_corners asymmetric".split()
ROUNDINGS = "round_prefer_floor round_prefer_ceil floor ceil".split()
EMPTY = np.zeros(0, np.float32)


def _resized(
    *, scales=None, sizes=None, opsets=(11, 26), shape=(1, 2, 4, 5), **attributes
):
    scales = EMPTY if scales is None else f32(*scales)
    rest = [scales] if sizes is None else [scales, ints(*sizes)]
    return case(
        "Resize",
        real(*shape),
        EMPTY,
        *rest,
        fixed=tuple(range(1, 2 + len(rest))),
        opsets=opsets,
        mode="nearest",
        **attributes,
    )


RESIZED = [
    *(
        _resized(
            scales=[1, 1, 1.6, 0.7], coordinate_transformation_mode=p, nearest_mode=r
        )
        for p in PLACES
        for r in ROUNDINGS
    ),
    *(
        _resized(
            sizes=[1, 2, 7, 1], coordinate_transformation_mode=p, nearest_mode="floor"
        )
        for p in PLACES
    ),
    _resized(scales=[1, 1, 2, 2]),
    _resized(scales=[1.6, 0.7], axes=[2, 3], opsets=(18, 26)),
    _resized(
        scales=[1, 1, 1.6, 0.7],
        opsets=(19, 26),
        coordinate_transformation_mode="half_pixel_symmetric",
    ),
    _resized(
        sizes=[6, 9],
        axes=[2, 3],
        keep_aspect_ratio_policy="not_larger",
        opsets=(18, 26),
    ),
    _resized(
        sizes=[6, 9],
        axes=[2, 3],
        keep_aspect_ratio_policy="not_smaller",
        opsets=(18, 26),
    ),
    case("Resize", real(1, 1, 3, 3), f32(1, 1, 2, 1.5), fixed=(1,), opsets=(10, 10)),
    case("Upsample", real(1, 1, 2, 3), scales=[1.0, 1.0, 2.0, 3.0], opsets=(7, 8)),
    case("Upsample", real(1, 1, 2, 3), f32(1, 1, 2, 2.5), fixed=(1,), opsets=(9, 9)),
]

CASES = MOVES + SLICES + PADS + INDEXING + MADE + RESIZED
