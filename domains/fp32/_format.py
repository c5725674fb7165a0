"""The binary formats that a node may compute in, as numbers."""

import functools
from dataclasses import dataclass

import jax.numpy as jnp

from torchlean_jax.domains._errors import MissingRuleError

NAMES = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Format:
    """A binary format.

    unit: the largest relative error of rounding to nearest, half an ulp of 1; tiny: the
    smallest normal number, below which a result may be flushed to 0; largest: the
    largest finite number.
    """

    name: str
    unit: float
    tiny: float
    largest: float


@functools.cache
def _named(name) -> Format:
    kind = jnp.finfo(name)
    return Format(
        name, float(kind.eps) / 2, float(kind.smallest_normal), float(kind.max)
    )


def format_of(dtype) -> Format:
    """The format of a dtype. MissingRuleError for one that has no error model."""
    name = jnp.dtype(dtype).name
    if name not in NAMES:
        raise MissingRuleError(
            f"FP32 models {', '.join(NAMES)}; got {name}. Compute in one of them, or "
            "bound the parts around it"
        )
    return _named(name)


def accumulated(unit: float, roundings: float) -> float:
    """The relative error of a number that has been rounded so many times, upward.

    (1 + u)^n - 1 <= e^(n u) - 1, which holds for any n; 1 - (1 - u)^n is smaller.
    """
    share = roundings * unit
    if share > 700:
        return float("inf")
    if share > 1e-3:
        from math import expm1

        return expm1(share) * (1 + 2**-40)
    # e^s - 1 <= s + s^2/2 + s^3 for s <= 1, without the rounding of the library
    return (share + share**2 / 2 + share**3) * (1 + 2**-40)
