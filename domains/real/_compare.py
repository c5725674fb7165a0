"""Rules for comparisons and casts: decided, or an error that asks for more bits.

The results are boolean and integer arrays, never values of the domain.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import MissingRuleError, UndecidedError
from torchlean_jax.domains.real._apply import elementwise
from torchlean_jax.domains.real._arithmetic import whole_part
from torchlean_jax.domains.real._flint import (
    TooFewBitsError,
    flint,
    is_decided,
    is_no_number,
)
from torchlean_jax.domains.real._value import RealArray, each, each2, lift, rules


def less(x, y) -> bool:
    return _decide(x < y, x >= y, x, y, of_itself=False)


def less_equal(x, y) -> bool:
    return _decide(x <= y, x > y, x, y, of_itself=True)


def _decide(holds, fails, x, y, *, of_itself):
    """Arb's comparisons are true only where they hold of all points of the balls.

    One object is one number, however wide its ball: so a maximum, which is one of the
    elements, is found equal to it.
    """
    if holds or fails:
        return holds
    if is_no_number(x) or is_no_number(y):
        return False
    if x is y and x.is_finite():
        return of_itself
    raise TooFewBitsError("a comparison is undecided: the balls overlap")


def equal(x, y) -> bool:
    if is_no_number(x) or is_no_number(y):
        return False
    if x == y or (x is y and x.is_finite()):
        return True
    if x != y:
        return False
    raise TooFewBitsError("an equality is undecided: the balls overlap")


def _flags(function, x, y):
    return each2(function, x.balls, y.balls).astype(bool)


rules.define("lt", "lt_to")(lambda x, y: _flags(less, x, y))
rules.define("le", "le_to")(lambda x, y: _flags(less_equal, x, y))
rules.define("gt")(lambda x, y: _flags(less, y, x))
rules.define("ge")(lambda x, y: _flags(less_equal, y, x))
rules.define("eq")(lambda x, y: _flags(equal, x, y))
rules.define("ne")(lambda x, y: ~_flags(equal, x, y))


# Of a value beside itself only one thing is open: whether it is a number.
@rules.define("same:eq", "same:le", "same:ge")
def _holds_of_itself(x, _):
    return each(_is_number, x.balls).astype(bool)


@rules.define("same:ne")
def _differs_from_itself(x, _):
    return ~_holds_of_itself(x, x)


@rules.define("same:lt", "same:gt")
def _never_of_itself(x, _):
    return np.zeros(x.shape, bool)


def _is_number(x):
    if not is_decided(x):
        raise TooFewBitsError("whether this is a number is undecided")
    return not is_no_number(x)


@rules.define("is_finite")
def _is_finite(x):
    return each(lambda b: _is_number(b) and b.is_finite(), x.balls).astype(bool)


@rules.define("convert_element_type")
def _convert(x, *, new_dtype):
    """To a float the identity, from an integer too; to an integer the whole part."""
    target = jnp.dtype(new_dtype)
    if jnp.issubdtype(target, jnp.complexfloating):
        if x.is_complex:
            return _renamed(x, target)
        return elementwise(flint().acb, x, dtype=target, total=True)
    if x.is_complex:
        raise MissingRuleError(f"a cast from complex numbers to {target}")
    if jnp.issubdtype(target, jnp.floating):
        return _renamed(x, target)
    if target == jnp.bool_:
        return each(lambda b: not equal(b, flint().arb(0)), x.balls).astype(bool)
    return _to_integer(x, target)


def _renamed(x, dtype):
    """The same numbers under another dtype, which none of them is rounded to."""
    if x.held is not None and x.held.dtype == dtype:
        return x
    return RealArray(x.balls, dtype, finite=x.known_finite)


def _to_integer(x, target):
    kind = jnp.iinfo(target)

    def whole(ball):
        if not ball.is_finite():
            raise UndecidedError(f"what a cast to {target} makes of {ball} is not said")
        n = int(whole_part(ball).unique_fmpz())
        if not kind.min <= n <= kind.max:
            raise UndecidedError(f"{n} does not fit into {target}")
        return n

    return each(whole, x.balls).astype(target)


@rules.define_op("bitcast_convert_type")
def _bitcast(operation, x):
    """Only of bits that are at hand: integers, and floats nothing was computed from."""
    if not isinstance(x, RealArray):
        return lift(operation(x))
    if x.held is None:
        raise MissingRuleError("a real number has no bits; a float format has")
    result = operation(x.held)
    return lift(result) if jnp.issubdtype(result.dtype, jnp.inexact) else result


rules.refuse("nextafter", because="a real number has no neighbour; a float format has")
rules.refuse(
    "reduce_precision",
    because="it rounds to a float format, and a real number is not rounded",
)
