"""Where windows lie: strides, dilations, explicit and automatic padding."""

import numpy as np

from torchlean_jax.domains._errors import FileFormatError

_AUTO = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def per_axis(node, name: str, count: int, *, default: int = 1) -> list[int]:
    """An attribute with a number for each spatial axis."""
    found = node.integers(name, [default] * count) or [default] * count
    if len(found) != count or min(found) < default:
        raise FileFormatError(f"{name} is {found} for {count} spatial axes")
    return found


def paddings(node, sizes, kernel, strides, dilations) -> list[tuple[int, int]]:
    """The padding at both ends of each spatial axis, before any rounding up."""
    count = len(kernel)
    auto = node.text("auto_pad", "NOTSET")
    pads = node.integers("pads", None) or [0] * (2 * count)
    if auto not in _AUTO:
        raise FileFormatError(f"auto_pad={auto!r}")
    if len(pads) != 2 * count or min(pads) < 0:
        raise FileFormatError(f"pads are {pads} for {count} spatial axes")
    if auto == "NOTSET":
        return list(zip(pads[:count], pads[count:], strict=True))
    if auto == "VALID":
        return [(0, 0)] * count
    found = []
    for n, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        less, more = total // 2, total - total // 2
        found.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return found


def rounded_up(sizes, kernel, strides, dilations, pads) -> list[tuple[int, int]]:
    """`pads` with what ceil_mode adds at the end of each axis.

    A window that would begin in the padding at the end is left out.
    """
    found = []
    for n, k, s, d, (low, high) in zip(
        sizes, kernel, strides, dilations, pads, strict=True
    ):
        reach = d * (k - 1) + 1
        count = -(-(n + low + high - reach) // s) + 1
        if (count - 1) * s >= n + low:
            count -= 1
        found.append((low, max(high, (count - 1) * s + reach - n - low)))
    return found


def window_counts(sizes, kernel, strides, dilations, pads, counted) -> np.ndarray:
    """How many positions of each window lie where `counted` (low, high) allows.

    counted: for each axis, how many padded positions count at both ends.
    """
    total = np.ones(())
    for n, k, s, d, (low, high), (c_low, c_high) in zip(
        sizes, kernel, strides, dilations, pads, counted, strict=True
    ):
        starts = np.arange((n + low + high - d * (k - 1) - 1) // s + 1) * s - low
        at = starts[:, None] + np.arange(k) * d
        inside = ((at >= -c_low) & (at < n + c_high)).sum(axis=1)
        total = total[..., None] * inside
    return total
