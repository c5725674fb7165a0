"""Where the entries of arrays are: row-major positions, windows and their taps."""

import itertools
import math

from torchlean_check._errors import MalformedCertificate


def strides(shape) -> list[int]:
    return [math.prod(shape[k + 1 :]) for k in range(len(shape))]


def offsets(shape, axes) -> list[int]:
    """Flat positions of all indices along `axes`, the other indices being 0."""
    step = strides(shape)
    result = [0]
    for axis in axes:
        result = [p + i * step[axis] for p in result for i in range(shape[axis])]
    return result


def strided(sizes, steps) -> list[int]:
    """sum(i * step) for all multi-indices i below `sizes`, in row-major order."""
    result = [0]
    for size, step in zip(sizes, steps, strict=True):
        result = [p + i * step for p in result for i in range(size)]
    return result


def lines_along(shape, axes) -> list[list[int]]:
    """For each index of the other axes, the flat positions along `axes`."""
    rest = [k for k in range(len(shape)) if k not in axes]
    along = offsets(shape, axes)
    return [[base + p for p in along] for base in offsets(shape, rest)]


def taps(size, window, stride, padding, base_dilation=1, window_dilation=1):
    """For each window along one axis: the pairs (place in window, index) it covers."""
    if min(window, stride, base_dilation, window_dilation) < 1:
        raise MalformedCertificate("windows, strides and dilations must be positive")
    low, high = padding
    numbers = (window, stride, base_dilation, window_dilation, abs(low), abs(high))
    if max(numbers) > 1 << 16:
        raise MalformedCertificate("window parameters beyond 65536")
    reach = (window - 1) * window_dilation + 1
    spread = (size - 1) * base_dilation + 1
    count = (spread + low + high - reach) // stride + 1
    if spread + low + high < reach or count * window > 1 << 22:
        raise MalformedCertificate("a window does not fit, or there are too many")
    result = []
    for start in range(-low, -low + count * stride, stride):
        places = ((k, start + k * window_dilation) for k in range(window))
        result.append(
            [
                (k, p // base_dilation)
                for k, p in places
                if 0 <= p < spread and p % base_dilation == 0
            ]
        )
    return result


def windows(
    spend, shape, dimensions, window_strides, padding, base_dilation, window_dilation
):
    """(shape of the result, the flat positions that each window covers)."""
    options = (dimensions, window_strides, padding, base_dilation, window_dilation)
    if any(len(option) != len(shape) for option in options):
        raise MalformedCertificate("one window parameter per axis is needed")
    axes = [taps(*one) for one in zip(shape, *options, strict=True)]
    spend(math.prod(1 + sum(map(len, axis)) for axis in axes))
    step = strides(shape)
    result = []
    for window in itertools.product(*axes):
        places = [
            [p * s for _, p in axis] for axis, s in zip(window, step, strict=True)
        ]
        result.append([sum(place) for place in itertools.product(*places)])
    return tuple(map(len, axes)), result
