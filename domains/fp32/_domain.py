"""The FP32 domain: rules under one error model.

Rules are in the other files; each is a function of the domain and of values, and says
what the primitive does to the reals, to the runs, and to the distance between them.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import jax.numpy as jnp
from jax.core import Tracer

from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains._registry import BoundRules, RuleTable
from torchlean_jax.domains.fp32 import _value
from torchlean_jax.domains.fp32._format import format_of
from torchlean_jax.domains.fp32._model import ErrorModel
from torchlean_jax.domains.fp32._origin import READ
from torchlean_jax.domains.fp32._value import FP32Value, apart, working
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude

# Each rule takes the domain first, then what rules of any domain take.
table = RuleTable("FP32")


class _OnClassOrInstance:
    """A method that, asked of the class, is that of the instance with the defaults."""

    def __init__(self, function: Callable):
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance, owner) -> Any:
        return functools.partial(self.function, instance or owner())


def _on_class_or_instance(function) -> Any:
    return _OnClassOrInstance(function)


class _Rules:
    def __get__(self, instance, owner) -> Any:
        return BoundRules(table, instance or owner())


@dataclass(frozen=True)
class FP32:
    """The domain of every binary floating-point execution of a program.

    `tl.interpret(f, domain=tl.FP32)` runs `f` on values that hold an enclosure of the
    result over the reals (`.real`), a bound on how far any run may be from it
    (`.error`), and an enclosure of every run (`.execution`). A run computes each node
    of the jaxpr in its own dtype: in any order of summation, with products fused into
    sums or not, with subnormals kept or flushed to 0, with library functions and array
    products as the error `model` says. So do eager runs, `faithful_jit`, and a plain
    jit whose audit is clean (`audit_compilation`).

    model: what is assumed of operations, by default `ErrorModel.xla_cpu()`.

    Sources: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections
    2.2, 3.1, 4.2; each rule derives its own bound.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> third = tl.interpret(lambda x: x / 3, domain=tl.FP32)(tl.FP32.lift(1.0))
    >>> bool(third.execution.contains(jnp.float32(1) / jnp.float32(3)))
    True
    >>> 1e-8 < float(third.error) < 1e-7
    True
    """

    model: ErrorModel = field(default_factory=ErrorModel.xla_cpu)
    # The part of each equation's own rounding that counts: `breakdown` tries less.
    share: Any = 1.0

    rules = cast(Any, _Rules())
    # Runs may take a subnormal number for 0, constants too: the walk asks.
    flushes = True

    @_on_class_or_instance
    def is_value(self, x) -> bool:
        """A box counts: it is lifted where the walk starts."""
        return isinstance(x, FP32Value | Interval)

    @_on_class_or_instance
    def lift(self, x) -> FP32Value:
        """A concrete array, or a box of inputs, as a value: no error, but for
        subnormals.

        A machine may read a subnormal number as 0.
        """
        if isinstance(x, FP32Value):
            return x
        dtype = jnp.dtype(x.dtype if hasattr(x, "dtype") else jnp.result_type(x))
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise MissingRuleError(
                "FP32 has no rules for complex numbers; compute on real and imaginary "
                "parts"
            )
        if jnp.issubdtype(dtype, jnp.floating):
            format_of(dtype)  # refuses one that has no error model
            return _as_inputs(Interval.lift(x), dtype)
        real = Interval.lift(x)
        nothing = jnp.zeros(real.shape, working(real))
        return FP32Value(real, nothing, real, dtype, READ)

    @_on_class_or_instance
    def inputs(self, box: Interval, dtype) -> FP32Value:
        """The numbers of a dtype in a box, whose ends may be finer than the dtype."""
        format_of(dtype)
        return _as_inputs(box, dtype)

    @_on_class_or_instance
    def join(self, values, possible) -> FP32Value:
        """Covers a run that takes one branch where the reals take another."""
        real = Interval.join([v.real for v in values], possible)
        run = Interval.join([v.execution for v in values], possible)
        count = sum(jnp.asarray(p, jnp.int32) for p in possible)
        same = [jnp.where(p, v.error, 0) for v, p in zip(values, possible, strict=True)]
        error = jnp.where(
            count == 1, functools.reduce(jnp.maximum, same), apart(real, run)
        )
        return FP32Value(real, error, run, values[0].dtype)

    @_on_class_or_instance
    def unknown(self, shape, dtype) -> FP32Value:
        return _value.unknown(shape, dtype)

    @_on_class_or_instance
    def settle(self, value: FP32Value):
        """The array of decided integers or booleans on which every run agrees."""
        parts = (value.real.lo, value.real.hi, value.error)
        if value.is_float or any(isinstance(e, Tracer) for e in parts):
            return value
        decided = bool((value.real.lo == value.real.hi).all())
        return value.real.lo if decided and not bool(value.error.any()) else value


def _as_inputs(real, dtype):
    """The floats among `real`: read as they are, but for what may be flushed to 0."""
    tiny = format_of(dtype).tiny
    zero = (real.lo == 0) & (real.hi == 0)
    flushed = (real.lo < tiny) & (real.hi > -tiny) & ~zero
    size = jnp.minimum(magnitude(real), tiny)
    error = jnp.where(flushed, size, 0).astype(real.dtype)
    error = jnp.where(real.may_be_nan, jnp.inf, error)
    lo = jnp.where(flushed, jnp.minimum(real.lo, 0), real.lo)
    hi = jnp.where(flushed, jnp.maximum(real.hi, 0), real.hi)
    return FP32Value(real, error, Interval(lo, hi), dtype, READ)
