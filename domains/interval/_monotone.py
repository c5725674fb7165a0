"""Interval rules for functions that increase, or decrease, throughout their domain.

`f_bounds(x)` encloses f at a point, so two points give the interval. Outside its domain
a function gives no number, and then nothing is known of the interval either.
"""

from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._arithmetic import known
from torchlean_jax.domains.interval._kinds import rule_for

INCREASING = {
    "exp": f.exp_bounds,
    "exp2": f.exp2_bounds,
    "expm1": f.expm1_bounds,
    "log": f.log_bounds,
    "log1p": f.log1p_bounds,
    "log2": f.log2_bounds,
    "logistic": f.logistic_bounds,
    "tanh": f.tanh_bounds,
    "sqrt": f.sqrt_bounds,
    "cbrt": f.cbrt_bounds,
    "erf": f.erf_bounds,
    "erf_inv": f.erf_inv_bounds,
    "asin": f.asin_bounds,
    "atan": f.atan_bounds,
    "asinh": f.asinh_bounds,
    "acosh": f.acosh_bounds,
    "atanh": f.atanh_bounds,
    "sinh": f.sinh_bounds,
}
DECREASING = {"rsqrt": f.rsqrt_bounds, "erfc": f.erfc_bounds, "acos": f.acos_bounds}


def _increasing(bounds):
    return lambda x: known(bounds(x.lo)[0], bounds(x.hi)[1])


def _decreasing(bounds):
    return lambda x: known(bounds(x.hi)[0], bounds(x.lo)[1])


for _name, _bounds in INCREASING.items():
    rule_for("float", _name)(_increasing(_bounds))
for _name, _bounds in DECREASING.items():
    rule_for("float", _name)(_decreasing(_bounds))
