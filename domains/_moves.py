"""Moving elements of NumPy arrays to known places: layout, whatever is moved.

Each function is what one primitive does, by the names of its parameters; the arrays may
hold anything. How JAX moves arrays of its own is no business of this file.
"""

import numpy as np


def broadcast(x, *, shape, broadcast_dimensions):
    aligned = np.ones(len(shape), int)
    aligned[list(broadcast_dimensions)] = x.shape
    return np.broadcast_to(x.reshape(aligned), shape)


def reshape(x, *, new_sizes, dimensions):
    x = x if dimensions is None else x.transpose(dimensions)
    return x.reshape(new_sizes)


def slice_of(x, *, start_indices, limit_indices, strides):
    strides = strides or (1,) * x.ndim
    return x[
        tuple(
            slice(a, b, s)
            for a, b, s in zip(start_indices, limit_indices, strides, strict=True)
        )
    ]


def pad(x, fill, *, padding_config):
    """Negative padding crops, after the interior was filled."""
    for axis, (before, after, inside) in enumerate(padding_config):
        n = x.shape[axis]
        size = max(n + (n - 1) * inside, 0) if n else 0
        shape = [*x.shape[:axis], size + max(before, 0) + max(after, 0)]
        padded = np.full([*shape, *x.shape[axis + 1 :]], fill[()], x.dtype)
        at = np.moveaxis(padded, axis, 0)
        first = max(before, 0)
        at[first : first + size : inside + 1] = np.moveaxis(x, axis, 0)
        last = at.shape[0] + min(after, 0)
        x = np.moveaxis(at[max(-before, 0) : max(last, -before, 0)], 0, axis)
    return x


def pieces(sizes, axis) -> list[tuple]:
    """Where in an array the results of `split` are, as indices."""
    ends = np.cumsum(sizes)
    return [
        (slice(None),) * axis + (slice(e - n, e),)
        for e, n in zip(ends, sizes, strict=True)
    ]


def written(x, at, update):
    """A copy of `x` with `update` at an index."""
    copy = np.array(x)
    copy[at] = update
    return copy


def expand(x, *, dimensions):
    return np.expand_dims(x, tuple(dimensions))


MOVES = {
    "broadcast_in_dim": broadcast,
    "reshape": reshape,
    "transpose": lambda x, *, permutation: x.transpose(permutation),
    "squeeze": lambda x, *, dimensions: np.squeeze(x, tuple(dimensions)),
    "expand_dims": expand,
    "concatenate": lambda *xs, dimension: np.concatenate(xs, dimension),
    "slice": slice_of,
    "rev": lambda x, *, dimensions: np.flip(x, dimensions),
    "pad": pad,
    "stack": lambda *xs, axis: np.stack(xs, axis),
    "tile": lambda x, *, reps: np.tile(x, reps),
}
