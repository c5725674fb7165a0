"""Where the elements of sliding windows come from: the geometry of pools and convs.

Shapes and positions only; what is done with the elements is each domain's own.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

PADDING = -1


@dataclass(frozen=True)
class Windows:
    """How windows lie on an array: the parameters of JAX's window primitives."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    base_dilation: tuple[int, ...]
    window_dilation: tuple[int, ...]

    @staticmethod
    def of(
        *,
        window_dimensions,
        window_strides,
        padding,
        base_dilation=None,
        window_dilation=None,
    ) -> "Windows":
        """By the names of the parameters; derivatives of pools have no dilation."""
        ones = (1,) * len(window_dimensions)
        return Windows(
            tuple(window_dimensions),
            tuple(window_strides),
            tuple(tuple(pair) for pair in padding),
            tuple(base_dilation or ones),
            tuple(window_dilation or ones),
        )

    def offsets(self):
        """The places in a window, in row-major order."""
        return list(itertools.product(*map(range, self.shape)))

    def positions(self, shape) -> np.ndarray:
        """[*windows, *window]: the flat position of each element in an array of that
        shape, `PADDING` where it lies outside.

        Along an axis element k of window o stands at o stride + k dilation - padding of
        the input whose elements are `base_dilation` apart.
        """
        rank = len(shape)
        ones = (1,) * (2 * rank)
        flat, inside = np.zeros(ones, int), np.ones(ones, bool)
        for axis, n in enumerate(shape):
            base, (before, after) = self.base_dilation[axis], self.padding[axis]
            size, dilation = self.shape[axis], self.window_dilation[axis]
            spread = (n - 1) * base + 1 if n else 0
            reach = (size - 1) * dilation + 1
            room = spread + before + after - reach
            count = max(room // self.strides[axis] + 1, 0)
            starts = np.arange(count) * self.strides[axis] - before
            place = starts[:, None] + np.arange(size) * dilation
            here = (place >= 0) & (place < spread) & (place % base == 0)
            aligned = [1] * (2 * rank)
            aligned[axis], aligned[rank + axis] = place.shape
            weight = math.prod(shape[axis + 1 :])
            flat = flat + (place // base * weight).reshape(aligned)
            inside = inside & here.reshape(aligned)
        return np.where(inside, flat, PADDING)

    def inside(self, shape) -> np.ndarray:
        """[offsets, *windows]: which elements are of the array and not outside."""
        there = self.positions(shape) != PADDING
        windows = there.shape[: len(shape)]
        return np.moveaxis(there.reshape(*windows, math.prod(self.shape)), -1, 0)

    def at(self, offset, x):
        """The element at `offset` of every window, for each array in the tree `x`; 0
        where a window reaches outside."""
        return jax.tree.map(lambda a: self._at(offset, a), x)

    def put_back(self, offset, x, shape):
        """The transpose of `at` on an array without dilation: each element at its
        place, 0 elsewhere."""
        config = []
        for o, (before, _), stride, n, count in zip(
            offset, self.padding, self.strides, shape, x.shape, strict=True
        ):
            first = o - before
            last = first + (count - 1) * stride
            config.append((first, n - 1 - last, stride - 1))
        return lax.pad(x, jnp.zeros((), x.dtype), config)

    def _at(self, offset, a):
        gaps = [dilation - 1 for dilation in self.base_dilation]
        config = [(*pair, gap) for pair, gap in zip(self.padding, gaps, strict=True)]
        padded = lax.pad(a, jnp.zeros((), a.dtype), config)
        start = [o * d for o, d in zip(offset, self.window_dilation, strict=True)]
        spans = [
            (w - 1) * d for w, d in zip(self.shape, self.window_dilation, strict=True)
        ]
        limit = [
            s + n - span for s, n, span in zip(start, padded.shape, spans, strict=True)
        ]
        return lax.slice(padded, start, limit, self.strides)


@dataclass(frozen=True)
class Convolution:
    """The parameters of `conv_general_dilated`, by their names."""

    window_strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    lhs_dilation: tuple[int, ...]
    rhs_dilation: tuple[int, ...]
    dimension_numbers: lax.ConvDimensionNumbers
    feature_group_count: int
    batch_group_count: int
    precision: Any = None
    preferred_element_type: Any = None

    @property
    def groups(self) -> int:
        return self.feature_group_count * self.batch_group_count

    @property
    def by_batch(self) -> bool:
        """Whether the groups are of batches and not of features."""
        return self.batch_group_count > 1

    def windows(self, window) -> Windows:
        """How a kernel of that size lies on [batch, features, *places]."""
        return Windows(
            (1, 1, *window),
            (1, 1, *self.window_strides),
            ((0, 0), (0, 0), *self.padding),
            (1, 1, *self.lhs_dilation),
            (1, 1, *self.rhs_dilation),
        )
