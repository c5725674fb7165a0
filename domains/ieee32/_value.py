"""The value: bit patterns with the format they are patterns of. No rule lives here."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array

from torchlean_jax.domains.ieee32._format import BINARY32, Format


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("bits", "flags"),
    meta_fields=("format",),
)
@dataclass(frozen=True, slots=True)
class FloatBits:
    """Floating-point numbers as the bits that encode them.

    bits: uint32 (uint16 for the formats of 16 bits), any shape. flags: the exceptions
    raised on the way to each element, uint8 of the same shape, where they were asked
    for; else None. Two values are the same number system's if their formats are equal.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> tl.IEEE32.lift(jnp.float32(-0.15625))
    FloatBits(1 01111100 01000000000000000000000)
    """

    bits: Array
    format: Format = BINARY32
    flags: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.shape(self.bits)

    @property
    def dtype(self):
        """The dtype of the numbers, not of the bits."""
        return self.format.dtype

    @property
    def ndim(self) -> int:
        return jnp.ndim(self.bits)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def to_float(self) -> Array:
        """The numbers as an ordinary array, bit for bit."""
        return lax.bitcast_convert_type(jnp.asarray(self.bits), self.dtype)

    def __getitem__(self, index) -> "FloatBits":
        return jax.tree.map(lambda a: a[index], self)

    def __iter__(self):
        # without it Python would index until an IndexError, which JAX never raises
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        if isinstance(self.bits, Tracer) or not hasattr(self.bits, "tolist"):
            return f"FloatBits({self.bits}, {self.format.name})"
        words = np.asarray(self.bits)
        if words.ndim == 0:
            return f"FloatBits({spelled(self.format, int(words))})"
        shown = [f"  {spelled(self.format, int(w))}" for w in words.ravel()[:_SHOWN]]
        if words.size > _SHOWN:
            shown.append(f"  ... {words.size - _SHOWN} more")
        shape = ",".join(map(str, words.shape))
        return "\n".join([f"FloatBits({self.format.name}[{shape}]", *shown]) + ")"


_SHOWN = 8  # elements in a repr


def spelled(fmt: Format, word: int) -> str:
    """Sign, exponent field and fraction field in binary."""
    text = f"{word:0{fmt.width}b}"
    split = 1 + fmt.exponent_bits
    return f"{text[0]} {text[1:split]} {text[split:]}"


def choose(flag, x: FloatBits, y: FloatBits) -> FloatBits:
    """x where the flag is set, y elsewhere."""
    return jax.tree.map(lambda a, b: jnp.where(flag, a, b), x, y)
