"""The quantised value: integers on a grid. No rule lives here.

A value is *narrow* (int8, what is stored and multiplied) or *wide* (int32: sums of
products, before they are brought back to 8 bits). Wide values have the zero point 0.
Narrowing waits until an operation needs it, so that a bias and a ReLU are applied to
the accumulator, as fused kernels do.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import InputError, MissingRuleError
from torchlean_jax.domains._registry import RuleTable
from torchlean_jax.domains.quantized._rescale import (
    REACH,
    compact,
    rescaled,
)
from torchlean_jax.domains.quantized._scheme import QuantizationScheme

rules = RuleTable("Quantized")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Quantized:
    """The numbers scale * (integers - zero_point).

    integers: int8 or int32. scale: float64, known when the program is built, with the
    rank of the integers and length 1 along axes where it is constant, or one number.
    least, most: integers - zero_point lies between, whatever the input. span: the range
    of the numbers that calibration observed.
    """

    integers: Any
    scale: Any = field(metadata={"static": True})
    zero_point: int = field(metadata={"static": True})
    least: int = field(metadata={"static": True})
    most: int = field(metadata={"static": True})
    scheme: QuantizationScheme = field(metadata={"static": True})
    span: tuple[float, float] | None = field(default=None, metadata={"static": True})

    rules: ClassVar[RuleTable] = rules

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.shape(self.integers)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_narrow(self) -> bool:
        return self.integers.dtype == jnp.int8

    @property
    def is_uniform(self) -> bool:
        """Whether one scale serves all elements."""
        return np.size(self.scale) == 1

    @property
    def reach(self) -> int:
        """A bound on |integers - zero_point|."""
        return max(-self.least, self.most, 1)

    def centred(self):
        """integers - zero_point, as int32."""
        wide = self.integers.astype(jnp.int32)
        return wide - np.int32(self.zero_point) if self.zero_point else wide

    def wide(self, integers, scale=None, least=None, most=None) -> "Quantized":
        """Another wide value of the same scheme, within the reach that int32 allows."""
        least = self.least if least is None else int(least)
        most = self.most if most is None else int(most)
        check_reach(max(-least, most))
        scale = self.scale if scale is None else compact(np.asarray(scale, np.float64))
        return Quantized(integers, scale, 0, least, most, self.scheme)

    def replace(self, **changes) -> "Quantized":
        return dataclasses.replace(self, **changes)

    @staticmethod
    def is_value(x) -> bool:
        return isinstance(x, Quantized)

    @staticmethod
    def lift(x) -> "Quantized":
        if isinstance(x, Quantized):
            return x
        raise TypeError("a constant is quantised by the rule that uses it")

    @staticmethod
    def settle(value):
        return value

    @staticmethod
    def join(values, possible):
        raise MissingRuleError("quantised branches are never joined")

    @staticmethod
    def unknown(shape, dtype):
        raise MissingRuleError("a quantised value is never unknown")


def check_reach(reach) -> None:
    """Refuse sums for which 32 bits might not be enough.

    K products of 8 bits reach K * 127 * 255, so K <= 16,577 is always accepted.
    """
    if reach > REACH:
        raise InputError(
            f"an int32 accumulator could reach {reach}, and 2**29 = {REACH} is what is "
            "allowed (so that no sum can overflow, in any order): use fewer weight "
            "bits, or split the sum"
        )


def enter(x, span, scheme: QuantizationScheme) -> Quantized:
    """A float input on its grid.

    The scale is a power of two, so that the quotient, its rounding (to even) and the
    clamp are exact in the dtype of `x`: what runs is what the real numbers say.
    """
    scale, zero = scheme.grid(span, power_of_two=True)
    first, last = scheme.limits
    kind = x.dtype.type
    steps = lax.round(x * kind(1 / scale), lax.RoundingMethod.TO_NEAREST_EVEN)
    steps = lax.clamp(kind(first - zero), steps, kind(last - zero))
    integers = (steps.astype(jnp.int32) + np.int32(zero)).astype(jnp.int8)
    least, most = first - zero, last - zero
    return Quantized(integers, np.float64(scale), zero, least, most, scheme, span)


def leave(x: Quantized, dtype):
    """The numbers of a value as floats: the integers on a grid whose scale is a power
    of two, fine enough that they take all digits of `dtype` (24 in float32).

    Converting and scaling them is then exact.
    """
    digits = min(jnp.finfo(dtype).nmant, 23)
    most = float(np.max(x.scale)) * x.reach
    scale = 2.0 ** (np.frexp(most)[1] - digits)
    if x.is_uniform and np.frexp(x.scale)[0] == 0.5 and x.reach <= 2**digits:
        integers, scale = x.centred(), float(np.ravel(x.scale)[0])
    else:
        integers, _ = rescaled(x.centred(), x.scale / scale, x.reach)
    return integers.astype(dtype) * jnp.dtype(dtype).type(scale)


def narrow(x: Quantized) -> Quantized:
    """The value in 8 bits (or fewer) with one scale, saturating.

    Exact where the integers fit as they are; else on the grid of what calibration
    observed of this value.
    """
    first, last = x.scheme.limits
    if x.is_uniform and x.is_narrow:
        return x
    if x.is_uniform:
        least = min(x.least, 0)
        zero = 0 if x.scheme.symmetric else first - least
        if least + zero >= first and max(x.most, 0) + zero <= last:
            return x.replace(integers=_byte(x.centred(), zero), zero_point=zero)
    assert x.span is not None
    scale, zero = x.scheme.grid(x.span)
    integers, _ = rescaled(x.centred(), x.scale / scale, x.reach)
    integers = integers + np.int32(zero) if zero else integers
    clipped = lax.clamp(np.int32(first), integers, np.int32(last))
    return x.replace(
        integers=clipped.astype(jnp.int8),
        scale=np.float64(scale),
        zero_point=zero,
        least=first - zero,
        most=last - zero,
    )


def _byte(integers, zero):
    return (integers + np.int32(zero) if zero else integers).astype(jnp.int8)


def aligned(*values: Quantized) -> list[Quantized]:
    """Wide values on one grid, so fine that nothing of note is lost: 24 bits for the
    largest."""
    first = values[0]
    if all(v.is_uniform and np.ravel(v.scale) == np.ravel(first.scale) for v in values):
        return [v.wide(v.centred()) for v in values]
    scale = max(float(np.max(v.scale)) * v.reach for v in values) / 2.0**24
    return [on_grid(v, scale) for v in values]


def on_grid(x: Quantized, scale: float) -> Quantized:
    """A wide value with the scale `scale`."""
    integers, reach = rescaled(x.centred(), np.asarray(x.scale / scale), x.reach)
    return x.wide(integers, scale, -reach if x.least < 0 else 0, reach)


def with_constant(x: Quantized, array) -> tuple:
    """(`x`, known numbers) as wide integers on one grid, the numbers rounded to it.

    A narrow value is refined by 8 bits first, unless the numbers are on its grid.
    """
    array = compact(np.asarray(array, np.float64))
    if not np.isfinite(array).all():
        raise InputError("a constant that is added or compared is not finite")
    steps = array / x.scale
    if x.is_narrow and not (steps == np.rint(steps)).all():
        x = x.wide(
            x.centred() * np.int32(256), x.scale / 256, 256 * x.least, 256 * x.most
        )
    largest = float(np.max(np.abs(array / x.scale), initial=0))
    if largest + x.reach > REACH / 2:
        size = np.max(np.abs(array)) + float(np.max(x.scale)) * x.reach
        x = on_grid(x, float(size) / 2.0**24)
    steps = np.asarray(np.rint(array / x.scale), np.int64)
    return x.wide(x.centred()), steps
