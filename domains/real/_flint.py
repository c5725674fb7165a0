"""The arbitrary-precision library behind the domain, imported on first use.

python-flint is the extra `real`: neither `import torchlean_jax` nor `tl.Real` needs it,
running a program does.
"""

import functools
from typing import Any

from torchlean_jax.domains._errors import InputError, UndecidedError


class MissingLibraryError(InputError, ImportError):
    """An optional library that the request needs is not installed."""


class TooFewBitsError(UndecidedError):
    """A question that more bits may answer: the walk is repeated with more."""


@functools.cache
def flint() -> Any:
    """The module `flint`. Raises MissingLibraryError where it is not installed."""
    try:
        import flint as module
    except ImportError as error:
        raise MissingLibraryError(
            "tl.Real computes with python-flint, which is not installed: "
            "pip install 'torchlean-jax[real]'"
        ) from error
    return module


@functools.cache
def no_number():
    """What an invalid operation gives: certainly not a number (Arb: NaN, radius 0)."""
    return flint().arb(float("nan"))


@functools.cache
def unknown():
    """A ball about which nothing is known at this precision (Arb: NaN, radius inf)."""
    return flint().arb.nan()


@functools.cache
def infinity():
    return flint().arb(float("inf"))


def is_no_number(x) -> bool:
    """Whether the ball (real or complex) is certainly not a number."""
    if isinstance(x, flint().acb):
        return is_no_number(x.real) or is_no_number(x.imag)
    return x.is_nan() and x.rad().is_zero()


def is_infinite(x) -> bool:
    """Whether the ball is certainly one of the two infinities."""
    return not (x.is_finite() or x.is_nan()) and x.rad().is_finite()


def is_decided(x) -> bool:
    """Whether the ball is a number, an infinity or certainly no number."""
    if isinstance(x, flint().acb):
        return is_no_number(x) or (is_decided(x.real) and is_decided(x.imag))
    return x.is_finite() or is_no_number(x) or is_infinite(x)
