"""What is claimed of the trained vision transformer.

Labels are proved by zonotopes: CROWN's bounds of its layer norms and attentions take
minutes to compile, the checker would need far longer to derive them in exact
arithmetic, and interval bounds of a layer norm prove nothing. One image has a
certificate, which takes the checker some 40 s.
"""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.pallas_kernels.attention import attention
from torchlean_jax.zoo import _classifiers as shared
from torchlean_jax.zoo._entry import Trained

RADIUS, IMAGES, LEAST = 0.002, 8, 7
HEADS = jax.ShapeDtypeStruct((1, 3, 2, 4), jnp.float32)  # a batch, patches, heads


def fused_attention_is_the_composed_one(trained: Trained):
    """The attention kernel that the network calls stands for softmax(q kᵀ / sqrt(d)) v
    written out with `jax.nn.softmax`, for all queries, keys and values."""

    def composed(q, k, v):
        scores = jnp.einsum("bthd,bshd->bhts", q, k) / q.shape[-1] ** 0.5
        return jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores), v)

    @tl.claims.equals(composed)
    @tl.claims.example(HEADS, HEADS, HEADS)
    def fused(q, k, v):
        return attention(q, k, v)

    return fused


def claims(network) -> tuple:
    classifier = shared.Classifier(network.apply)
    return (
        fused_attention_is_the_composed_one,
        shared.deterministic(network),
        shared.apart(classifier),
        shared.differentiable(classifier),
        shared.certified(
            classifier, RADIUS, IMAGES, LEAST, method="zonotope", certificate=False
        ),
        shared.certified(classifier, RADIUS, 1, 1, method="zonotope"),
    )
