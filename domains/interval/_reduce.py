"""Interval rules for sums and extremes along axes and windows.

Products are in `_product.py`.

A sum of n terms, in any order, is off by at most gamma_{n-1} times the sum of
magnitudes (Higham, eq. 4.4), plus what flushing takes from partial sums.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.interval._arithmetic import known, magnitude, nan_if
from torchlean_jax.domains.interval._contraction import dot_general, gamma
from torchlean_jax.domains.interval._kinds import operation_rule_for
from torchlean_jax.domains.interval._layout import endpointwise
from torchlean_jax.domains.interval._power import square
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.domains.interval._value import Interval, rules

rules.define_each(
    ("reduce_max", "reduce_min", "reduce_window_max", "reduce_window_min"), endpointwise
)
rules.define_each(("cummax", "cummin"), endpointwise)


def summed(operation, x, terms: int) -> Interval:
    """The rule for an operation that adds up `terms` elements for each result."""
    x = Interval.lift(x)
    lo, hi = operation(x.lo), operation(x.hi)
    tiny = float(jnp.finfo(x.dtype).smallest_normal)
    # twice: the sum of magnitudes is itself computed
    slack = 2 * gamma(terms, x.dtype)
    error = operation(magnitude(x)) * slack + terms * tiny
    # infinities of both signs are possible among the terms: the sum may be no number
    invalid = ~(jnp.isfinite(lo) | jnp.isfinite(hi))
    lo, hi = _less(lo, error), -_less(-hi, error)
    # a sum of squares is not negative: the root of a lower bound below 0 would be lost
    no_negative = operation(jnp.minimum(x.lo, 0)) == 0
    no_positive = operation(jnp.maximum(x.hi, 0)) == 0
    lo = jnp.where(no_negative, jnp.maximum(lo, 0), lo)
    hi = jnp.where(no_positive, jnp.minimum(hi, 0), hi)
    return nan_if(invalid, known(lo, hi))


def _less(total, error):
    """total - error, rounded down; nothing below an infinite total.

    An infinite `total` may be an overflow on the way to a finite sum (3e38 + 3e38 -
    3e38).
    """
    below = round_down(total - round_up(error, ulps=2))
    return jnp.where(jnp.isinf(total), -jnp.inf, below)


@operation_rule_for("float", "reduce_sum")
def reduce_sum(operation, x):
    axes = operation.params["axes"]
    return summed(
        operation, x, int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
    )


@operation_rule_for("float", "cumsum")
def cumsum(operation, x):
    return summed(operation, x, x.shape[operation.params["axis"]])


@operation_rule_for("float", "reduce_window_sum")
def _reduce_window_sum(operation, x):
    window = operation.params["window_dimensions"]
    return summed(operation, x, int(np.prod(window, dtype=np.int64)))


@operation_rule_for("float", "same:dot_general")
def _dot_with_itself(operation, x, y):
    """x . x is a sum of squares, if no axis is left free to pair different elements."""
    (dims, other_dims), (batch, other_batch) = operation.params["dimension_numbers"]
    same_axes = (dims, batch) == (other_dims, other_batch)
    in_order = tuple(batch) == tuple(range(len(batch)))
    if not same_axes or not in_order or len(dims) + len(batch) != x.ndim:
        return dot_general(operation, x, y)
    terms = int(np.prod([x.shape[a] for a in dims], dtype=np.int64))
    return summed(
        lambda e: jnp.sum(e, axis=tuple(dims)), square(Interval.lift(x)), terms
    )
