"""Resize and Upsample to the nearest element: a choice of indices along each axis."""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import (
    UnsupportedError,
    define,
    known_ints,
)

_ROUND = {
    "round_prefer_floor": lambda x: np.ceil(x - np.float32(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}
_KEEP = {"not_larger": min, "not_smaller": max}


@define("Upsample", "1 7 9", static=[1])
def _upsample(node, x, scales=None):
    if node.text("mode", "nearest") != "nearest":
        raise UnsupportedError(f"mode={node.text('mode')!r}")
    if node.version < 7:
        scales = [1, 1, node.number("height_scale"), node.number("width_scale")]
    elif scales is None:
        scales = node.attribute("scales", None, list)
    if scales is None or None in list(scales) or len(scales) != x.ndim:
        raise FileFormatError("a scale for each axis is needed")
    scales = [np.float32(s) for s in scales]
    sizes = node.room([_scaled(n, s) for n, s in zip(x.shape, scales, strict=True)])
    for axis, (size, scale) in enumerate(zip(sizes, scales, strict=True)):
        at = np.arange(size, dtype=np.float32) / scale
        x = _taken(x, axis, np.floor(at))
    return x


@define("Resize", "10 11 13 18 19", static=[1, 2, 3])
def _resize(node, x, *inputs):
    node.ignore("cubic_coeff_a", "exclude_outside", "extrapolation_value", "antialias")
    mode = node.text("mode", "nearest")
    if mode != "nearest":
        raise UnsupportedError(f"mode={mode!r}")
    if node.version < 11:
        scales, sizes = inputs[0], None
        place, rounding = "asymmetric", "floor"
    else:
        _, scales, sizes = (*inputs, None, None, None)[:3]
        place = node.text("coordinate_transformation_mode", "half_pixel")
        rounding = node.text("nearest_mode", "round_prefer_floor")
    if place not in _PLACES or rounding not in _ROUND:
        raise UnsupportedError(f"{place}, {rounding}")
    axes = node.integers("axes")
    axes = range(x.ndim) if axes is None else node.axes(axes, x.ndim)
    wanted = _wanted(node, x.shape, axes, scales, sizes)
    shape = list(x.shape)
    for axis, (size, _) in wanted.items():
        shape[axis] = size
    node.room(shape)
    for axis, (size, scale) in wanted.items():
        if (size, scale) == (x.shape[axis], 1):
            continue
        at = _PLACES[place](
            np.arange(size, dtype=np.float32), np.float32(scale), x.shape[axis], size
        )
        x = _taken(x, axis, _ROUND[rounding](at))
    return x


def _wanted(node, shape, axes, scales, sizes):
    """{axis: (new size, scale)} from either of the two inputs."""
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    given = [a for a in (scales, sizes) if a is not None and a.size]
    if len(given) != 1 or given[0].size != len(axes):
        raise FileFormatError("one scale or one size for each axis is needed")
    if scales is not None and scales.size:
        scales = [np.float32(s) for s in scales]
        return {a: (_scaled(shape[a], s), s) for a, s in zip(axes, scales, strict=True)}
    sizes = known_ints(sizes)
    if policy != "stretch":
        if policy not in _KEEP:
            raise FileFormatError(f"keep_aspect_ratio_policy={policy!r}")
        ratio = _KEEP[policy](
            np.float32(n) / np.float32(shape[a])
            for a, n in zip(axes, sizes, strict=True)
        )
        return {a: (int(np.floor(ratio * shape[a] + 0.5)), ratio) for a in axes}
    return {
        a: (n, np.float32(n) / np.float32(shape[a]))
        for a, n in zip(axes, sizes, strict=True)
    }


def _scaled(size, scale) -> int:
    if not (np.isfinite(scale) and scale > 0):
        raise FileFormatError(f"a scale of {scale}")
    return int(np.floor(np.float32(size) * scale))


def _align_corners(at, scale, size, new_size):
    if new_size == 1:
        return np.zeros_like(at)
    return at * np.float32(size - 1) / np.float32(new_size - 1)


def _symmetric(at, scale, size, new_size):
    adjustment = np.float32(new_size) / (scale * np.float32(size))
    offset = np.float32(size) / 2 * (1 - adjustment)
    return offset + (at + np.float32(0.5)) / scale - np.float32(0.5)


def _pytorch(at, scale, size, new_size):
    if new_size == 1:
        return np.zeros_like(at)
    return (at + np.float32(0.5)) / scale - np.float32(0.5)


_PLACES = {
    "half_pixel": lambda at, s, n, m: (at + np.float32(0.5)) / s - np.float32(0.5),
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": _pytorch,
    "align_corners": _align_corners,
    "asymmetric": lambda at, s, n, m: at / s,
    "tf_half_pixel_for_nn": lambda at, s, n, m: (at + np.float32(0.5)) / s,
}


def _taken(x, axis, at):
    index = np.clip(at, 0, x.shape[axis] - 1).astype(np.int64)
    if index.tolist() == list(range(x.shape[axis])):
        return x
    return jnp.take(x, index, axis=axis, mode="clip")
