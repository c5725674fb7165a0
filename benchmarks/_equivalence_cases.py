"""The table of `equivalence.py`: which function is a rewrite, and which a mutant."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _equivalence_programs as p
from benchmarks._equivalence_programs import CAUSAL, D, Program, T

_QKV = ((T, D), (T, D), (T, D))
_NORM = ((3, 5), (5,), (5,))
_SCAN = ((6, 3), (6, 3))
_CONV = ((2, 4, 4), (3, 2, 3, 3))


PROGRAMS = {
    "attention": Program(
        _QKV,
        p.attention,
        (
            p.plain_attention,
            p.scaled_queries,
            p.additive_mask,
            p.streaming,
            partial(p.streaming, block=3),
            p.scanned_rows,
            p.batched_rows,
            lambda q, k, v: (v.T @ p.attention(q, k, jnp.eye(T)).T).T,
            partial(p.streaming, start=0.0),
            lambda q, k, v: p.attention(2 * q, k, v, scale=0.25),
        ),
        (
            partial(p.attention, scale=0.25),
            partial(p.attention, mask=np.tril(np.ones((T, T), bool), 1)),
            partial(p.attention, mask=CAUSAL.T),
            partial(p.attention, mask=np.ones((T, T), bool)),
            partial(p.attention, axis=0),
            lambda q, k, v: p.attention(k, q, v),
            partial(p.streaming, rescale=False),
            partial(p.streaming, shift=-1),
            lambda q, k, v: p.attention(q, k, jnp.roll(v, 1, 0)),
            lambda q, k, v: jax.nn.softmax(jnp.where(CAUSAL, q @ k.T * 0.5, 0.0)) @ v,
            lambda q, k, v: jnp.where(CAUSAL, jax.nn.softmax(q @ k.T * 0.5), 0.0) @ v,
        ),
    ),
    "two layers": Program(
        _QKV,
        p.two_layers(p.attention),
        (
            p.two_layers(p.plain_attention),
            p.two_layers(p.streaming),
            p.mixed_layers,
            p.two_layers(p.scanned_rows),
        ),
        (
            p.wrong_second_layer,
            p.two_layers(partial(p.streaming, rescale=False)),
            lambda q, k, v: p.attention(p.attention(q, k, v), k, v),
        ),
    ),
    "rope": Program(
        ((T, D),),
        p.rope,
        (p.rope_by_roll, p.rope_by_matrix, lambda x: p.rope(2 * x) / 2),
        (
            partial(p.rope, sign=-1.0),
            partial(p.rope, angles=p.ANGLES + p.ANGLES[1]),
            partial(p.rope, angles=p.ANGLES[:, ::-1]),
            p.rope_interleaved,
        ),
    ),
    "relative positions": Program(
        ((T, D), (T, D)),
        p.relative,
        (p.relative_by_difference, lambda q, k: (p.rope(k) @ p.rope(q).T).T),
        (
            lambda q, k: p.rope(q) @ k.T,
            lambda q, k: p.rope(q) @ p.rope(k, sign=-1.0).T,
        ),
    ),
    "layer norm": Program(
        _NORM,
        p.layer_norm,
        (
            p.fast_variance,
            p.folded_gain,
            lambda x, g, b: p.layer_norm(x + 3.0, g, b),
            lambda x, g, b: jax.vmap(lambda r: p.layer_norm(r, g, b))(x),
            lambda x, g, b: p.layer_norm(x, jnp.ones(5), jnp.zeros(5)) * g + b,
        ),
        (
            p.unbiased,
            p.eps_outside,
            partial(p.layer_norm, eps=2.0**-9),
            lambda x, g, b: p.layer_norm(x, b, g),
            lambda x, g, b: p.layer_norm(x, g, b, axis=0),
            lambda x, g, b: p.layer_norm(x, g, -b),
        ),
    ),
    "scan": Program(
        _SCAN,
        p.decay,
        (
            p.decay_by_tree,
            p.decay_by_hand,
            p.decay_by_matrix,
            lambda x, a: jax.vmap(p.decay, 1, 1)(x[:, :, None], a[:, :, None])[..., 0],
            lambda x, a: p.decay(x.at[0].set(x[0]), a),
        ),
        (
            p.swapped_tree,
            p.late_decay,
            p.reversed_decay,
            lambda x, a: p.decay(x, 1 - a),
            lambda x, a: p.decay(x, a) - p.decay(x * 0, a) + 2.0**-30,
        ),
    ),
    "convolution": Program(
        _CONV,
        p.convolution,
        (
            p.shifted_sum,
            p.convolution_by_patches,
            p.channels_last,
            lambda x, w: (
                p.convolution(x[:1], w[:, :1]) + p.convolution(x[1:], w[:, 1:])
            ),
            lambda x, w: p.convolution(-x, -w),
        ),
        (
            partial(p.shifted_sum, flip=True),
            partial(p.shifted_sum, roll=1),
            p.transposed_kernel,
            lambda x, w: p.convolution(x[::-1], w),
            lambda x, w: p.convolution(x.swapaxes(1, 2), w),
        ),
    ),
    "cross entropy": Program(
        ((3, 4),),
        p.cross_entropy,
        (
            p.by_one_hot,
            p.by_logsumexp,
            p.log_of_softmax,
            lambda z: p.cross_entropy(z - z[:, :1]),
            lambda z: p.cross_entropy(z + 7.0),
        ),
        (
            p.summed_loss,
            p.wrong_axis_loss,
            p.shifted_labels,
            p.positive_loss,
            p.log_of_mean,
            lambda z: p.cross_entropy(2 * z),
        ),
    ),
    "binary loss": Program(
        ((4,), (4,)),
        p.binary_loss,
        (
            p.binary_by_sigmoid,
            lambda z, y: (jnp.logaddexp(z, 0.0) - y * z).mean(),
            lambda z, y: (
                -(jax.nn.log_sigmoid(z) * y + jax.nn.log_sigmoid(-z) * (1 - y)).mean()
            ),
        ),
        (
            lambda z, y: p.binary_loss(-z, y),
            lambda z, y: p.binary_loss(z, 1 - y),
            lambda z, y: p.binary_loss(y, z),
            lambda z, y: p.binary_loss(z, y) * 4,
        ),
    ),
    "adam": Program(
        ((4,), (4,), (4,), (4,)),
        p.adam,
        (
            p.adam_by_differences,
            jax.vmap(p.adam),
            lambda q, g, m, v: q + p.adam(jnp.zeros(4), g, m, v),
        ),
        (
            p.adam_without_correction,
            p.adam_of_magnitudes,
            partial(p.adam, b1=0.96875, b2=0.875),
            partial(p.adam, eps=2.0**-10),
            partial(p.adam, t=4),
            partial(p.adam, rate=-0.125),
        ),
    ),
    "softmax gradient": Program(
        ((3, 4), (3, 4)),
        p.softmax_gradient,
        (
            p.softmax_gradient_by_hand,
            lambda x, u: p.softmax_gradient_by_hand(x + 1.0, u),
            lambda x, u: p.softmax_gradient(x, u - u.mean(-1, keepdims=True)),
            lambda x, u: jax.jvp(jax.nn.softmax, (x,), (u,))[1],
        ),
        (
            partial(p.softmax_gradient_by_hand, sign=1.0),
            lambda x, u: jax.nn.softmax(x) * u,
            lambda x, u: p.softmax_gradient(u, x),
        ),
    ),
    "gates": Program(
        ((3, 4), (4, 5), (4, 5)),
        p.swiglu,
        (
            lambda x, w, u: (x @ w) * (x @ u) / (1 + jnp.exp(-(x @ w))),
            lambda x, w, u: (
                jnp.split(x @ jnp.concatenate([w, u], 1), 2, 1)[1] * jax.nn.silu(x @ w)
            ),
            lambda x, w, u: 0.5 * (x @ w) * (1 + jnp.tanh(x @ w / 2)) * (x @ u),
            lambda x, w, u: jax.lax.map(lambda r: p.swiglu(r, w, u), x),
        ),
        (
            lambda x, w, u: p.swiglu(x, u, w),
            lambda x, w, u: jax.nn.sigmoid(x @ w) * (x @ u),
            lambda x, w, u: jax.nn.silu((x @ w) * (x @ u)),
        ),
    ),
    "relu": Program(
        ((5,),),
        lambda x: jax.nn.relu(x) - 0.25 * jax.nn.relu(-x),
        (
            lambda x: jnp.where(x > 0, x, 0.25 * x),
            lambda x: jnp.where(x >= 0, x, 0.25 * x),
            lambda x: jnp.maximum(x, 0) + 0.25 * jnp.minimum(x, 0),
            lambda x: 0.625 * x + 0.375 * jnp.abs(x),
            lambda x: jax.nn.leaky_relu(x, 0.25),
        ),
        (
            lambda x: jax.nn.leaky_relu(x, 0.5),
            lambda x: jax.nn.relu(x) + 0.25 * jax.nn.relu(-x),
            lambda x: jnp.where(x > 1, x, 0.25 * x),
            lambda x: jnp.where(x < 0, x, 0.25 * x),
        ),
    ),
    "gelu": Program(
        ((5,),),
        p.gelu,
        (
            lambda x: x * (1 + jax.lax.erf(x * np.float32(np.sqrt(0.5)))) / 2,
            lambda x: x + p.gelu(-x),
        ),
        (jax.nn.gelu, lambda x: x * jax.lax.erf(x), lambda x: p.gelu(-x)),
    ),
}

# Fast, and of every kind.
SAMPLE = ("attention", "two layers", "rope", "layer norm", "scan", "convolution")
SAMPLE += ("cross entropy", "adam", "relu")
