"""A small transformer without any framework, and arguments for it."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

WIDTH, LENGTH, HEADS, LAYERS = 32, 16, 4, 2


def transformer(seed=0):
    """(model, (parameters of each layer, tokens)): causal, with gelu and layer norm."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return jnp.asarray(rng.normal(0, shape[0] ** -0.5, shape), jnp.float32)

    def layer():
        head = WIDTH // HEADS
        norm = {"gain": jnp.ones(WIDTH), "bias": jnp.zeros(WIDTH)}
        return {
            "before attention": norm,
            **{name: normal(WIDTH, HEADS, head) for name in "qkv"},
            "out": normal(HEADS, head, WIDTH),
            "before mlp": norm,
            "up": normal(WIDTH, 4 * WIDTH),
            "up bias": jnp.zeros(4 * WIDTH),
            "down": normal(4 * WIDTH, WIDTH),
            "down bias": jnp.zeros(WIDTH),
        }

    layers = [layer() for _ in range(LAYERS)]
    return _model, (layers, normal(LENGTH, WIDTH))


def _model(layers, x):
    for p in layers:
        x = x + _attention(_normalised(x, p["before attention"]), p)
        h = _normalised(x, p["before mlp"])
        x = x + jax.nn.gelu(h @ p["up"] + p["up bias"]) @ p["down"] + p["down bias"]
    return x


def _attention(x, p):
    q, k, v = (jnp.einsum("td,dhe->the", x, p[name]) for name in "qkv")
    scores = jnp.einsum("the,she->hts", q, k) / np.sqrt(q.shape[-1])
    mask = jnp.tril(jnp.ones((len(x), len(x)), bool))
    weights = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf))
    return jnp.einsum("the,hed->td", jnp.einsum("hts,she->the", weights, v), p["out"])


def _normalised(x, p):
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred * lax.rsqrt(variance + 1e-5) * p["gain"] + p["bias"]
