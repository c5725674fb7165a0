"""Rules for reductions and running totals: the union of what is reduced.

A maximum leaves out masks beside anything else; one known 0 makes a product 0, and one
False a conjunction.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.dependence import _facts
from torchlean_jax.domains.dependence._domain import table
from torchlean_jax.domains.dependence._elementwise import result


def either(words: np.ndarray, axes) -> np.ndarray:
    """The union along `axes` of the elements."""
    return np.bitwise_or.reduce(words, axis=tuple(axes))


@table.define_op(
    *("reduce_sum", "reduce_prod", "reduce_max", "reduce_min"),
    *("reduce_and", "reduce_or", "reduce_xor", "argmax", "argmin"),
)
def _reduce(domain, operation, x):
    x, name = domain.lift(x), operation.name
    axes = tuple(operation.params["axes"])
    out = _facts.outline(operation, [x])
    words, low = either(x.words, axes), np.zeros(out.shape, bool)
    if name in ("reduce_max", "argmax") and x.low.any():
        low = x.low.all(axis=axes)
        words = _without_masks(domain, x, axes, words)
    known, value = x.known.all(axis=axes), np.zeros(out.shape, out.dtype)
    if known.any():
        value = _facts.evaluate(operation, x.value)
        known = known & _is_certain(name, x.value, value, axes)
    absorbing = _absorbing(name, x.dtype)
    if absorbing is not None and (found := x.known & (x.value == absorbing)).any():
        floats = jnp.issubdtype(x.dtype, jnp.inexact)
        decided = found.any(axis=axes) & ~known
        if not floats or domain.finite:
            if floats and decided.any():
                domain.assume_finite()
            known, value = known | decided, np.where(decided, absorbing, value)
    return result(domain, words, known, value.astype(out.dtype), low, out.dtype)


def _absorbing(name, dtype):
    """The number that decides the reduction, whatever the others are."""
    if name == "reduce_or":
        return True if np.issubdtype(dtype, np.bool_) else -1
    return {"reduce_prod": 0, "reduce_and": 0}.get(name)


def _without_masks(domain, x, axes, words):
    """A mask is the largest only among masks."""
    others = np.where(x.low[..., None], np.uint32(0), x.words)
    some = ~x.low.all(axis=axes)
    kept = np.where(some[..., None], either(others, axes), words)
    if not domain.finite:
        return words
    if (kept != words).any():
        domain.assume_masked()
    return kept


def _is_certain(name, values, computed, axes):
    if name == "reduce_sum" and jnp.issubdtype(values.dtype, jnp.inexact):
        return is_exact_sum(np.abs(values).astype(np.float64), axes, values, computed)
    if name == "reduce_prod" and jnp.issubdtype(values.dtype, jnp.inexact):
        return ((values == 0) | (np.abs(values) == 1)).all(axis=axes)
    subnormal = ~_facts.is_certain("neg", [values], values)
    return ~subnormal.any(axis=axes)


def is_exact_sum(sizes, axes, values, computed):
    """Whole numbers whose sizes add up to one of the format sum exactly, in any order;
    infinities of one sign too."""
    limit = 2.0 ** jnp.finfo(values.dtype).nmant
    whole = (np.floor(sizes) == sizes).all(axis=axes)
    infinite = np.isinf(computed) & ~np.isnan(values).any(axis=axes)
    certain = infinite & (np.isinf(values) | (sizes == np.floor(sizes))).all(axis=axes)
    return (whole & (sizes.sum(axis=axes) <= limit)) | certain


@table.define_op("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def _running(domain, operation, x):
    """The union of all that went before along the axis, or comes after in reverse."""
    x = domain.lift(x)
    axis, reverse = operation.params["axis"], operation.params["reverse"]
    words = np.flip(x.words, axis) if reverse else x.words
    words = np.bitwise_or.accumulate(words, axis=axis)
    words = np.flip(words, axis) if reverse else words
    known = np.flip(x.known, axis) if reverse else x.known
    known = np.logical_and.accumulate(known, axis=axis)
    known = np.flip(known, axis) if reverse else known
    value = x.value
    if known.any():
        value = _facts.evaluate(operation, x.value)
        known = known & _running_is_certain(operation.name, x.value, value, axis)
    nowhere = np.broadcast_to(np.False_, x.shape)
    return result(domain, words, known, value, nowhere, x.dtype)


def _running_is_certain(name, values, computed, axis):
    """All along the lane or nowhere: the order of a running total is the library's."""
    if name in ("cummax", "cummin") or not jnp.issubdtype(values.dtype, jnp.inexact):
        return np.True_
    if name == "cumsum":
        sizes = np.abs(values).astype(np.float64)
        last = np.take(computed, [0], axis)
        lane = is_exact_sum(sizes, (axis,), values, np.squeeze(last, axis))
        lane &= np.isfinite(sizes).all(axis=axis)
        return np.expand_dims(lane, axis)
    return np.False_
