"""The elements that windows slide over, one array for each place in the window.

Shared by pooling, its derivatives and convolutions; no rule lives here.
"""

import itertools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclass(frozen=True)
class Windows:
    """How windows lie on an array: the parameters of JAX's window primitives."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    base_dilation: tuple[int, ...]
    window_dilation: tuple[int, ...]

    @staticmethod
    def of(params) -> "Windows":
        window = tuple(params["window_dimensions"])
        ones = (1,) * len(window)
        return Windows(
            window,
            tuple(params["window_strides"]),
            tuple(tuple(pair) for pair in params["padding"]),
            tuple(params.get("base_dilation") or ones),
            tuple(params.get("window_dilation") or ones),
        )

    def offsets(self):
        """The places in a window, in row-major order."""
        return list(itertools.product(*map(range, self.shape)))

    def at(self, offset, x):
        """The element at `offset` of every window, for each array in the tree `x`; 0
        where a window reaches outside."""
        return jax.tree.map(lambda a: self._at(offset, a), x)

    def inside(self, offset, shape):
        """Where the element at `offset` is one of the array and not outside; a NumPy
        array, since it depends on shapes alone."""
        config = self._config()
        sizes = [
            max(before + after + n + max(n - 1, 0) * gap, 0)
            for (before, after, gap), n in zip(config, shape, strict=True)
        ]
        axes = []
        for (before, _, gap), size, n in zip(config, sizes, shape, strict=True):
            place = np.arange(size) - before
            last = (n - 1) * (gap + 1)
            axes.append((place >= 0) & (place <= last) & (place % (gap + 1) == 0))
        start, limit = self._slice(offset, sizes)
        for axis, flags in enumerate(axes):
            axes[axis] = flags[start[axis] : limit[axis] : self.strides[axis]]
        return _outer_and(axes)

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

    def _config(self):
        return [
            (before, after, dilation - 1)
            for (before, after), dilation in zip(
                self.padding, self.base_dilation, strict=True
            )
        ]

    def _slice(self, offset, sizes):
        start = [o * d for o, d in zip(offset, self.window_dilation, strict=True)]
        spans = [
            (w - 1) * d for w, d in zip(self.shape, self.window_dilation, strict=True)
        ]
        limit = [s + n - span for s, n, span in zip(start, sizes, spans, strict=True)]
        return start, limit

    def _at(self, offset, a):
        padded = lax.pad(a, jnp.zeros((), a.dtype), self._config())
        return lax.slice(padded, *self._slice(offset, padded.shape), self.strides)


def _outer_and(axes):
    result = np.ones((), bool)
    for flags in axes:
        result = result[..., None] & flags
    return result
