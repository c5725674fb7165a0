"""New keys are written one place too far into the cache."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function

ROOM, PROMPT = 6, 2


def faulty(q, k, v):
    keys = jnp.zeros((ROOM, k.shape[1])).at[:PROMPT].set(k[:PROMPT])
    values = jnp.zeros((ROOM, v.shape[1])).at[:PROMPT].set(v[:PROMPT])
    index, out = PROMPT, []
    for t in range(PROMPT, len(q)):
        index += 1
        keys, values = keys.at[index].set(k[t]), values.at[index].set(v[t])
        seen = jnp.arange(ROOM) <= index
        scores = jnp.where(seen, keys @ q[t] / jnp.sqrt(q.shape[1]), -jnp.inf)
        out.append(jax.nn.softmax(scores) @ values)
    return jnp.stack(out)


def fixed(q, k, v):
    keys = jnp.zeros((ROOM, k.shape[1])).at[:PROMPT].set(k[:PROMPT])
    values = jnp.zeros((ROOM, v.shape[1])).at[:PROMPT].set(v[:PROMPT])
    index, out = PROMPT, []
    for t in range(PROMPT, len(q)):
        keys, values = keys.at[index].set(k[t]), values.at[index].set(v[t])
        seen = jnp.arange(ROOM) <= index
        scores = jnp.where(seen, keys @ q[t] / jnp.sqrt(q.shape[1]), -jnp.inf)
        out.append(jax.nn.softmax(scores) @ values)
        index += 1
    return jnp.stack(out)


def without_cache(q, k, v):
    """The definition: each token attends to all up to itself."""
    scores = jnp.einsum("td,sd->ts", q, k) / 2.0
    weights = jax.nn.softmax(jnp.where(jnp.tri(len(q), dtype=bool), scores, -jnp.inf))
    return jnp.einsum("ts,sd->td", weights, v)[PROMPT:]


def examine(decode):
    q, k, v = jnp.linspace(-1.0, 1.0, 48).reshape(3, 4, 4)
    return same_function(tl.equivalent(decode, without_cache)(q, k, v))


CARD = Card(
    name="kv-cache-shifted",
    title="New keys are written one place too far into the cache",
    family="attention",
    story=(
        "The length of the cache is advanced before the new key is written rather "
        "than after. One row between the prompt and the first new token keeps its "
        "zeros, is attended to with score 0, and takes a share of every result. "
        "Training does not use the cache, so only generation gets worse, and it gets "
        "worse by little."
    ),
    contract="Decoding with a cache computes what attention without a cache computes.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    requires=("flint",),
    reports=("fla-org/flash-linear-attention#766", "huggingface/transformers#40877"),
)
