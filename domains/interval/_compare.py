"""Interval rules for comparisons: certain, impossible, or undecided.

The result is [certainly true, possibly true]. A NaN endpoint fails every comparison
below, so both outcomes stay possible.
"""

import jax.numpy as jnp

from torchlean_jax.domains.interval._kinds import rule_for
from torchlean_jax.domains.interval._value import Interval, rules


@rules.define("lt")
def _lt(x, y):
    return Interval(x.hi < y.lo, ~(x.lo >= y.hi))


@rules.define("le")
def _le(x, y):
    return Interval(x.hi <= y.lo, ~(x.lo > y.hi))


@rules.define("gt")
def _gt(x, y):
    return _lt(y, x)


@rules.define("ge")
def _ge(x, y):
    return _le(y, x)


@rule_for("integer", "eq")
@rule_for("float", "eq")
def eq(x, y):
    certain = (x.lo == x.hi) & (y.lo == y.hi) & (x.lo == y.lo)
    return Interval(certain, ~((x.hi < y.lo) | (y.hi < x.lo)))


@rule_for("integer", "ne")
@rule_for("float", "ne")
def ne(x, y):
    return opposite(eq(x, y))


def opposite(x):
    return Interval(~x.hi, ~x.lo)


# A value beside itself: undecided only where it may be no number (`x != x` asks just
# that).
@rules.define("same:eq", "same:le", "same:ge")
def _holds_of_itself(x, y):
    return Interval(~x.may_be_nan, jnp.full(x.shape, True))


@rules.define("same:ne")
def _differs_from_itself(x, y):
    return Interval(jnp.full(x.shape, False), x.may_be_nan)


@rules.define("same:lt", "same:gt")
def _never_of_itself(x, y):
    """False even at a NaN."""
    never = jnp.full(x.shape, False)
    return Interval(never, never)


@rules.define("lt_to")
def _lt_total(x, y):
    """The order of sorting puts -0 before +0, which reals cannot tell apart."""
    below = _lt(x, y)
    return Interval(below.lo, below.hi | _both_hold_zero(x, y))


@rules.define("le_to")
def _le_total(x, y):
    below = _le(x, y)
    return Interval(below.lo & ~_both_hold_zero(x, y), below.hi)


def _both_hold_zero(x, y):
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.full(x.shape, False)
    return (x.lo <= 0) & (x.hi >= 0) & (y.lo <= 0) & (y.hi >= 0)


@rules.define("is_finite")
def _is_finite(x):
    """Finite endpoints keep infinities out; [inf, inf] holds nothing finite."""
    certain = jnp.isfinite(x.lo) & jnp.isfinite(x.hi)
    never = (x.lo == x.hi) & jnp.isinf(x.lo)
    return Interval(certain, ~never)
