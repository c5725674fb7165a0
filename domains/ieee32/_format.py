"""The formats, rounding directions and exception flags: numbers, no arrays.

One set of algorithms serves every format; what differs between binary16, bfloat16 and
binary32 is the two widths below and what follows from them.
"""

import enum
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError


@dataclass(frozen=True)
class Format:
    """A binary interchange format: a sign, an exponent field, a fraction field.

    Source: IEEE 754-2019, section 3.4. `bfloat16` has the same layout.
    """

    name: str
    exponent_bits: int
    fraction_bits: int

    @property
    def width(self) -> int:
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def bias(self) -> int:
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def top_field(self) -> int:
        """The exponent field of infinities and NaNs."""
        return (1 << self.exponent_bits) - 1

    @property
    def sign(self) -> np.uint32:
        return np.uint32(1 << (self.width - 1))

    @property
    def magnitude(self) -> np.uint32:
        """The mask of everything but the sign."""
        return np.uint32((1 << (self.width - 1)) - 1)

    @property
    def fraction(self) -> np.uint32:
        return np.uint32((1 << self.fraction_bits) - 1)

    @property
    def infinity(self) -> np.uint32:
        return np.uint32(self.top_field << self.fraction_bits)

    @property
    def largest(self) -> np.uint32:
        """The largest finite number."""
        return np.uint32(self.infinity - 1)

    @property
    def smallest_normal(self) -> np.uint32:
        return np.uint32(1 << self.fraction_bits)

    @property
    def one(self) -> np.uint32:
        return np.uint32(self.bias << self.fraction_bits)

    @property
    def quiet_bit(self) -> np.uint32:
        return np.uint32(1 << (self.fraction_bits - 1))

    @property
    def nan(self) -> np.uint32:
        """The canonical quiet NaN: positive, an empty payload."""
        return np.uint32(self.infinity | self.quiet_bit)

    @property
    def dtype(self):
        """The JAX dtype of the numbers."""
        return jnp.dtype(self.name)

    @property
    def storage(self):
        """The unsigned dtype that holds the bits."""
        return jnp.dtype(jnp.uint32 if self.width == 32 else jnp.uint16)


BINARY16 = Format("float16", 5, 10)
BFLOAT16 = Format("bfloat16", 8, 7)
BINARY32 = Format("float32", 8, 23)
FORMATS = (BINARY16, BFLOAT16, BINARY32)


def format_of(dtype) -> Format:
    """The format of a floating dtype; InputError for one that has none here."""
    try:
        name = jnp.dtype(dtype).name
    except TypeError:  # no dtype at all
        name = repr(dtype)
    for candidate in FORMATS:
        if candidate.name == name:
            return candidate
    advice = (
        "cast it to float32, or use tl.Interval for what the real number is"
        if name in ("float64", "complex64", "complex128")
        else "cast it to one of these"
    )
    raise InputError(
        f"IEEE32 computes in float32, float16 and bfloat16; got {name}: {advice}"
    )


class Rounding(enum.Enum):
    """The five rounding directions of IEEE 754-2019, section 4.3."""

    NEAREST_EVEN = "nearest-even"
    NEAREST_AWAY = "nearest-away"
    TOWARD_ZERO = "toward-zero"
    DOWN = "down"
    UP = "up"


class Flags(enum.IntFlag):
    """The exceptions of IEEE 754-2019, section 7; tininess is detected after rounding.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> one, zero = map(tl.IEEE32.lift, (jnp.float32(1), jnp.float32(0)))
    >>> quotient = tl.IEEE32(flags=True).div(one, zero)
    >>> Flags(int(quotient.flags)).name
    'DIVIDE_BY_ZERO'
    """

    INEXACT = 1
    UNDERFLOW = 2
    OVERFLOW = 4
    DIVIDE_BY_ZERO = 8
    INVALID = 16
