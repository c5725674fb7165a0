"""Functions whose derivatives are right, of all kinds that models are made of."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks._wrong_gradients import array, with_vjp

_X, _POSITIVE = array(6), array(6, seed=3, low=0.4, high=2.0)
_IMAGE, _MATRIX = array(1, 6, 6, 2), array(4, 4, seed=2)


@dataclass(frozen=True)
class Right:
    """`f` at `args`; status: the worst that may be said of a leaf."""

    name: str
    f: Callable
    args: tuple
    status: str = "agrees"
    modes: tuple[str, ...] = ("vjp", "jvp")


def functions() -> list[Right]:
    return [*_activations(), *_layers(), *_structure(), *_numerics(), *_ties()]


def _activations():
    names = """relu relu6 elu selu celu silu softplus sigmoid log_sigmoid tanh gelu
    leaky_relu hard_tanh hard_silu hard_sigmoid squareplus mish soft_sign softmax
    log_softmax logsumexp glu standardize sparse_plus log1mexp"""
    for name in names.split():
        x = _POSITIVE if name == "log1mexp" else _X
        yield Right(name, getattr(jax.nn, name), (x,))
    yield Right(
        "gelu by erf", lambda x: jax.nn.gelu(x, approximate=False), (_X,), "rounding"
    )


def _layers():
    yield Right(
        "dense", lambda w, b, x: jnp.tanh(x @ w + b), (array(6, 3), array(3), _X)
    )
    yield Right("convolution", _convolution, (_IMAGE, array(3, 3, 2, 3, seed=5)))
    yield Right(
        "max pool",
        lambda x: lax.reduce_window(
            x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
        ),
        (_IMAGE,),
    )
    yield Right(
        "average pool",
        lambda x: lax.reduce_window(
            x, 0.0, lax.add, (1, 2, 2, 1), (1, 1, 1, 1), "SAME"
        ),
        (_IMAGE,),
    )
    yield Right("layer norm", _layer_norm, (_MATRIX, array(4), array(4, seed=1)))
    yield Right(
        "attention", _causal_attention, tuple(array(5, 4, seed=s) for s in (4, 5, 6))
    )
    yield Right(
        "jax's attention",
        _library_attention,
        tuple(array(1, 4, 2, 3, seed=s) for s in (4, 5, 6)),
    )
    yield Right("rotary embedding", _rotary, (array(4, 6),))
    yield Right("cross entropy", lambda x: -jax.nn.log_softmax(x)[2], (_X,))
    yield Right("embedding", lambda t, k: t[k], (array(5, 3), jnp.array([0, 2, 2, 4])))


def _convolution(x, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, kernel, (2, 1), "SAME", dimension_numbers=numbers
    )


def _layer_norm(x, gain, bias):
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred * lax.rsqrt(variance + 1e-6) * gain + bias


def _causal_attention(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[1])
    scores = jnp.where(jnp.tril(jnp.ones(scores.shape, bool)), scores, -jnp.inf)
    return jax.nn.softmax(scores) @ v


def _library_attention(q, k, v):
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


def _rotary(x):
    angles = np.arange(4)[:, None] / 10.0 ** (np.arange(3) / 3)
    a, b = x[:, ::2], x[:, 1::2]
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return jnp.stack([a * cos - b * sin, a * sin + b * cos], -1)


def _structure():
    yield Right(
        "scan",
        lambda w, x: lax.scan(lambda h, u: (jnp.tanh(w @ h + u), h), x[0], x),
        (_MATRIX, array(5, 4)),
    )
    yield Right(
        "scan backward",
        lambda x: lax.scan(lambda h, u: (h * u, h), 1.0, x, reverse=True),
        (_X,),
    )
    yield Right(
        "long scan",
        lambda x: lax.fori_loop(0, 80, lambda i, h: jnp.sin(h + x), x),
        (_X,),
    )
    yield Right(
        "associative scan", lambda x: lax.associative_scan(jnp.multiply, x), (_X,)
    )
    yield Right("cond", lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x), (_X,))
    yield Right("remat", jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))), (_X,))
    yield Right("vmap", jax.vmap(lambda x: jax.nn.softmax(x)[0]), (_MATRIX,))
    yield Right(
        "gradient of a gradient", jax.grad(lambda x: jnp.tanh(x).sum() ** 2), (_X,)
    )
    yield Right(
        "while",
        lambda x: lax.while_loop(lambda h: h.sum() < 50, lambda h: 2 * h + x, x + 3),
        (_X,),
        modes=("jvp",),
    )
    yield Right(
        "scatter add",
        jnp.zeros(4).at[jnp.array([0, 2, 2, 1, 3, 3])].add,
        (_X,),
    )
    yield Right("scatter set", lambda x: _MATRIX.at[1].set(x[:4]) * 2, (_X,))
    yield Right(
        "scatter max",
        jnp.zeros(3).at[jnp.array([0, 0, 1, 1, 2, 2])].max,
        (_POSITIVE,),
    )
    yield Right(
        "dynamic slice", lambda x, i: lax.dynamic_slice(x, (i,), (3,)) ** 2, (_X, 2)
    )
    yield Right("sort", jnp.sort, (_X,))
    yield Right("top k", lambda x: lax.top_k(x, 3)[0], (_X,))
    yield Right(
        "sort by key", lambda k, x: lax.sort((k, x), num_keys=1)[1], (_X, _POSITIVE)
    )
    yield Right(
        "dropout",
        lambda x: jnp.where(
            jax.random.bernoulli(jax.random.key(0), 0.5, x.shape), 2 * x, 0.0
        ),
        (_X,),
    )


def _numerics():
    yield Right("fft", lambda x: jnp.abs(jnp.fft.rfft(x)) ** 2, (_X,))
    yield Right(
        "convolution by fft",
        lambda x, k: jnp.fft.irfft(jnp.fft.rfft(x) * jnp.fft.rfft(k)),
        (_X, _POSITIVE),
        "rounding",
    )
    yield Right(
        "cholesky", lambda a: jnp.linalg.cholesky(a @ a.T + 3 * jnp.eye(4)), (_MATRIX,)
    )
    yield Right(
        "solve",
        lambda a, b: jnp.linalg.solve(a + 3 * jnp.eye(4), b),
        (_MATRIX, array(4)),
    )
    yield Right("determinant", jnp.linalg.det, (_MATRIX,))
    yield Right("log determinant", lambda a: jnp.linalg.slogdet(a)[1], (_MATRIX,))
    yield Right("running products", jnp.cumprod, (_X,))
    yield Right("running log-sum-exp", lax.cumlogsumexp, (_X,))
    yield Right(
        "safe norm",
        lambda x: jnp.where((x**2).sum() > 0, jnp.sqrt((x**2).sum()), 0.0),
        (_X,),
    )
    yield Right("powers", lambda x, y: x**y, (_POSITIVE, _X))
    yield Right("log gamma", jax.scipy.special.gammaln, (_POSITIVE,))
    yield Right("arctan2", jnp.arctan2, (_X, _POSITIVE))
    yield Right("cube root", jnp.cbrt, (_POSITIVE,), "rounding")
    yield Right(
        "own rule for silu", with_vjp(jax.nn.silu, _silu_rule), (_X,), modes=("vjp",)
    )
    yield Right("rounding has slope 0", lambda x: jnp.round(3 * x) + x, (_X,))


def _silu_rule(ct, x):
    s = jax.nn.sigmoid(x)
    return ct * s * (1 + x * (1 - s))


def _ties():
    """At a kink, where JAX takes one of the derivatives close by."""
    zeros, ones = jnp.zeros(3), jnp.ones(3)
    yield Right("relu at 0", jax.nn.relu, (zeros,), "tie")
    yield Right("abs at 0", jnp.abs, (zeros,), "tie")
    yield Right("max of equals", jnp.max, (ones,), "tie")
    yield Right("maximum of equals", jnp.maximum, (ones, ones), "tie")
    yield Right("clip at its end", lambda x: jnp.clip(x, 0.0, 1.0), (ones,), "tie")
    yield Right("sort of equals", jnp.sort, (ones,), "tie")
    yield Right("leaky relu at 0", jax.nn.leaky_relu, (zeros,), "tie")
