"""`Real`: the domain, its precision, and how long it is raised."""

import functools
import math
from dataclasses import dataclass
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError, LostDigitsError
from torchlean_jax.domains.real import _value
from torchlean_jax.domains.real._flint import (
    TooFewBitsError,
    flint,
    is_decided,
    unknown,
)
from torchlean_jax.domains.real._value import RealArray, each2

# Bits beyond the requested digits at the first attempt: what a network of ordinary
# depth loses, so that most calls need one walk only.
_SPARE_BITS = 96


@dataclass(frozen=True)
class Real:
    """The real numbers, to any number of digits: a program as mathematics defines it.

    `tl.interpret(f, domain=tl.Real(digits=50))(x)` evaluates the jaxpr of `f` in
    arbitrary-precision ball arithmetic and returns a `RealArray` for each output:
    midpoints with proven radii. Every float array given to it is taken as exactly the
    numbers that it holds (0.1 is the binary64 number next to 1/10), and nothing is ever
    rounded to a dtype. Integers and booleans stay arrays.

    digits: how many significant decimal digits of every output are certain. An element
    within 10**(-2 digits) of zero may come as a ball around zero, which says nothing of
    its digits: no precision tells a true zero from a tiny number. An output may also be
    an infinity or certainly no number (0/0). For arguments that are balls themselves,
    as many digits as their radii allow.

    The precision is doubled until the digits hold and every comparison is decided, up
    to `max_bits` (by default 16 times what the digits take); then UndecidedError names
    the equation and its source line: `x == y` for two roads to the same irrational
    number stays undecided at any precision.

    Runs outside jit, on Python loops; needs the extra `real` (python-flint). Source:
    Johansson 2017, "Arb: efficient arbitrary-precision midpoint-radius interval
    arithmetic" (arXiv:1611.02831).

    >>> import jax.numpy as jnp
    >>> import torchlean_jax as tl
    >>> tl.interpret(jnp.exp, domain=tl.Real(digits=40))(1.0).decimal(40)
    '2.718281828459045235360287471352662497757'
    >>> roots = lambda x: jnp.sqrt(x) * jnp.sqrt(x) - x
    >>> tl.interpret(roots, domain=tl.Real)(2.0).hi < 1e-30
    np.True_
    """

    digits: int = 30
    max_bits: int | None = None

    # not a field of the dataclass; and no ClassVar, which the protocol would refuse
    rules = cast(Any, _value.rules)

    def __post_init__(self):
        if not isinstance(self.digits, int) or not 1 <= self.digits <= 100_000:
            raise InputError(f"digits is a whole number from 1, got {self.digits!r}")
        if self.max_bits is not None and self.max_bits < self._first_bits:
            raise InputError(
                f"{self.digits} digits take {self._first_bits} bits, more than "
                f"max_bits = {self.max_bits}"
            )

    @property
    def _wanted_bits(self) -> int:
        return math.ceil(self.digits * math.log2(10)) + 1

    @property
    def _first_bits(self) -> int:
        return self._wanted_bits + _SPARE_BITS

    @staticmethod
    def is_value(x) -> bool:
        return isinstance(x, RealArray)

    @staticmethod
    def lift(x) -> RealArray:
        """A concrete array as points: exactly the numbers it holds."""
        return _value.lift(x)

    @staticmethod
    def join(values, possible) -> RealArray:
        """Balls around each of `values` whose flag in `possible` is set."""
        chosen = [v for v, flag in zip(values, possible, strict=True) if bool(flag)]
        hull = functools.reduce(
            lambda x, y: each2(lambda a, b: a.union(b), x, y), [v.balls for v in chosen]
        )
        return RealArray(hull, chosen[0].dtype)

    @staticmethod
    def unknown(shape, dtype) -> RealArray:
        balls = np.full(shape, unknown(), object)
        if jnp.issubdtype(dtype, jnp.complexfloating):
            balls = each2(flint().acb, balls, balls)
        return RealArray(balls, dtype, finite=balls.size == 0)

    @staticmethod
    def settle(value):
        return value

    @staticmethod
    def stack(values, shape, dtype) -> RealArray:
        if not values:
            return RealArray.holding(np.zeros(shape, dtype))
        finite = all(v.known_finite for v in values) or None
        return RealArray(np.stack([v.balls for v in values]), dtype, finite=finite)

    def evaluate(self, run, inputs) -> list:
        """The outputs of `run(observe)`, at the first precision that suffices."""
        exact = all(_is_exact(x) for x in inputs if isinstance(x, RealArray))
        bits = self._first_bits
        cap = self.max_bits or 16 * bits
        best = -math.inf
        while True:
            with flint().ctx.workprec(bits):
                outputs = _attempt(run, is_last=bits >= cap)
                if outputs is not None:
                    worst = min(map(self._accuracy, outputs), default=math.inf)
                    # radii of the arguments bound what any precision can give
                    if worst == math.inf or (not exact and worst < best + 8):
                        return outputs
                    if bits >= cap:
                        raise self._lost_digits(run, outputs)
                    best = worst
            bits = min(2 * bits, cap)

    def _accuracy(self, x) -> float:
        """Relative bits of the worst element that is not good enough; inf if none."""
        if not isinstance(x, RealArray) or x.held is not None:
            return math.inf
        floor = flint().arb(10) ** (-2 * self.digits)
        worst = math.inf
        for ball in x.balls.flat:
            bits = ball.rel_accuracy_bits()
            if bits < self._wanted_bits and not (
                _below(ball, floor) if ball.is_finite() else is_decided(ball)
            ):
                worst = min(worst, bits)
        return worst

    def _lost_digits(self, run, outputs) -> LostDigitsError:
        """The error that says where the digits were lost: the walk once more."""
        lossy: list[Any] = []

        def observe(path, eqn, operands, results):
            good = all(self._accuracy(x) == math.inf for x in operands)
            if good and any(self._accuracy(x) < math.inf for x in results):
                lossy.append(eqn)

        run(observe)
        short = [x for x in outputs if self._accuracy(x) < math.inf]
        error = LostDigitsError(
            f"{len(short)} of {len(outputs)} outputs do not reach {self.digits} digits "
            f"with {flint().ctx.prec} bits: ask for fewer digits, allow more with "
            "max_bits, or see whether the value is defined there (a quotient by a "
            "difference that is zero is not)"
        )
        error.equations = tuple(lossy[:3])
        return error


def _attempt(run, *, is_last) -> list | None:
    """The outputs at this precision; None where it leaves something undecided."""
    try:
        return [_as_value(x) for x in run(None)]
    except TooFewBitsError:
        if is_last:
            raise
        return None


def _as_value(x):
    return RealArray.holding(np.asarray(x)) if _is_plain_float(x) else x


def _is_plain_float(x):
    return not isinstance(x, RealArray) and jnp.issubdtype(
        jnp.result_type(x), jnp.inexact
    )


def _is_exact(x):
    return x.held is not None or all(ball.is_exact() for ball in x.balls.flat)


def _below(ball, floor):
    if isinstance(ball, flint().acb):
        return _below(ball.real, floor) and _below(ball.imag, floor)
    return abs(ball) < floor
