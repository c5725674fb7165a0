"""Interval rules for functions that rise and fall: trigonometric, cosh, gamma."""

import jax.numpy as jnp

from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._arithmetic import known, nan_if
from torchlean_jax.domains.interval._kinds import rule_for
from torchlean_jax.domains.interval._value import rules

INTERVALS = {
    "sin": f.sin_interval,
    "cos": f.cos_interval,
    "tan": f.tan_interval,
    "cosh": f.cosh_interval,
    "lgamma": f.lgamma_interval,
}


def _of_endpoints(interval):
    return lambda x: known(*interval(x.lo, x.hi))


for _name, _interval in INTERVALS.items():
    rule_for("float", _name)(_of_endpoints(_interval))


@rule_for("float", "atan2")
def _atan2(y, x):
    return known(*f.atan2_interval(y.lo, y.hi, x.lo, x.hi))


@rule_for("float", "digamma")
def _digamma(x):
    """The poles at 0, -1, -2... are no numbers: infinities of both signs meet there."""
    result = known(*f.digamma_interval(x.lo, x.hi))
    return nan_if((x.lo <= 0) & (x.hi >= jnp.ceil(x.lo)), result)


rules.refuse(
    "polygamma",
    "igamma",
    "igammac",
    "zeta",
    because="no approximation with a proved error bound has been derived for it",
)
