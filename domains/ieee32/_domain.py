"""The domain `IEEE32`: its options, and how concrete arrays become bit patterns."""

import functools
import operator
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.ieee32 import _rules
from torchlean_jax.domains.ieee32._format import BINARY32, Rounding, format_of
from torchlean_jax.domains.ieee32._kernels._dispatch import (
    Arithmetic,
    compute,
    compute_flagged,
)
from torchlean_jax.domains.ieee32._kernels._nan import POLICIES
from torchlean_jax.domains.ieee32._value import FloatBits, choose

ORDERS = ("sequential", "pairwise", "fma-sequential")


class _Either:
    """A method of a domain with options, and of the class, which is the one without."""

    def __init__(self, function):
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance, owner) -> Any:
        bound = owner() if instance is None else instance
        return functools.wraps(self.function)(functools.partial(self.function, bound))


def _either(function) -> Any:
    return _Either(function)


class _Derived:
    """What follows from the options of a domain, found on the class too."""

    def __init__(self, function):
        self.function = function

    def __get__(self, instance, owner) -> Any:
        return self.function(owner() if instance is None else instance)


@dataclass(frozen=True)
class IEEE32:
    """Bit-exact binary floating point, as IEEE 754-2019 prescribes it.

    `tl.interpret(f, domain=tl.IEEE32)(tl.IEEE32.lift(x))` is the one result that the
    equations of `f` have when each rounds once, in its own dtype (float32, float16 or
    bfloat16), and every sum is taken in the stated order. The class is the domain with
    the default options; `IEEE32(order="pairwise")` is one with others.

    order: of sums of products and of reductions. `"sequential"`: the first term, plus
    the second, plus the third...; products are rounded before they are added.
    `"fma-sequential"`: the same with each product added unrounded, in one fused
    operation. `"pairwise"`: neighbours are added, then neighbours of the results, until
    one is left; one that has no neighbour waits. Terms are counted along the reduced
    axes in row-major order; an empty sum is +0.

    rounding: `"nearest-even"`, `"nearest-away"`, `"toward-zero"`, `"down"` or `"up"`.
    flush: read subnormal numbers as zero and write zero for tiny results, as XLA does
    on a CPU. nan: `"canonical"` (one quiet pattern) or `"propagated"` (the payload of
    the first NaN operand). flags: keep the exceptions of every element; slower.

    With x64 on, most operations go through float64; with x64 off all but the sum to
    nearest are computed in integers. The bits are the same.

    Raises InputError for an option that does not exist and for numbers of another
    format (float64, complex).

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> third = tl.interpret(lambda x: x / 3, domain=tl.IEEE32)(
    ...     tl.IEEE32.lift(jnp.float32(1)))
    >>> third
    FloatBits(0 01111101 01010101010101010101011)
    """

    order: str = "sequential"
    rounding: str = "nearest-even"
    flush: bool = False
    nan: str = "canonical"
    flags: bool = False

    rules = cast(Any, _Derived(_rules.table))
    # whether comparisons of concrete numbers are for the rules too
    flushes = cast(Any, _Derived(operator.attrgetter("flush")))

    def __post_init__(self):
        _require("order", self.order, ORDERS)
        _require("rounding", self.rounding, tuple(mode.value for mode in Rounding))
        _require("nan", self.nan, POLICIES)

    @staticmethod
    def is_value(x) -> bool:
        return isinstance(x, FloatBits)

    @_either
    def lift(self, x) -> Any:
        """The bits of a concrete floating array; integers and booleans stay arrays."""
        if isinstance(x, FloatBits):
            return _with_flags(self, x)
        x = x if hasattr(x, "dtype") else jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            return jnp.asarray(x)
        fmt = format_of(jax.dtypes.canonicalize_dtype(x.dtype))
        return _with_flags(self, FloatBits(_bits_of(x, fmt), fmt))

    @_either
    def from_bits(self, bits, dtype=jnp.float32) -> FloatBits:
        """The numbers of a float dtype that unsigned integers encode."""
        fmt, bits = format_of(dtype), jnp.asarray(bits)
        if bits.dtype != fmt.storage:
            raise InputError(
                f"the bits of {fmt.name} are {fmt.storage}; got {bits.dtype}"
            )
        return _with_flags(self, FloatBits(bits, fmt))

    @staticmethod
    def join(values, possible) -> FloatBits:
        """The one value that is possible: bits are never undecided."""
        result = values[-1]
        for value, flag in zip(
            reversed(values[:-1]), reversed(possible[:-1]), strict=True
        ):
            result = choose(flag, value, result)
        return result

    @_either
    def unknown(self, shape, dtype) -> Any:
        """NaNs (zeros, of an integer dtype)."""
        if not jnp.issubdtype(dtype, jnp.inexact):
            return jnp.zeros(shape, dtype)
        fmt = format_of(dtype)
        bits = jnp.full(shape, fmt.nan, fmt.storage)
        return _with_flags(self, FloatBits(bits, fmt))

    @staticmethod
    def settle(value: FloatBits) -> FloatBits:
        return value

    @_either
    def add(self, x, y) -> FloatBits:
        """x + y."""
        return operate(self, "add", x, y)

    @_either
    def sub(self, x, y) -> FloatBits:
        """x - y."""
        return operate(self, "sub", x, y)

    @_either
    def mul(self, x, y) -> FloatBits:
        """x * y."""
        return operate(self, "mul", x, y)

    @_either
    def div(self, x, y) -> FloatBits:
        """x / y."""
        return operate(self, "div", x, y)

    @_either
    def sqrt(self, x) -> FloatBits:
        """The square root; that of -0 is -0."""
        return operate(self, "sqrt", x)

    @_either
    def fma(self, x, y, z) -> FloatBits:
        """x * y + z, rounded once."""
        return operate(self, "fma", x, y, z)

    @_either
    def rem(self, x, y) -> FloatBits:
        """x - trunc(x / y) * y, exactly: the sign of x, smaller than y (C's `fmod`)."""
        return operate(self, "rem", x, y)

    @_either
    def remainder(self, x, y) -> FloatBits:
        """x - n * y with n = x / y rounded to the nearest integer, ties to even."""
        return operate(self, "remainder", x, y)

    @_either
    def to_integral(self, x) -> FloatBits:
        """x rounded to an integer in the direction of the domain."""
        return operate(self, "to_integral", x)


