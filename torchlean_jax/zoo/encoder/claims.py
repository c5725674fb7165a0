"""What is claimed of the encoder, beside what every reader claims: its masks."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.pallas_kernels.attention import attention
from torchlean_jax.zoo import _readers as shared
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network, Variables

HEADS = jax.ShapeDtypeStruct((2, 3, 2, 4), jnp.float32)  # lines, places, heads
SHORT = jnp.array([3, 2])  # their lengths


def fused_attention_is_the_composed_one(trained: Trained):
    """The attention kernel, told the lengths of the lines, is softmax(q kᵀ / sqrt(d)) v
    over the keys within each line, written out with `jax.nn.softmax`, for all queries,
    keys and values."""

    def composed(q, k, v):
        scores = jnp.einsum("bthd,bshd->bhts", q, k) / q.shape[-1] ** 0.5
        within = jnp.arange(k.shape[1]) < SHORT[:, None, None, None]
        weights = jax.nn.softmax(jnp.where(within, scores, -jnp.inf))
        return jnp.einsum("bhts,bshd->bthd", weights, v)

    @tl.claims.equals(composed)
    @tl.claims.example(HEADS, HEADS, HEADS)
    def fused(q, k, v):
        return attention(q, k, v, kv_lengths=SHORT)

    return fused


def claims(encoder: Network, single: Network) -> tuple:
    """Of the encoder; `single` is one that has one of its layers."""

    def padding_does_not_matter(trained: Trained):
        """In one layer a line with padding behind its end has the logits that it has
        alone, for all weights and all embedded bytes, those of the padding included."""
        needed = jax.eval_shape(lambda: single.init(jax.random.key(0))).params
        shapes = {name: trained.shapes.params[name] for name in needed}
        width = shapes["embedding.embedding"].shape[1]
        line = jax.ShapeDtypeStruct((1, 2, width), jnp.float32)

        def logits(params, x):
            variables, lengths = Variables(params, {}), jnp.array([2])
            return single.apply(variables, x, lengths, method="read")[0]

        @tl.claims.equals(lambda params, x, behind: logits(params, x))
        @tl.claims.example(shapes, line, line)
        def padded(params, x, behind):
            return logits(params, jnp.concatenate([x, behind], 1))

        return padded

    return (
        fused_attention_is_the_composed_one,
        padding_does_not_matter,
        *shared.claims(encoder),
    )
