"""Interval rules for sums and extremes along axes and windows.

Products are in `_product.py`.

A sum of n terms, in any order, is off by at most gamma_{n-1} times the sum of magnitudes
(Higham, eq. 4.4), plus what flushing takes from partial sums.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._kinds import operation_rule_for
from torchlean_jax.domains.interval._layout import endpointwise
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.domains.interval._value import Interval, rules

rules.define_each(
    ("reduce_max", "reduce_min", "reduce_window_max", "reduce_window_min"), endpointwise
)
rules.define_each(("cummax", "cummin"), endpointwise)


def summed(operation, x, terms: int) -> Interval:
    """The rule for an operation that adds up `terms` elements of `x` for each result."""
    x = Interval.lift(x)
    lo, hi = operation(x.lo), operation(x.hi)
    tiny = float(jnp.finfo(x.dtype).smallest_normal)
    slack = 2 * gamma(terms, x.dtype)
    lo_error = operation(jnp.abs(x.lo)) * slack + terms * tiny
    hi_error = operation(jnp.abs(x.hi)) * slack + terms * tiny
    # an infinity of each sign among the terms: the sum may be no number
    invalid = jnp.isnan(operation(jnp.where(jnp.isinf(x.lo), x.lo, x.hi))) | jnp.isnan(
        operation(jnp.where(jnp.isinf(x.hi), x.hi, x.lo))
    )
    lo = jnp.where(invalid, jnp.nan, _less(lo, lo_error))
    hi = jnp.where(invalid, jnp.nan, -_less(-hi, hi_error))
    return Interval(lo, hi)


def _less(total, error):
    """total - error, rounded down; nothing below an infinite total.

    An infinite `total` may be an overflow on the way to a finite sum (3e38 + 3e38 - 3e38).
    """
    below = round_down(total - round_up(error, ulps=2))
    return jnp.where(jnp.isinf(total), -jnp.inf, below)


@operation_rule_for("float", "reduce_sum")
def _reduce_sum(operation, x):
    axes = operation.params["axes"]
    return summed(operation, x, int(np.prod([x.shape[a] for a in axes], dtype=np.int64)))


@operation_rule_for("float", "cumsum")
def _cumsum(operation, x):
    return summed(operation, x, x.shape[operation.params["axis"]])


@operation_rule_for("float", "reduce_window_sum")
def _reduce_window_sum(operation, x):
    window = operation.params["window_dimensions"]
    return summed(operation, x, int(np.prod(window, dtype=np.int64)))