def operate(domain: IEEE32, name: str, *operands) -> FloatBits:
    """One operation of `_kernels/_dispatch.py` on values or concrete arrays."""
    values = [domain.lift(x) for x in operands]
    formats = {
        v.format.name if isinstance(v, FloatBits) else str(v.dtype) for v in values
    }
    if len(formats) != 1 or not isinstance(values[0], FloatBits):
        raise InputError(
            f"{name} needs operands of one float format; got "
            f"{', '.join(sorted(formats))}"
        )
    arithmetic = arithmetic_of(domain, values[0].format)
    words = [v.bits for v in values]
    if not domain.flags:
        return FloatBits(compute(arithmetic, name, *words), values[0].format)
    bits, raised = compute_flagged(arithmetic, name, *words)
    return FloatBits(bits, values[0].format, merged(raised, *[v.flags for v in values]))


def _bits_of(x, fmt):
    """The bits of an array, as integers that the compiler takes for no float.

    XLA's code generator turns `bits & 0x7fffffff == 0` into `x == 0.0` where it sees
    that the bits are those of a float x; and that holds of a subnormal x too, since the
    hardware flushes it. An even number, b * (b + 1), hides where they come from.
    """
    bits = lax.bitcast_convert_type(x, fmt.storage)
    if not isinstance(x, Tracer):
        return bits
    one = np.ones((), fmt.storage)
    return bits ^ ((bits * (bits + one)) & one)


def merged(raised, *earlier):
    """Flags raised now or on the way to any operand."""
    for flags in earlier:
        raised = raised | flags
    return raised


def arithmetic_of(domain: IEEE32, fmt=BINARY32) -> Arithmetic:
    return Arithmetic(fmt, Rounding(domain.rounding), domain.flush, domain.nan)


def _with_flags(domain, x: FloatBits) -> FloatBits:
    if domain.flags and x.flags is None:
        return FloatBits(x.bits, x.format, jnp.zeros(x.shape, jnp.uint8))
    return x if domain.flags or x.flags is None else FloatBits(x.bits, x.format)


def _require(option, given, known):
    if given not in known:
        raise InputError(
            f"IEEE32({option}={given!r}) is unknown; the choices are "
            f"{', '.join(map(repr, known))}"
        )
