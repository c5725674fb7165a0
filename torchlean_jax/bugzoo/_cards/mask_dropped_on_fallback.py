"""The fused path masks, the path beside it does not."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(q, k, v, return_weights=False):
    if not return_weights:
        return jax.nn.dot_product_attention(q, k, v, is_causal=True)
    scores = jnp.einsum("tnh,snh->nts", q, k) / jnp.sqrt(q.shape[-1])
    weights = jax.nn.softmax(scores)
    return jnp.einsum("nts,snh->tnh", weights, v), weights


def fixed(q, k, v, return_weights=False):
    if not return_weights:
        return jax.nn.dot_product_attention(q, k, v, is_causal=True)
    scores = jnp.einsum("tnh,snh->nts", q, k) / jnp.sqrt(q.shape[-1])
    scores = jnp.where(jnp.tri(len(q), len(k), dtype=bool), scores, -jnp.inf)
    weights = jax.nn.softmax(scores)
    return jnp.einsum("nts,snh->tnh", weights, v), weights


def examine(attend):
    def beside_its_weights(q, k, v):
        return attend(q, k, v, return_weights=True)[0]

    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 1, 4)  # tokens, heads, width
    return same_function(tl.equivalent(attend, beside_its_weights)(x, x, x))


CARD = Card(
    name="mask-dropped-on-fallback",
    title="The fused path masks, the path beside it does not",
    family="attention",
    story=(
        "A fast kernel is given a flag in place of a mask, and the mask is no longer "
        "built. Whoever asks for the attention weights, or for dropout, leaves the "
        "fast path for the one written out, where nobody applies the flag: attention "
        "is no longer causal. Tests of the fast path pass, and metrics of the model "
        "that leaks look excellent."
    ),
    contract="The result is the same whether or not the weights are asked for.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    requires=("flint",),
    reports=(
        "keras-team/keras#23038",
        "jax-ml/jax#19237",
        "facebookresearch/xformers#103",
        "pytorch/pytorch#99282",
    ),
)
