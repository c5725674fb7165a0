"""silu and gelu as values: enclosures at points and on intervals, and plain formulas.

gelu comes in the two forms that libraries use, with the constants of the program at
hand: in binary32 neither 1/sqrt(2) nor sqrt(2/pi) is itself, and a bound speaks of the
program. The rules of `jax.nn.silu` over intervals are in
`torchlean_jax.domains.interval`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.affine import _points as p
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import known
from torchlean_jax.domains.interval._kinds import rule_for
from torchlean_jax.domains.interval._rounding import round_down


@dataclass(frozen=True)
class Gate:
    """x times a gate.

    curve(x): enclosures of the value and of the slope at points; `plain`: both in
    NumPy.
    """

    inflection: float
    curve: Callable
    plain: Callable
    plain_slope: Callable
    takes_params: bool = True


def _silu(x):
    """x s, and s + x s (1 - s), for s = logistic(x)."""
    s = p.logistic(p.at(x))
    value = p.times(x, s)
    return value, p.plus(s, p.times(x, p.times_positive(s, p.one_minus(s))))


def _gelu_erf(x, *, scale):
    """x t / 2 with t = erfc(-s x), and t / 2 + x s / sqrt(pi) exp(-(s x)**2)."""
    inner = p.scaled(p.at(x), scale)
    tail = p.scaled(p.erfc_of_negative(inner), 0.5)
    bell = p.exp(p.negate(p.square(inner)))
    rest = p.times(x, p.scaled(bell, scale / math.sqrt(math.pi)))
    return p.times(x, tail), p.plus(tail, rest)


def _gelu_tanh(x, *, scale, cubic):
    """x g, and g + x g (1 - g) 2 v', for g = (1 + tanh(v)) / 2 = logistic(2 v)."""
    square = p.square(p.at(x))
    stretch = p.one_plus(p.scaled(square, cubic))
    gate = p.logistic(p.scaled(p.times(x, stretch), 2 * scale))
    speed = p.scaled(p.one_plus(p.scaled(square, 3 * cubic)), 2 * scale)
    rest = p.times_positive(p.times_positive(gate, p.one_minus(gate)), speed)
    return p.times(x, gate), p.plus(gate, p.times(x, rest))


SCALE_ERF, SCALE_TANH, CUBIC = math.sqrt(0.5), math.sqrt(2 / math.pi), 0.044715
_erf = np.vectorize(math.erf, otypes=[float])


def _plain_tanh_gate(x):
    return 0.5 * (1 + np.tanh(SCALE_TANH * (x + CUBIC * x**3)))


def _plain_logistic(x):
    return 0.5 * (1 + np.tanh(x / 2))


GATES = {
    "call:silu": Gate(
        2.3993572805154677,
        _silu,
        lambda x: x * _plain_logistic(x),
        lambda x: _plain_logistic(x) * (1 + x * _plain_logistic(-x)),
        takes_params=False,
    ),
    "call:gelu_erf": Gate(
        math.sqrt(2),
        _gelu_erf,
        lambda x: x * 0.5 * (1 + _erf(x * SCALE_ERF)),
        lambda x: (
            0.5 * (1 + _erf(x * SCALE_ERF))
            + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        ),
    ),
    "call:gelu_tanh": Gate(
        1.4185040,
        _gelu_tanh,
        lambda x: x * _plain_tanh_gate(x),
        lambda x: (
            _plain_tanh_gate(x)
            * (
                1
                + 2
                * x
                * SCALE_TANH
                * (1 + 3 * CUBIC * x**2)
                * (1 - _plain_tanh_gate(x))
            )
        ),
    ),
}

# Both forms fall to one minimum and then rise: (turning point, least value), with room
# for constants that are off by 1e-6.
_TURNING = {
    "call:gelu_erf": (-0.7517915, -0.1699715),
    "call:gelu_tanh": (-0.7524614, -0.1700410),
}


def _over_interval(name):
    turning, least = _TURNING[name]
    curve = GATES[name].curve

    def rule(x, **params):
        ends = jnp.stack([x.lo, x.hi])
        value = _unless_vanished(ends, curve(ends, **params)[0])
        low, high = value[0], value[1]
        turns = (x.lo <= turning + 1e-5) & (x.hi >= turning - 1e-5)
        bottom = round_down(jnp.asarray(least, x.dtype))
        return known(
            jnp.where(turns, bottom, jnp.minimum(low.lo, high.lo)),
            jnp.maximum(low.hi, high.hi),
        )

    return rule


def _unless_vanished(a, value):
    """0 from below at -inf, where the product would be no number."""
    gone = jnp.isneginf(a)
    lo = jnp.where(gone, -jnp.finfo(a.dtype).smallest_normal, value.lo)
    return Interval(lo, jnp.where(gone, 0, value.hi))


for _name in _TURNING:
    rule_for("float", _name)(_over_interval(_name))
