"""How the elements of inputs and outputs are numbered: one by one, or along an axis."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from torchlean_jax._trace import Trace, aval_of
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.dependence import Dependence


@dataclass(frozen=True)
class Positions:
    """How elements of arrays are numbered: each on its own, or along an axis.

    positions: for each leaf its elements' numbers, None where they have none; axis: as
    asked; blocks: (name, first number, count) of each argument, or of all outputs.
    """

    positions: list
    axis: int | None
    blocks: tuple[tuple[str, int, int], ...]

    @property
    def count(self) -> int:
        return sum(size for *_, size in self.blocks)

    def union(self, words: np.ndarray, places: np.ndarray) -> np.ndarray:
        """The union of the sets of the elements of a leaf at each of its positions."""
        if self.axis is None:
            return words.reshape(-1, words.shape[-1])
        axis = self.axis % places.ndim
        others = tuple(a for a in range(places.ndim) if a != axis)
        return np.bitwise_or.reduce(words, axis=others)

    def describe(self, number: int) -> str:
        name, first = next(
            (name, first)
            for name, first, size in self.blocks
            if first <= number < first + size
        )
        if self.axis is not None:
            return f"{name} at position {number - first} along axis {self.axis}"
        for leaf, places in enumerate(self.positions):
            if places is not None and (places == number).any():
                index = tuple(map(int, np.argwhere(places == number)[0]))
                return f"{name}, leaf {leaf}, element {index}"
        raise IndexError(number)

    def values(self, domain: Dependence, leaves) -> list[Any]:
        """The arguments over the domain: sets, constants of any value, arrays."""
        return [
            domain.inputs(places, aval_of(leaf).dtype)
            if places is not None
            else domain.unknown(leaf.shape, leaf.dtype)
            if isinstance(leaf, jax.ShapeDtypeStruct)
            else leaf
            for leaf, places in zip(leaves, self.positions, strict=True)
        ]


def of_inputs(args, kwargs, asked, axis) -> Positions:
    """The numbers of the elements of the arguments `asked` for."""
    if not asked or any(not 0 <= a < len(args) for a in asked):
        raise InputError(
            f"argnums names positional arguments, 0 to {len(args) - 1} of this call; "
            f"got {asked}"
        )
    if len(set(asked)) != len(asked):
        raise InputError(f"argnums names an argument twice: {asked}")
    found: dict[int, tuple[list, int]] = {}
    blocks, first = [], 0
    for a in asked:
        shapes = [aval_of(leaf).shape for leaf in jax.tree.leaves(args[a])]
        places, size = _numbered(shapes, axis, first, f"argument {a}", "in_axis")
        found[a] = places, size
        blocks.append((f"argument {a}", first, size))
        first += size
    positions: list = []
    for a, arg in enumerate((*args, kwargs)):
        count = len(jax.tree.leaves(arg))
        positions += found[a][0] if a in found else [None] * count
    return Positions(positions, axis, tuple(blocks))


def of_outputs(traced: Trace, axis) -> Positions:
    shapes = [aval.shape for aval in traced.out_avals]
    places, size = _numbered(shapes, axis, 0, "the output", "out_axis")
    return Positions(places, axis, (("the output", 0, size),))


def _numbered(shapes, axis, first, what, option):
    """(the numbers of the elements of each leaf, how many there are)."""
    if axis is None:
        places, start = [], first
        for shape in shapes:
            size = int(np.prod(shape, dtype=int))
            places.append(np.arange(start, start + size).reshape(shape))
            start += size
        return places, start - first
    if any(not -len(shape) <= axis < len(shape) for shape in shapes):
        raise InputError(
            f"{option}={axis}, but {what} has arrays of shapes {shapes}; every one "
            "needs that axis"
        )
    lengths = {shape[axis] for shape in shapes}
    if len(lengths) != 1:
        raise InputError(
            f"{option}={axis}: the arrays of {what} have {sorted(lengths)} positions "
            "along it, and need the same number"
        )
    (length,) = lengths
    places = []
    for shape in shapes:
        aligned = [1] * len(shape)
        aligned[axis] = length
        numbers = np.arange(first, first + length).reshape(aligned)
        places.append(np.broadcast_to(numbers, shape))
    return places, length
