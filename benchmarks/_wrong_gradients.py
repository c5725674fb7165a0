"""Forty functions with a planted wrong derivative rule.

Every rule is one that somebody could write: the wrong factor, sign, axis, transpose, a
sum over the broadcast axis that is missing or goes over another, a dropped term, the
wrong residual, a value cut off from the gradient. Shapes are such that JAX accepts the
rule, and arguments such that the fault does not vanish by symmetry unless it is meant
(`_VANISHING` is right at the given argument, and wrong close by).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclass(frozen=True)
class Plant:
    """`f` at `args` with a wrong rule; forward: the fault is in a `custom_jvp`."""

    name: str
    f: Callable
    args: list
    forward: bool = False


def array(*shape, seed=0, low=-1.5, high=1.5):
    values = np.random.default_rng(seed).uniform(low, high, shape)
    return jnp.asarray(values, jnp.float32)


def with_vjp(f, rule, fwd=None):
    """`f` whose backward rule is rule(cotangent, *inputs); fwd: of the forward rule."""

    def backward(inputs, cotangent):
        result = rule(cotangent, *inputs)
        return result if isinstance(result, tuple) else (result,)

    # without optional arguments of f, for which JAX would want cotangents
    g = jax.custom_vjp(lambda *xs: f(*xs))  # noqa: PLW0108
    g.defvjp(lambda *xs: ((fwd or f)(*xs), xs), backward)
    return g


def with_jvp(f, rule):
    """`f` whose tangent is rule(inputs, tangents)."""
    g = jax.custom_jvp(lambda *xs: f(*xs))  # noqa: PLW0108
    g.defjvp(lambda xs, ts: (f(*xs), rule(xs, ts)))
    return g


def _norm(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


def _norm_rule(ct, x, *, mean=True, along=True, eps=1e-5):
    centred = x - x.mean(-1, keepdims=True)
    scale = lax.rsqrt((centred**2).mean(-1, keepdims=True) + eps)
    y = centred * scale
    inner = ct
    if mean:
        inner = inner - ct.mean(-1, keepdims=True)
    if along:
        inner = inner - y * (ct * y).mean(-1, keepdims=True)
    return scale * inner


def _attention(q, k, v):
    return jax.nn.softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


def _attention_rule(ct, q, k, v, *, scale=True, sums=1, swap=False):
    root = np.sqrt(q.shape[1])
    p = jax.nn.softmax(q @ k.T / root)
    dp = ct @ v.T
    ds = p * (dp - (dp * p).sum(-1, keepdims=True) * sums)
    ds = ds / root if scale else ds
    dq, dk = ds @ k, ds.T @ q
    return (dk, dq, p.T @ ct) if swap else (dq, dk, p.T @ ct)


def _states(a, x):
    step = lambda h, ax: (ax[0] * h + ax[1],) * 2  # noqa: E731
    return lax.scan(step, jnp.zeros(x.shape[1:]), (a, x))[1]


def _states_rule(ct, a, x, *, shift=0, new=False):
    h = _states(a, x)
    before = h if new else jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])
    after = jnp.concatenate([a[1:], jnp.zeros_like(a[:1])])
    after = after if not shift else a
    step = lambda g, ac: (ac[0] * g + ac[1],) * 2  # noqa: E731
    g = lax.scan(step, jnp.zeros(x.shape[1:]), (after, ct), reverse=True)[1]
    return g * before, g


_X, _Y, _SQUARE, _ROW = array(5), array(5, seed=1), array(4, 4, seed=2), array(4)
_POSITIVE = array(5, seed=3, low=0.5, high=2.0)
_QKV = tuple(array(4, 4, seed=s) for s in (4, 5, 6))
_STATES = array(5, 2), array(5, 2, seed=7)


def plants() -> list[Plant]:
    tables = (_SMOOTH, _PIECEWISE, _VANISHING, _PRODUCTS, _SUMS, _MOVES, _WHOLES)
    rules = [
        Plant(name, with_vjp(f, rule), args)
        for table in tables
        for name, f, rule, *args in table
    ]
    return [*rules, *_cut(), *_forward()]


_SMOOTH = (
    ("factor 2 in sin", jnp.sin, lambda c, x: 2 * c * jnp.cos(x), _X),
    ("sign of cos", jnp.cos, lambda c, x: c * jnp.sin(x), _X),
    ("tanh without its square", jnp.tanh, lambda c, x: c * (1 - jnp.tanh(x)), _X),
    ("exp of the wrong residual", jnp.exp, lambda c, x: c * x, _X),
    ("log with x for 1/x", jnp.log, lambda c, x: c * x, _POSITIVE),
    ("sqrt without the half", jnp.sqrt, lambda c, x: c / jnp.sqrt(x), _POSITIVE),
    ("cube with exponent 3", lambda x: x**3, lambda c, x: c * 3 * x**3, _X),
    ("silu cut short", jax.nn.silu, lambda c, x: c * jax.nn.sigmoid(x), _X),
    ("gelu of the sigmoid kind", jax.nn.gelu, lambda c, x: c * _quick(x), _X),
)

_quick = jax.vmap(jax.grad(lambda x: x * jax.nn.sigmoid(1.702 * x)))

_PIECEWISE = (
    ("relu with a slope", jax.nn.relu, lambda c, x: jnp.where(x > 0, c, c / 9), _X),
    ("clip that always passes", lambda x: jnp.clip(x, -1, 1), lambda c, x: c, _X),
    ("abs without its sign", jnp.abs, lambda c, x: c, _X),
)

# Right at the argument that is given, and only there.
_VANISHING = (
    ("square, right at 1", lambda x: x**2, lambda c, x: 2 * c, jnp.ones(3)),
    ("sinh, right at 0", jnp.sinh, lambda c, x: c, jnp.zeros(3)),
)

_PRODUCTS = (
    ("factors swapped", jnp.multiply, lambda c, x, y: (c * x, c * y), _X, _Y),
    (
        *("sign of the divisor", jnp.divide),
        lambda c, x, y: (c / y, c * x / y**2),
        *(_X, _POSITIVE),
    ),
    (
        *("divisor without its square", jnp.divide),
        lambda c, x, y: (c / y, -c * x / y),
        *(_X, _POSITIVE),
    ),
    (
        *("matrix not transposed", jnp.dot),
        lambda c, w, x: (jnp.outer(c, x), w @ c),
        *(_SQUARE, _ROW),
    ),
    (
        *("outer product turned round", jnp.dot),
        lambda c, w, x: (jnp.outer(x, c), w.T @ c),
        *(_SQUARE, _ROW),
    ),
    (
        *("kernel not flipped", lambda x, k: jnp.convolve(x, k, mode="valid")),
        lambda c, x, k: (jnp.convolve(c, k), jnp.convolve(x[::-1], c, mode="valid")),
        *(array(7), array(3, seed=8)),
    ),
)

_SUMS = (
    ("bias, the wrong axis", jnp.add, lambda c, x, b: (c, c.sum(1)), _SQUARE, _ROW),
    ("bias without the sum", jnp.add, lambda c, x, b: (c, c[0]), _SQUARE, _ROW),
    ("bias with a mean", jnp.add, lambda c, x, b: (c, c.mean(0)), _SQUARE, _ROW),
    ("mean not divided", lambda x: x.mean(0), lambda c, x: c + 0 * x, _SQUARE),
    (
        "sum spread wrongly",
        lambda x: x.sum(0),
        lambda c, x: c[:, None] + 0 * x,
        _SQUARE,
    ),
    ("running sum not reversed", jnp.cumsum, lambda c, x: jnp.cumsum(c), _X),
)

_REPEATED, _LAST = jnp.array([0, 2, 2, 1]), jnp.array([0, 2, 3])

_MOVES = (
    ("transpose left out", lambda x: x.T, lambda c, x: c, _SQUARE),
    (
        *("gather that overwrites repeats", lambda x: x[_REPEATED]),
        lambda c, x: jnp.zeros(4).at[_REPEATED[_LAST]].set(c[_LAST]),
        _ROW,
    ),
    ("roll the same way", lambda x: jnp.roll(x, 1), lambda c, x: jnp.roll(c, 1), _X),
)

_softmax = jax.nn.softmax

_WHOLES = (
    (
        *("softmax as if elementwise", _softmax),
        lambda c, x: c * _softmax(x) * (1 - _softmax(x)),
        _X,
    ),
    (
        *("cross entropy without the label", lambda x: -jax.nn.log_softmax(x)[2]),
        lambda c, x: c * _softmax(x),
        _X,
    ),
    ("norm, constant mean", _norm, partial(_norm_rule, mean=False), _SQUARE),
    ("norm, constant variance", _norm, partial(_norm_rule, along=False), _SQUARE),
    ("norm, another epsilon", _norm, partial(_norm_rule, eps=1e-3), _SQUARE),
    ("attention, no scale", _attention, partial(_attention_rule, scale=False), *_QKV),
    ("attention, no row sums", _attention, partial(_attention_rule, sums=0), *_QKV),
    ("attention, q for k", _attention, partial(_attention_rule, swap=True), *_QKV),
    ("recurrence, decay shifted", _states, partial(_states_rule, shift=1), *_STATES),
    ("recurrence, the new state", _states, partial(_states_rule, new=True), *_STATES),
)


def _cut():
    def standardised(x):
        return (x - x.mean()) / lax.stop_gradient(x.std())

    def loss(x, y):
        return ((x - lax.stop_gradient(y)) ** 2).sum()

    other = with_vjp(jnp.sin, lambda c, x: c * jnp.cos(x), lambda x: jnp.sin(x) + 1e-3)
    yield Plant("variance cut off by stop_gradient", standardised, [_X])
    yield Plant("target cut off by stop_gradient", loss, [_X, _Y])
    yield Plant("forward rule with another value", other, [_X])


def _forward():
    erf = with_jvp(lax.erf, lambda xs, ts: 2 / np.sqrt(np.pi) * ts[0])
    total = with_jvp(jax.nn.logsumexp, lambda xs, ts: ts[0].mean())
    yield Plant("erf without its exponent", erf, [_X], True)
    yield Plant("log-sum-exp with equal weights", total, [_X], True)

    def angle(xs, ts):
        return (xs[0] * ts[1] - xs[1] * ts[0]) / (xs[0] ** 2 + xs[1] ** 2)

    turned = with_jvp(jnp.arctan2, angle)
    yield Plant("arctan2 with its arguments swapped", turned, [_X, _POSITIVE], True)
