"""Programs with harmless rewrites and with mutants, for `equivalence.py`.

A rewrite is the same function of the reals by algebra alone; a mutant differs from the
reference by one mistake of the kind that still returns tensors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclass(frozen=True)
class Program:
    """A reference, functions equal to it, and functions that are not."""

    shapes: tuple
    reference: Callable
    rewrites: tuple
    mutants: tuple

    def args(self):
        return [jax.ShapeDtypeStruct(s, jnp.float32) for s in self.shapes]


T, D = 6, 4
CAUSAL = np.tril(np.ones((T, T), bool))


def attention(q, k, v, *, scale=0.5, mask=CAUSAL, axis=-1):
    scores = jnp.where(mask, q @ k.T * scale, -jnp.inf)
    return jax.nn.softmax(scores, axis) @ v


def plain_attention(q, k, v):
    weights = jnp.where(CAUSAL, jnp.exp(q @ k.T * 0.5), 0.0)
    return weights @ v / weights.sum(-1, keepdims=True)


def scaled_queries(q, k, v):
    return attention(q * 0.5, k, v, scale=1.0)


def additive_mask(q, k, v):
    bias = jnp.where(CAUSAL, 0.0, -1e37)
    return jax.nn.softmax(q @ k.T * 0.5 + bias) @ v


def streaming(q, k, v, *, block=2, rescale=True, start=-jnp.inf, shift=0):
    top, total = jnp.full(T, start), jnp.zeros(T)
    out = jnp.zeros(v.shape)
    rows = np.arange(T)[:, None]
    for b in range(0, T, block):
        s = q @ k[b : b + block].T * 0.5
        s = jnp.where(rows >= np.arange(b, b + block) + shift, s, -jnp.inf)
        new = jnp.maximum(top, s.max(1))
        p, fade = jnp.exp(s - new[:, None]), jnp.exp(top - new)
        fade = fade if rescale else jnp.ones_like(fade)
        total = total * fade + p.sum(1)
        out, top = out * fade[:, None] + p @ v[b : b + block], new
    return out / total[:, None]


def scanned_rows(q, k, v):
    def row(_, inputs):
        query, mask = inputs
        weights = jax.nn.softmax(jnp.where(mask, k @ query * 0.5, -jnp.inf))
        return None, weights @ v

    return lax.scan(row, None, (q, CAUSAL))[1]


def batched_rows(q, k, v):
    def row(query, mask):
        return jax.nn.softmax(jnp.where(mask, k @ query * 0.5, -jnp.inf)) @ v

    return jax.vmap(row)(q, CAUSAL)


def two_layers(layer):
    def model(q, k, v):
        h = layer(q, k, v)
        return layer(h, h * k, h)

    return model


def mixed_layers(q, k, v):
    h = attention(q, k, v)
    return plain_attention(h, h * k, h)


def wrong_second_layer(q, k, v):
    h = attention(q, k, v)
    return attention(h, h * k, h, scale=0.25)


ANGLES = np.arange(T)[:, None] * np.array([1.0, 0.25], np.float32)


def rope(x, *, angles=ANGLES, sign=1.0):
    a, b = x[:, :2], x[:, 2:]
    cos, sin = jnp.cos(jnp.asarray(angles)), sign * jnp.sin(jnp.asarray(angles))
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], 1)


def rope_by_roll(x):
    cos, sin = (jnp.tile(f(jnp.asarray(ANGLES)), (1, 2)) for f in (jnp.cos, jnp.sin))
    turned = jnp.concatenate([-x[:, 2:], x[:, :2]], 1)
    return x * cos + turned * sin


def rope_by_matrix(x):
    cos, sin = jnp.cos(jnp.asarray(ANGLES)), jnp.sin(jnp.asarray(ANGLES))
    turn = jnp.stack([jnp.stack([cos, sin], -1), jnp.stack([-sin, cos], -1)], -2)
    pairs = jnp.stack([x[:, :2], x[:, 2:]], -1)
    out = jnp.einsum("tij,tijk->tik", pairs, turn)
    return jnp.concatenate([out[..., 0], out[..., 1]], 1)


def rope_interleaved(x):
    a, b = x[:, ::2], x[:, 1::2]
    cos, sin = jnp.cos(jnp.asarray(ANGLES)), jnp.sin(jnp.asarray(ANGLES))
    return jnp.stack([a * cos - b * sin, a * sin + b * cos], -1).reshape(T, D)


def relative(q, k):
    return rope(q) @ rope(k).T


def relative_by_difference(q, k):
    angles = jnp.asarray(ANGLES)[:, None] - jnp.asarray(ANGLES)[None]
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    a, b, c, d = q[:, None, :2], q[:, None, 2:], k[None, :, :2], k[None, :, 2:]
    return ((a * c + b * d) * cos + (b * c - a * d) * -sin).sum(-1)


def layer_norm(x, g, b, *, eps=2.0**-10, axis=-1):
    mean = x.mean(axis, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + eps) * g + b


def fast_variance(x, g, b):
    mean = x.mean(-1, keepdims=True)
    variance = (x * x).mean(-1, keepdims=True) - mean * mean
    return (x - mean) / jnp.sqrt(variance + 2.0**-10) * g + b


def folded_gain(x, g, b):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    gain = g * lax.rsqrt(variance + 2.0**-10)
    return x * gain + (b - mean * gain)


def unbiased(x, g, b):
    variance = x.var(-1, keepdims=True, ddof=1)
    return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(variance + 2.0**-10) * g + b


def eps_outside(x, g, b):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / (jnp.sqrt(variance) + 2.0**-10) * g + b


def decay(x, a):
    def step(h, inputs):
        h = inputs[1] * h + inputs[0]
        return h, h

    return lax.scan(step, jnp.zeros(x.shape[1]), (x, a))[1]


def _combine(left, right):
    return left[0] * right[0], right[0] * left[1] + right[1]


def decay_by_tree(x, a):
    return lax.associative_scan(_combine, (a, x))[1]


def decay_by_hand(x, a):
    rows = [x[0]]
    for t in range(1, len(x)):
        rows.append(a[t] * rows[-1] + x[t])
    return jnp.stack(rows)


def decay_by_matrix(x, a):
    """The lower triangle of products a[s+1] ... a[t], for each column."""
    t, s = np.arange(len(x))[:, None, None], np.arange(len(x))[:, None]
    factors = [jnp.where((s < r) & (r <= t), a[r], 1.0) for r in range(len(x))]
    weights = jnp.where(s <= t, jnp.prod(jnp.stack(factors), 0), 0.0)
    return (weights * x).sum(1)


def swapped_tree(x, a):
    def combine(left, right):
        return left[0] * right[0], left[0] * left[1] + right[1]

    return lax.associative_scan(combine, (a, x))[1]


def late_decay(x, a):
    return decay(x, jnp.roll(a, 1, 0))


def reversed_decay(x, a):
    return decay(x[::-1], a[::-1])[::-1]


def convolution(x, w):
    return lax.conv(x[None], w, (1, 1), "SAME")[0]


def shifted_sum(x, w, *, flip=False, roll=0):
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1)))
    w = w[:, :, ::-1, ::-1] if flip else w
    total = 0.0
    for i in range(3):
        for j in range(3):
            part = padded[:, (i + roll) % 3 : (i + roll) % 3 + 4, j : j + 4]
            total = total + jnp.einsum("oc,cxy->oxy", w[:, :, i, j], part)
    return total


def convolution_by_patches(x, w):
    patches = lax.conv_general_dilated_patches(x[None], (3, 3), (1, 1), "SAME")[0]
    return jnp.einsum("ok,kxy->oxy", w.reshape(w.shape[0], -1), patches)


def channels_last(x, w):
    y = lax.conv_general_dilated(
        x.transpose(1, 2, 0)[None],
        w.transpose(2, 3, 1, 0),
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y[0].transpose(2, 0, 1)


def transposed_kernel(x, w):
    return convolution(x, w.swapaxes(2, 3))


LABELS = np.array([0, 2, 1])


def cross_entropy(logits):
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), LABELS[:, None], 1)
    return -chosen.mean()


def by_one_hot(logits):
    return -(jax.nn.one_hot(LABELS, 4) * jax.nn.log_softmax(logits)).sum() / 3


def by_logsumexp(logits):
    chosen = logits[np.arange(3), LABELS]
    return (jax.nn.logsumexp(logits, axis=1) - chosen).mean()


def log_of_softmax(logits):
    return -jnp.log(jax.nn.softmax(logits)[np.arange(3), LABELS]).sum() / 3


def summed_loss(logits):
    return cross_entropy(logits) * 3


def wrong_axis_loss(logits):
    logs = jax.nn.log_softmax(logits, axis=0)
    return -logs[np.arange(3), LABELS].mean()


def shifted_labels(logits):
    return -jax.nn.log_softmax(logits)[np.arange(3), (LABELS + 1) % 4].mean()


def positive_loss(logits):
    return -cross_entropy(logits)


def log_of_mean(logits):
    return -jnp.log(jax.nn.softmax(logits)[np.arange(3), LABELS].mean())


def binary_loss(z, y):
    return (jax.nn.softplus(z) - y * z).mean()


def binary_by_sigmoid(z, y):
    p = jax.nn.sigmoid(z)
    return -(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)).mean()


def adam(p, g, m, v, *, b1=0.875, b2=0.96875, rate=0.125, eps=2.0**-20, t=3):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    return p - rate * (m / (1 - b1**t)) / (jnp.sqrt(v / (1 - b2**t)) + eps)


def adam_by_differences(p, g, m, v):
    m, v = m + 0.125 * (g - m), v + 0.03125 * (g * g - v)
    step = m / (1 - 0.875**3) / (jnp.sqrt(v / (1 - 0.96875**3)) + 2.0**-20)
    return p - 0.125 * step


def adam_without_correction(p, g, m, v):
    m, v = 0.875 * m + 0.125 * g, 0.96875 * v + 0.03125 * g * g
    return p - 0.125 * m / (jnp.sqrt(v) + 2.0**-20)


def adam_of_magnitudes(p, g, m, v):
    m, v = 0.875 * m + 0.125 * g, 0.96875 * v + 0.03125 * jnp.abs(g)
    m, v = m / (1 - 0.875**3), v / (1 - 0.96875**3)
    return p - 0.125 * m / (jnp.sqrt(v) + 2.0**-20)


def softmax_gradient(x, u):
    return jax.vjp(jax.nn.softmax, x)[1](u)[0]


def softmax_gradient_by_hand(x, u, *, sign=-1.0):
    p = jax.nn.softmax(x)
    return p * (u + sign * (p * u).sum(-1, keepdims=True))


def swiglu(x, w, u):
    return jax.nn.silu(x @ w) * (x @ u)


def gelu(x):
    return jax.nn.gelu(x, approximate=False)
