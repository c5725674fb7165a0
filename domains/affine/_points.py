"""Arithmetic on enclosures at points: what the derivatives of the curves are written in."""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._arithmetic import add, div, mul, negate
from torchlean_jax.domains.interval._power import square

__all__ = ["add", "div", "mul", "negate", "square"]


def at(x) -> Interval:
    """The numbers `x` as intervals that hold just them."""
    return Interval(x, x)


def constant(number: float, like) -> Interval:
    """The number as an interval: itself if binary32 holds it, else one ulp to either side."""
    value = jnp.full_like(like, number)
    if float(np.float32(number)) == number:
        return at(value)
    spread = jnp.abs(value) * jnp.finfo(like.dtype).eps
    return Interval(value - spread, value + spread)


def exp(x: Interval) -> Interval:
    return Interval(f.exp_bounds(x.lo)[0], f.exp_bounds(x.hi)[1])


def expm1(x: Interval) -> Interval:
    return Interval(f.expm1_bounds(x.lo)[0], f.expm1_bounds(x.hi)[1])


def log(x: Interval) -> Interval:
    return Interval(f.log_bounds(x.lo)[0], f.log_bounds(x.hi)[1])


def root(x: Interval) -> Interval:
    return Interval(f.sqrt_bounds(x.lo)[0], f.sqrt_bounds(x.hi)[1])


def one_minus(x: Interval) -> Interval:
    return add(constant(1.0, x.lo), negate(x))


def inverse(x: Interval) -> Interval:
    return div(constant(1.0, x.lo), x)


def scaled(x: Interval, number: float) -> Interval:
    return mul(x, constant(number, x.lo))
