"""The memory that the programs of a Pallas kernel share, element by element.

Addresses are concrete and values may be traced: a buffer is a list of arrays that were
written, and for each element which of them holds it, at which place. So reads and
writes become constant gathers that any domain can walk, and every access is known
exactly: outside a buffer, before a write, by two programs. What a kernel does with
memory is `_kernel_program`'s.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

Kind = Literal[
    "read out of bounds",
    "write out of bounds",
    "read before any write",
    "race",
    "never written",
    "written again",
]
OUTSIDE = -1  # the address of an element that a block has and its array has not
NOBODY = -1
SEVERAL = -2  # more than one program


@dataclass(frozen=True)
class Fault:
    """One thing that a kernel did to memory and should not have.

    `buffer`: the operand's name; `element`: the first offending index; `count`: how
    many; `program`: the grid index of the program (the second one of a race).
    """

    kind: Kind
    buffer: str
    program: tuple[int, ...] | None
    element: tuple[int, ...]
    count: int
    source: tuple[str, int, str] | None = None

    def __str__(self) -> str:
        who = "" if self.program is None else f" by program {self.program}"
        line = "" if self.source is None else f"   {self.source[1]}: {self.source[2]}"
        some = "" if self.count == 1 else f" and {self.count - 1} more"
        return f"{self.kind}: {self.buffer}{self.element}{some}{who}{line}"


@dataclass(frozen=True)
class Moved:
    """The bytes that the programs of a kernel load and store, each time that they do;
    `once`: those of its operands and results."""

    name: str
    loaded: int
    stored: int
    once: int

    @property
    def ratio(self) -> float:
        return (self.loaded + self.stored) / max(self.once, 1)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.loaded} bytes loaded, {self.stored} stored, "
            f"{self.ratio:.2f} times its operands and results"
        )


@dataclass
class Log:
    """The faults of kernel calls, in the order in which they happen; the bytes that
    were loaded and stored so far, and by which call. `numbers`: whether those are
    computed too; without them a float is its shape and dtype."""

    numbers: bool = True
    faults: list[Fault] = field(default_factory=list)
    loaded: int = 0
    stored: int = 0
    calls: list[Moved] = field(default_factory=list)

    def note(self, kind: Kind, ref: "Ref", wrong, program=None, source=None):
        """One fault for the elements of `ref` where `wrong` holds, if there is one."""
        if not wrong.any():
            return
        first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        address = ref.addresses[first]
        # beyond its array an element has no index there, only one in the view
        outside = address == OUTSIDE
        place = tuple(map(int, first)) if outside else ref.buffer.index(address)
        name, count = ref.buffer.name, int(wrong.sum())
        self.faults.append(Fault(kind, name, program, place, count, source))


@dataclass
class Buffer:
    """An array of `shape` that programs read and write.

    `pieces`: what was written, flat; `piece`, `place`: for each element the piece that
    holds it and its place there (piece NOBODY: not written yet). `writer`, `reader`:
    the number of the program that wrote it last, and of the one that read it, or
    SEVERAL. `private`: whether it is one program's, near its registers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Any
    pieces: list = field(default_factory=list)
    private: bool = False

    def __post_init__(self):
        size = int(np.prod(self.shape, dtype=np.int64))
        self.size = size
        self.place = np.zeros(size, np.int64)
        self.piece = np.full(size, NOBODY, np.int64)
        self.writer = np.full(size, NOBODY, np.int64)
        self.reader = np.full(size, NOBODY, np.int64)
        self.writes = np.zeros(size, np.int64)

    @classmethod
    def holding(cls, name, array):
        """A buffer that starts with the elements of `array`, concrete or traced."""
        buffer = cls(name, tuple(np.shape(array)), jnp.result_type(array))
        buffer.pieces.append(_flat(array))
        buffer.piece[:] = 0
        buffer.place[:] = np.arange(buffer.size)
        return buffer

    def index(self, address) -> tuple[int, ...]:
        """The index of an element, from its flat address."""
        return tuple(int(i) for i in np.unravel_index(int(address), self.shape))

    def read(self, addresses):
        """The elements at these addresses, which all are inside; zeros where nothing
        was written. Concrete where the pieces are."""
        addresses = np.asarray(addresses, np.int64)
        flat = addresses.reshape(-1)
        known = self.piece[flat]
        used = [int(p) for p in np.unique(known) if p != NOBODY]
        if not used:
            return np.zeros(addresses.shape, self.dtype)
        starts = np.zeros(len(self.pieces), np.int64)
        total = 0
        for p in used:
            starts[p] = total
            total += self.pieces[p].shape[0]
        place = np.where(known == NOBODY, 0, starts[known] + self.place[flat])
        pieces = [self.pieces[p] for p in used]
        if all(isinstance(p, np.ndarray) for p in pieces):
            value = np.concatenate(pieces)[place]
            return np.where(known == NOBODY, 0, value).reshape(addresses.shape)
        if any(isinstance(p, jax.ShapeDtypeStruct) for p in pieces):
            return jax.ShapeDtypeStruct(addresses.shape, self.dtype)
        value = pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces)
        value = _selected(value, place)
        if (known == NOBODY).any():
            value = jnp.where(known == NOBODY, jnp.zeros_like(value), value)
        return value.reshape(addresses.shape)

    def write(self, addresses, value):
        """Put the elements of `value` at these addresses; all inside, each once."""
        flat = np.asarray(addresses, np.int64).reshape(-1)
        self.pieces.append(_flat(value))
        self.piece[flat] = len(self.pieces) - 1
        self.place[flat] = np.arange(flat.size)
        self.writes[flat] += 1

    def whole(self) -> "Ref":
        """A view of all elements."""
        return Ref(self, np.arange(self.size).reshape(self.shape))


