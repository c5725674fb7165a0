"""How real numbers are laid on a grid of small integers.

A grid is a scale s and a zero point z: the integer q stands for s (q - z). Choosing one
from what was observed is here; what operations do to integers is not.
"""

import math
from dataclasses import dataclass

import numpy as np

from torchlean_jax.domains._errors import InputError


@dataclass(frozen=True)
class QuantizationScheme:
    """How many bits, how many scales, and whether zero sits in the middle.

    bits: of activations, 2 to 8; stored as int8. weight_bits: of weights (None: the
        same).
    per_channel: whether each output channel of a weight has a scale of its own.
    symmetric: whether activations have the zero point 0; otherwise it is chosen so that
        the observed range, and 0, just fit. Weights always have the zero point 0 and
        use -m..m with m = 2**(weight_bits - 1) - 1.

    Raises InputError for bits out of range.

    >>> QuantizationScheme(bits=4).limits
    (-8, 7)
    """

    bits: int = 8
    weight_bits: int | None = None
    per_channel: bool = True
    symmetric: bool = False

    def __post_init__(self):
        for name in ("bits", "weight_bits"):
            bits = getattr(self, name)
            if bits is None and name == "weight_bits":
                continue
            if (
                isinstance(bits, bool)
                or not isinstance(bits, int)
                or not 2 <= bits <= 8
            ):
                raise InputError(f"{name} is a whole number from 2 to 8; got {bits!r}")

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the largest integer of an activation."""
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    @property
    def largest_weight(self) -> int:
        return 2 ** ((self.weight_bits or self.bits) - 1) - 1

    def grid(self, span, *, power_of_two: bool = False) -> tuple[float, int]:
        """(scale, zero point) on which the observed range and 0 fit.

        power_of_two: for inputs, so that dividing a float by the scale is exact.
        """
        least, most = min(span[0], 0.0), max(span[1], 0.0)
        first, last = self.limits
        if self.symmetric:
            scale = max(-least / -first, most / last)
        else:
            scale = (most - least) / (last - first)
        if not scale > 0:  # only zeros were observed, or what is next to nothing
            return 1.0, 0
        if power_of_two:
            mantissa, exponent = math.frexp(scale)
            scale = 2.0 ** (exponent - (mantissa == 0.5))
        if self.symmetric:
            return scale, 0
        return scale, round(first - least / scale)

    def weights(self, array, axes) -> tuple[np.ndarray, np.ndarray]:
        """(int8 weights, float64 scales with the axes `axes` of length 1, or all of
        them).

        Rounded to nearest even. A channel of zeros has the scale 1.
        """
        array = np.asarray(array, np.float64)
        axes = tuple(axes) if self.per_channel else tuple(range(array.ndim))
        largest = np.max(np.abs(array), axis=axes, keepdims=True, initial=0)
        scales = np.where(largest > 0, largest / self.largest_weight, 1.0)
        return np.rint(array / scales).astype(np.int8), scales


SCHEMES = {
    "int8": QuantizationScheme(),
    "int4": QuantizationScheme(bits=4),
}


def as_scheme(scheme) -> QuantizationScheme:
    """A scheme, or the one of that name. Raises InputError for anything else."""
    if isinstance(scheme, QuantizationScheme):
        return scheme
    if isinstance(scheme, str) and scheme in SCHEMES:
        return SCHEMES[scheme]
    raise InputError(
        f"a scheme is one of {', '.join(SCHEMES)} or a tl.QuantizationScheme; got "
        f"{scheme!r}"
    )
