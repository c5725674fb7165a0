"""Interval rules for functions that rise and fall: the trigonometric ones, cosh, atan2."""

from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._arithmetic import known
from torchlean_jax.domains.interval._kinds import rule_for

INTERVALS = {
    "sin": f.sin_interval,
    "cos": f.cos_interval,
    "tan": f.tan_interval,
    "cosh": f.cosh_interval,
}


def _of_endpoints(interval):
    return lambda x: known(*interval(x.lo, x.hi))


for _name, _interval in INTERVALS.items():
    rule_for("float", _name)(_of_endpoints(_interval))


@rule_for("float", "atan2")
def _atan2(y, x):
    return known(*f.atan2_interval(y.lo, y.hi, x.lo, x.hi))
