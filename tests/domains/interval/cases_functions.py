"""Containment cases for elementary functions and activations, beside Arb."""

import math

import flint
import jax
import jax.numpy as jnp
from jax import lax

from tests.domains.interval.cases import INF, Case, Float, unary
from tests.domains.interval.exact import ball, elementwise


def arb(method, defined=lambda x: True, limit=None):
    """The Arb function of that name; None where undefined, `limit` for poles."""

    def at(x):
        if limit is not None and limit(x) is not None:
            return limit(x)
        if not defined(x):
            return None
        return (
            getattr(ball(x), method)() if isinstance(method, str) else method(ball(x))
        )

    return elementwise(at)


def sign_root(x):
    root = abs(x).root(3)
    return root if x > 0 else -root if x < 0 else x


def sinh_ratio(x):
    return 1 / (1 + (-x).exp())


def log_gamma_pole(x):
    """+inf at 0, -1, -2...; elsewhere below 0 the log of |gamma|."""
    return INF if x <= 0 and x == math.floor(x) else None


def log_abs_gamma(x):
    if x > 0:
        return x.lgamma()
    reflected = (flint.arb.pi() / abs(x.sin_pi())).log()
    return reflected - (1 - x).lgamma()


POLE_AT_0 = {"limit": lambda x: -INF if x == 0 else None}


LIBRARY = [
    unary("exp", jnp.exp, arb("exp")),
    unary(
        "exp2", jnp.exp2, arb(lambda x: (x * flint.arb.const_log2()).exp()), reach=2e4
    ),
    unary("expm1", jnp.expm1, arb("expm1")),
    unary("log", jnp.log, arb("log", lambda x: x > 0, **POLE_AT_0)),
    unary("log_positive", jnp.log, arb("log"), rule="log", least=1e-37),
    unary(
        "log2",
        None,
        arb(lambda x: x.log() / flint.arb.const_log2(), lambda x: x > 0, **POLE_AT_0),
        direct="log2",
    ),
    unary(
        "log2_program",
        jnp.log2,
        arb(lambda x: x.log() / flint.arb.const_log2(), lambda x: x > 0),
        rule="log",
        ulps=None,
        least=1e-30,
    ),
    unary(
        "log1p",
        lax.log1p,
        arb("log1p", lambda x: x > -1, limit=lambda x: -INF if x == -1 else None),
    ),
    unary("logistic", jax.nn.sigmoid, arb(sinh_ratio), reach=1e4),
    unary("tanh", jnp.tanh, arb("tanh")),
    unary("sqrt", jnp.sqrt, arb("sqrt", lambda x: x >= 0)),
    unary("sqrt_positive", jnp.sqrt, arb("sqrt"), rule="sqrt", least=0.0),
    unary(
        "rsqrt",
        lax.rsqrt,
        arb("rsqrt", lambda x: x > 0, limit=lambda x: INF if x == 0 else None),
    ),
    unary("rsqrt_positive", lax.rsqrt, arb("rsqrt"), rule="rsqrt", least=1e-37),
    unary("cbrt", jnp.cbrt, arb(sign_root)),
    unary("erf", lax.erf, arb("erf")),
    unary(
        "erf_inv",
        lax.erf_inv,
        arb(
            "erfinv",
            lambda x: abs(x) < 1,
            limit=lambda x: math.copysign(INF, x) if abs(x) == 1 else None,
        ),
        reach=1.2,
    ),
    unary(
        "lgamma",
        lax.lgamma,
        arb(log_abs_gamma, limit=log_gamma_pole),
        ulps=None,
        reach=1e30,
    ),
    unary(
        "lgamma_positive",
        lax.lgamma,
        arb("lgamma"),
        rule="lgamma",
        least=1e-30,
        reach=1e30,
        ulps=None,
    ),
    unary(
        "digamma",
        lax.digamma,
        arb("digamma", lambda x: x > 0 or x.denominator > 1),
        reach=1e30,
        ulps=None,
    ),
    unary(
        "digamma_positive",
        lax.digamma,
        arb("digamma"),
        rule="digamma",
        least=1e-30,
        reach=1e30,
        ulps=None,
    ),
    unary("erfc", lax.erfc, arb("erfc"), reach=1e4),
    unary("asin", jnp.arcsin, arb("asin", lambda x: abs(x) <= 1), reach=1.2),
    unary("acos", jnp.arccos, arb("acos", lambda x: abs(x) <= 1), reach=1.2),
    unary("atan", jnp.arctan, arb("atan")),
    unary("asinh", jnp.arcsinh, arb("asinh")),
    unary("acosh", jnp.arccosh, arb("acosh", lambda x: x >= 1)),
    unary(
        "atanh",
        jnp.arctanh,
        arb(
            "atanh",
            lambda x: abs(x) < 1,
            limit=lambda x: math.copysign(INF, x) if abs(x) == 1 else None,
        ),
        reach=1.2,
    ),
    unary("sinh", jnp.sinh, arb("sinh"), reach=1e4),
    unary("cosh", jnp.cosh, arb("cosh"), reach=1e4),
    unary("sin", jnp.sin, arb("sin"), reach=1e3),
    unary("sin_far", jnp.sin, arb("sin"), rule="sin", ulps=None, reach=1e30),
    unary("cos", jnp.cos, arb("cos"), reach=1e3),
    unary("cos_far", jnp.cos, arb("cos"), rule="cos", ulps=None, reach=1e30),
    unary("tan", jnp.tan, arb("tan"), reach=20.0),
]


def softplus(x):
    return (x.exp() + 1).log() if x < 100 else x + (-x).exp().log1p()


def silu(x):
    return x / (1 + (-x).exp())


def log_add_exp(a, b):
    high, low = max(a, b), min(a, b)
    return ball(high) + (ball(low) - ball(high)).exp().log1p()


def same_name_as_softplus():
    """A function that is only called softplus: it must be walked, not believed."""

    @jax.jit
    def softplus(x):
        return 2 * x

    return softplus


ACTIVATIONS = [
    unary("softplus", jax.nn.softplus, arb(softplus), rule="call:softplus", reach=1e4),
    unary("silu", jax.nn.silu, arb(silu), rule="call:silu", reach=60.0),
    unary(
        "relu", jax.nn.relu, elementwise(lambda x: max(x, 0)), rule="max", ulps=(0, 0)
    ),
    Case(
        "logaddexp",
        ("call:logaddexp",),
        jnp.logaddexp,
        elementwise(log_add_exp),
        (Float(reach=1e4), Float(reach=1e4)),
        None,
    ),
    unary(
        "not_softplus",
        same_name_as_softplus(),
        elementwise(lambda x: 2 * x),
        rule="mul",
    ),
]


CASES = [*LIBRARY, *ACTIVATIONS]
