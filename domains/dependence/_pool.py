"""Rules for sliding windows and the derivatives of pooling: unions over each window."""

import math

import numpy as np

from torchlean_jax.domains._windows import PADDING, Windows
from torchlean_jax.domains.dependence._domain import table
from torchlean_jax.domains.dependence._reduce import either
from torchlean_jax.domains.dependence._value import anything


def windows_of(words: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The sets at flat `places`, empty where those are `PADDING`."""
    flat = words.reshape(-1, words.shape[-1])
    padded = np.concatenate([flat, np.zeros((1, flat.shape[-1]), np.uint32)])
    return padded[places]  # PADDING is -1, the last


@table.define_op("reduce_window_sum", "reduce_window_max", "reduce_window_min")
def _reduce_window(domain, operation, x):
    x = domain.lift(x)
    places = Windows.of(**operation.params).positions(x.shape)
    return anything(_in_window(x.words, places, x.ndim), x.dtype)


def _in_window(words, places, rank):
    return either(windows_of(words, places), range(rank, 2 * rank))


@table.define_op("select_and_gather_add")
def _select_and_gather_add(domain, operation, tangents, operand):
    """The tangent at the extreme of a window: which that is depends on all of it."""
    tangents, operand = domain.lift(tangents), domain.lift(operand)
    places = _windows(operation).positions(operand.shape)
    both = tangents.words | operand.words
    return anything(_in_window(both, places, operand.ndim), tangents.dtype)


@table.define_op("select_and_scatter_add")
def _select_and_scatter_add(domain, operation, source, operand):
    """A window may send to any of its elements, as all of them decide."""
    source, operand = domain.lift(source), domain.lift(operand)
    places = _windows(operation).positions(operand.shape)
    sent = source.words | _in_window(operand.words, places, operand.ndim)
    words = np.zeros((operand.size, sent.shape[-1]), np.uint32)
    size = math.prod(places.shape[operand.ndim :])
    flat_sent = sent.reshape(-1, sent.shape[-1])
    for offset in np.moveaxis(places.reshape(-1, size), -1, 0):
        inside = offset != PADDING  # the windows reach distinct elements at one offset
        words[offset[inside]] |= flat_sent[inside]
    return anything(words.reshape(operand.words.shape), source.dtype)


def _windows(operation):
    params = dict(operation.params)
    params.pop("select_prim")
    return Windows.of(**params)
