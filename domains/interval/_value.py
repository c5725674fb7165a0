"""The interval value and how concrete arrays become intervals. No rule lives here."""

import functools
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool

from torchlean_jax.domains._registry import RuleTable
from torchlean_jax.domains.interval import _exact

rules = RuleTable("Interval")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True)
class Interval:
    """Everything between `lo` and `hi`, elementwise, endpoints included.

    `lo` and `hi` have one shape and one dtype, `lo <= hi`, and are never subnormal.
    Infinite endpoints are possible values (a program can hold an infinity). Where they
    are NaN nothing is known, not even that the value is a number (`may_be_nan`).
    Boolean and integer intervals are the undecided results of comparisons and of index
    arithmetic.

    The constructor stores what it is given: JAX rebuilds values with tracers inside.
    Use `tl.box` to build an input set with checks.

    >>> Interval.lift(jnp.float32(2.0)) - 1
    Traceback (most recent call last):
        ...
    TypeError: unsupported operand type(s) for -: 'Interval' and 'int'
    """

    lo: Array
    hi: Array

    rules: ClassVar[RuleTable] = rules

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.shape(self.lo)

    @property
    def dtype(self):
        return jnp.result_type(self.lo)

    @property
    def ndim(self) -> int:
        return jnp.ndim(self.lo)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def width(self) -> Array:
        """hi - lo, as a measure of tightness: it is not rounded outward."""
        return self.hi - self.lo

    @property
    def may_be_nan(self) -> Bool[Array, "..."]:
        """Where the value may fail to be a number."""
        return (self.lo != self.lo) | (self.hi != self.hi)

    def contains(self, x) -> Bool[Array, "..."]:
        """Where `x` lies inside; everything lies inside where nothing is known."""
        return ~((x < self.lo) | (x > self.hi))

    def __getitem__(self, index) -> "Interval":
        return Interval(self.lo[index], self.hi[index])

    def __iter__(self):
        # without it Python would index until an IndexError, which JAX never raises
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        if isinstance(self.lo, Tracer) or not hasattr(self.lo, "tolist"):
            return f"Interval(lo={self.lo}, hi={self.hi})"
        if self.ndim == 0:
            return f"Interval([{self.lo}, {self.hi}])"
        return f"Interval(lo={self.lo!r}, hi={self.hi!r})"

    @staticmethod
    def is_value(x) -> bool:
        return isinstance(x, Interval)

    @staticmethod
    def lift(x) -> "Interval":
        """A concrete array as the interval that holds just it, at working precision.

        An interval given in a narrower dtype is widened exactly. A subnormal number
        becomes the interval from 0 to the smallest normal one, since arithmetic may
        read it as either.
        """
        if isinstance(x, Interval):
            return _widen(x)
        dtype = jnp.result_type(x)
        if jnp.issubdtype(dtype, jnp.inexact) and not _exact.is_tracer(x):
            # not jnp.asarray: a subnormal constant of a program is flushed
            x = np.asarray(x).astype(jax.dtypes.canonicalize_dtype(dtype))
        else:
            x = jnp.asarray(x)
        if jnp.issubdtype(x.dtype, jnp.complexfloating):
            real, imag = Interval.lift(np.real(x)), Interval.lift(np.imag(x))
            return Interval(
                jax.lax.complex(real.lo, imag.lo), jax.lax.complex(real.hi, imag.hi)
            )
        if not _exact.is_float(x):
            x = jnp.asarray(x)
            return Interval(x, x)
        lo, hi = _exact.sanitize(_exact.exact_cast(x, _at_least_working(x.dtype)))
        return Interval(lo, hi)

    @staticmethod
    def join(values, possible) -> "Interval":
        """The smallest interval that covers each of `values` whose flag is set."""
        if jnp.issubdtype(values[0].dtype, jnp.complexfloating):
            parts = [
                Interval.join([Interval(f(v.lo), f(v.hi)) for v in values], possible)
                for f in (jnp.real, jnp.imag)
            ]
            return Interval(*map(jax.lax.complex, *[(p.lo, p.hi) for p in parts]))
        lows, highs = [], []
        for value, flag in zip(values, possible, strict=True):
            least, most = bounds_of_dtype(value.dtype)
            lows.append(jnp.where(flag, value.lo, most))
            highs.append(jnp.where(flag, value.hi, least))
        return Interval(
            functools.reduce(jnp.minimum, lows), functools.reduce(jnp.maximum, highs)
        )

    @staticmethod
    def unknown(shape, dtype) -> "Interval":
        dtype = jnp.dtype(dtype)
        if jnp.issubdtype(dtype, jnp.inexact):
            wide = _at_least_working(dtype)
            nan = jnp.nan
            if jnp.issubdtype(wide, jnp.complexfloating):
                nan = jax.lax.complex(nan, nan).astype(wide)
            nothing = jnp.full(shape, nan, wide)
            return Interval(nothing, nothing)
        lowest, highest = range_of(dtype)
        return Interval(jnp.full(shape, lowest, dtype), jnp.full(shape, highest, dtype))

    @staticmethod
    def settle(value: "Interval"):
        """The concrete array if endpoints can be seen and agree (never for a float)."""
        if jnp.issubdtype(value.dtype, jnp.inexact):
            return value
        if _exact.is_tracer(value.lo, value.hi):
            return value
        return value.lo if bool((value.lo == value.hi).all()) else value


def _widen(x: Interval) -> Interval:
    if not _exact.is_float(x):
        return x
    dtype = _at_least_working(x.dtype)
    return Interval(
        _exact.sanitize(_exact.exact_cast(x.lo, dtype))[0],
        _exact.sanitize(_exact.exact_cast(x.hi, dtype))[1],
    )


def _at_least_working(dtype):
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return jnp.promote_types(dtype, jnp.result_type(_exact.working_dtype(), 1j))
    return jnp.promote_types(dtype, _exact.working_dtype())


def range_of(dtype):
    """The (lowest, highest) value of an integer or boolean dtype."""
    if dtype == jnp.bool_:
        return False, True
    kind = jnp.iinfo(dtype)
    return kind.min, kind.max


def bounds_of_dtype(dtype):
    """The (lowest, highest) value of a real dtype, as scalars of it, maybe infinite."""
    dtype = jnp.dtype(dtype)
    pair = (
        (-jnp.inf, jnp.inf) if jnp.issubdtype(dtype, jnp.floating) else range_of(dtype)
    )
    return jnp.asarray(pair[0], dtype), jnp.asarray(pair[1], dtype)
