"""Interval rules for activations that a model calls by name, tighter than their pieces.

`call:NAME` is matched with the body of `jax.nn.NAME`; `torchlean_jax.interpreters` says
how. `relu` needs none: `max` is exact.
"""

import jax.numpy as jnp

from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._arithmetic import add, known, mul
from torchlean_jax.domains.interval._kinds import rule_for
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.domains.interval._value import Interval


@rule_for("float", "call:softplus")
def _softplus(x):
    return known(f.softplus_bounds(x.lo)[0], f.softplus_bounds(x.hi)[1])


@rule_for("float", "call:logaddexp")
def log_add_exp(x, y):
    """log(e^x + e^y) = max + softplus(-|x - y|), increasing in both."""
    return known(_log_add_exp_at(x.lo, y.lo).lo, _log_add_exp_at(x.hi, y.hi).hi)


def _log_add_exp_at(a, b):
    high, low = jnp.maximum(a, b), jnp.minimum(a, b)
    # -inf beside -inf: the sum is -inf whatever the gap
    gap = jnp.where(low == high, 0, low - high)
    beyond = Interval(
        f.softplus_bounds(round_down(gap))[0], f.softplus_bounds(round_up(gap))[1]
    )
    total = add(Interval(high, high), beyond)
    infinite = jnp.isinf(high)
    return Interval(
        jnp.where(infinite, high, total.lo), jnp.where(infinite, high, total.hi)
    )


# x * logistic(x) falls to its minimum -W(1/e) at -1 - W(1/e) = -1.27846..., then rises
# (W is Lambert's function).
_BEFORE, _AFTER = -1.2785, -1.2784
_LEAST = -0.278464543


@rule_for("float", "call:silu")
def _silu(x):
    low, high = _silu_at(x.lo), _silu_at(x.hi)
    turns = (x.lo <= _AFTER) & (x.hi >= _BEFORE)
    least = round_down(jnp.asarray(_LEAST, x.dtype))
    lo = jnp.where(turns, least, jnp.minimum(low.lo, high.lo))
    return known(lo, jnp.maximum(low.hi, high.hi))


def _silu_at(a):
    """0 from below at -inf, where the product would be no number."""
    product = mul(Interval(a, a), Interval(*f.logistic_bounds(a)))
    vanished = jnp.isneginf(a)
    lo = jnp.where(vanished, -jnp.finfo(a.dtype).smallest_normal, product.lo)
    return Interval(lo, jnp.where(vanished, 0, product.hi))
