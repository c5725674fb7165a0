"""The value of the domain: a set of input positions and a fact for each element.

Sets are rows of bits in 32-bit words along a last axis, so that a union is one
bitwise-or of arrays. No rule lives here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

WORD = 32

# An array, or the scalar that NumPy makes of one without axes.
Elements = Any


@dataclass(frozen=True, slots=True)
class SetArray:
    """What each element of an array can depend on, and what is known of it.

    words: uint32[*shape, count of positions / 32, rounded up], the set of positions
    that can influence the element: bit p % 32 of word p // 32. known, value: bool and
    dtype[*shape]; where `known` the element is `value` whatever the inputs are, and its
    set is empty. low: bool[*shape], the element is a mask: a number so far below all
    that are not that its exponential is 0. An element with an empty set that is not
    known is a constant that nobody has computed, since computing it would round.
    """

    words: np.ndarray
    known: Any
    value: Any
    low: Any
    dtype: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.known.shape

    @property
    def ndim(self) -> int:
        return self.known.ndim

    @property
    def size(self) -> int:
        return self.known.size

    def __getitem__(self, index) -> "SetArray":
        parts = (self.words, self.known, self.value, self.low)
        if isinstance(index, tuple) and Ellipsis in index:
            raise IndexError("an ellipsis would reach the words")
        words, known, value, low = (np.asarray(part[index]) for part in parts)
        return SetArray(words, known, value, low, self.dtype)

    def contains(self) -> np.ndarray:
        """bool[*shape, 32 words]: whether a position is in the set of an element."""
        return members(self.words)


def members(words: np.ndarray) -> np.ndarray:
    """bool[..., 32 words]: whether a position is in the set."""
    as_bytes = np.ascontiguousarray(words, "<u4").view(np.uint8)
    return np.unpackbits(as_bytes, axis=-1, bitorder="little").astype(bool)


def words_for(count: int) -> int:
    return max(-(-count // WORD), 1)


def single(positions: Elements, count: int) -> np.ndarray:
    """Words of the sets that hold one position each: uint32[*shape, words]."""
    positions = np.asarray(positions)
    words = np.zeros((*positions.shape, words_for(count)), np.uint32)
    bit = np.left_shift(np.uint32(1), (positions % WORD).astype(np.uint32))
    np.put_along_axis(words, (positions // WORD)[..., None], bit[..., None], -1)
    return words


def anything(words: np.ndarray, dtype) -> SetArray:
    """Elements of which only their sets are known."""
    shape = words.shape[:-1]
    nowhere = np.broadcast_to(np.False_, shape)
    return SetArray(words, nowhere, placeholder(shape, dtype), nowhere, dtype)


def placeholder(shape, dtype) -> np.ndarray:
    """The values of elements that are not known."""
    numeric = isinstance(dtype, np.dtype)  # the dtype of a random key is no NumPy one
    return np.broadcast_to(np.zeros((), dtype if numeric else np.uint32), shape)


def replaced(x: SetArray, where: Elements, y: SetArray) -> SetArray:
    """`y` where the flag is set, elsewhere `x`."""
    return SetArray(
        np.where(where[..., None], y.words, x.words),
        np.where(where, y.known, x.known),
        np.where(where, y.value, x.value),
        np.where(where, y.low, x.low),
        x.dtype,
    )


def concatenated(parts: list[SetArray]) -> SetArray:
    """Flat values, one after the other."""
    return SetArray(
        np.concatenate([p.words for p in parts]),
        np.concatenate([p.known for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.low for p in parts]),
        parts[0].dtype,
    )
