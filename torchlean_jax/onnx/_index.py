"""Gathering and scattering. Indices that are known become plain moves of elements."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import (
    UnsupportedError,
    define,
    is_floating,
    same_dtype,
)


def positions(indices, size):
    """Indices counted from the front; checked if they are known, else left to the run.

    A file whose indices depend on its inputs has no result at an index that is out of
    range; a float taken there is NaN.
    """
    if isinstance(indices, np.ndarray):
        bad = indices[(indices < -size) | (indices >= size)]
        if bad.size:
            raise FileFormatError(f"index {bad[0]} into {size} elements")
    xp = np if isinstance(indices, np.ndarray) else jnp
    return xp.where(indices < 0, indices + size, indices)


def _mode(indices):
    known = isinstance(indices, np.ndarray)
    return "clip" if known else "fill"  # nothing is left to clip


@define("Gather", "1 11 13", fixed=[1], foldable=True)
def _gather(node, x, indices):
    axis = node.axis(node.integer("axis", 0), np.ndim(x))
    indices = positions(indices, x.shape[axis])
    shape = np.shape(indices)
    node.room([*x.shape[:axis], *shape, *x.shape[axis + 1 :]])
    if node.xp is np:
        return np.take(x, indices, axis=axis)
    if isinstance(indices, np.ndarray) and indices.size == 1:
        taken = lax.slice_in_dim(x, indices.item(), indices.item() + 1, axis=axis)
        return taken.reshape(*x.shape[:axis], *shape, *x.shape[axis + 1 :])
    return jnp.take(x, indices, axis=axis, mode=_mode(indices))


@define("GatherElements", "11 13", fixed=[1])
def _gather_elements(node, x, indices):
    axis = node.axis(node.integer("axis", 0), x.ndim)
    if indices.ndim != x.ndim:
        raise FileFormatError("indices and data differ in their number of axes")
    at = _at_elements(positions(indices, x.shape[axis]), axis)
    return x.at[at].get(mode=_mode(indices))


def _at_elements(indices, axis):
    """The places of elements that `indices` puts along one axis, for every axis."""
    at = list(np.indices(indices.shape, sparse=True))
    at[axis] = indices
    return tuple(at)


@define("GatherND", "11 12 13", fixed=[1])
def _gather_nd(node, x, indices):
    batch = node.integer("batch_dims", 0)
    if not 0 <= batch < min(x.ndim, indices.ndim):
        raise FileFormatError(f"batch_dims {batch}")
    return x.at[_at_points(indices, x.shape, batch)].get(mode=_mode(indices))


def _at_points(indices, shape, batch=0):
    """The places that the last axis of `indices` names, after `batch` shared axes."""
    depth = indices.shape[-1]
    if depth + batch > len(shape):
        raise FileFormatError(f"indices with {depth} coordinates into {list(shape)}")
    own = [positions(indices[..., k], shape[batch + k]) for k in range(depth)]
    lead = np.indices(indices.shape[:-1], sparse=True)[:batch]
    return (*lead, *own)


_COMBINE = {
    "none": lambda ref, y: ref.set(y),
    "add": lambda ref, y: ref.add(y),
    "mul": lambda ref, y: ref.multiply(y),
    "max": lambda ref, y: ref.max(y),
    "min": lambda ref, y: ref.min(y),
}


@define("ScatterND", "11 13 16 18", fixed=[1])
def _scatter_nd(node, x, indices, updates):
    return _scattered(node, x, _at_points(indices, x.shape), updates)


@define("ScatterElements", "11 13 16 18", fixed=[1])
def _scatter_elements(node, x, indices, updates):
    axis = node.axis(node.integer("axis", 0), x.ndim)
    if indices.shape != updates.shape or indices.ndim != x.ndim:
        raise FileFormatError("indices and updates differ in shape")
    at = _at_elements(positions(indices, x.shape[axis]), axis)
    return _scattered(node, x, at, updates)


def _scattered(node, x, at, updates):
    same_dtype(x, updates)
    how = node.text("reduction", "none")
    if how not in _COMBINE:
        raise UnsupportedError(f"reduction={how!r}")
    if how == "none" and all(isinstance(i, np.ndarray) for i in at):
        return _overwritten(x, at, updates)
    known = all(isinstance(i, np.ndarray) for i in at)
    ref = x.at[at]
    if how != "none" or known:
        return _COMBINE[how](ref, updates)
    return ref.set(updates, mode="drop")


def _overwritten(x, at, updates):
    """A scatter as one gather from both arrays: linear, and the last writer wins."""
    source = np.arange(x.size).reshape(x.shape)
    count = math.prod(np.shape(source[at]))
    if count != updates.size:
        raise FileFormatError(f"{updates.size} updates for {count} places")
    source[at] = x.size + np.arange(count).reshape(np.shape(source[at]))
    both = jnp.concatenate([x.reshape(-1), updates.reshape(-1)])
    return jnp.take(both, source, axis=0, mode="clip")


@define("OneHot", "9 11", static=[1])
def _one_hot(node, indices, depth, values):
    depth = int(np.asarray(depth).item())
    axis = node.axis(node.integer("axis", -1), indices.ndim + 1)
    node.room([*indices.shape, depth])
    indices = jnp.where(indices < 0, indices + depth, indices).astype(np.int32)
    hot = jax.nn.one_hot(indices, depth, axis=axis, dtype=bool)
    off, on = values[0], values[1]
    return jnp.where(hot, on, off)


@define("TopK", "1 10 11 24", static=[1])
def _top_k(node, x, k=None):
    node.ignore("sorted")  # unsorted means: in any order
    count = node.integer("k") if k is None else int(np.asarray(k).item())
    axis = node.axis(node.integer("axis", -1), x.ndim)
    if count is None or not 0 <= count <= x.shape[axis]:
        raise FileFormatError(f"the {count} largest of {x.shape[axis]}")
    largest = node.integer("largest", 1)
    last = jnp.moveaxis(x, axis, -1)
    # what turns the order of all integers around, even of unsigned ones
    turned = lax.neg if is_floating(x) else lax.bitwise_not
    values, places = lax.top_k(last if largest else turned(last), count)
    places = places.astype(jax.dtypes.canonicalize_dtype(np.int64))
    values = values if largest else turned(values)
    return jnp.moveaxis(values, -1, axis), jnp.moveaxis(places, -1, axis)