def _flat(array):
    if isinstance(array, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct((int(np.prod(array.shape)),), array.dtype)
    return array.reshape(-1)


def _selected(flat, place):
    """flat[place], as the plainest primitive that does it."""
    if place.size == flat.shape[0] and (place == np.arange(place.size)).all():
        return flat
    if place.size and (np.diff(place) == 1).all():
        return flat[int(place[0]) : int(place[0]) + place.size]
    return flat.at[place].get(mode="promise_in_bounds")


@dataclass(frozen=True)
class Ref:
    """A view of a buffer: the flat address of each element, OUTSIDE beyond its end."""

    buffer: Buffer
    addresses: np.ndarray

    @property
    def shape(self):
        return self.addresses.shape

    def at(self, indexer) -> "Ref":
        """The view that one indexer takes: integers, arrays of them and slices, each
        concrete. An index beyond the view is OUTSIDE, not clamped and not wrapped."""
        indices = list(indexer.indices)
        arrays = [i for i in indices if not _is_slice(i)]
        together = np.broadcast_shapes(*[np.shape(i) for i in arrays])
        # integer indices come first in the result, as Pallas orders them, when they are
        # arrays; scalars take no axis
        axes, slices = [], [i for i in indices if _is_slice(i)]
        rank = len(together) + len(slices)
        inside = np.ones((1,) * rank, bool)
        position = len(together)
        for index, size in zip(indices, self.addresses.shape, strict=True):
            if _is_slice(index):
                value = index.start + index.stride * np.arange(index.size)
                shape = [1] * rank
                shape[position] = index.size
                position += 1
                value = value.reshape(shape)
            else:
                value = np.broadcast_to(np.asarray(index), together)
                value = value.reshape(together + (1,) * len(slices))
            inside = inside & (value >= 0) & (value < size)
            axes.append(np.clip(value, 0, size - 1))
        if not axes:
            return self
        picked = self.addresses[tuple(np.broadcast_arrays(*axes))]
        return Ref(self.buffer, np.where(inside, picked, OUTSIDE))


def _is_slice(index) -> bool:
    return hasattr(index, "stride")
