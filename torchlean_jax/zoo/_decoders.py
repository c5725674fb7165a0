"""What every decoder claims: causal, rows apart, cached decoding as full decoding.

A decoder's `__call__` takes tokens [..., time] to logits, `empty` and `step` read them
one by one, and `read`, where there is one, piece by piece. Its network is
`Network(functools.partial(make, config=config))`, where the config has a `depth`.
"""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network, Variables


def causal(trained: Trained, tokens):
    """No logit depends on a later token, whatever the weights and the tokens are."""

    @tl.claims.causal(argnums=1)
    @tl.claims.example(trained.shapes, tokens)
    def logits(variables, tokens):
        return network(trained).apply(variables, tokens)[0]

    return logits


def rows_apart(trained: Trained, tokens):
    """No logit depends on another row of the batch, whatever the weights are."""

    @tl.claims.batch_independent(argnums=1)
    @tl.claims.example(trained.shapes, jnp.stack([tokens, tokens, tokens]))
    def logits(variables, tokens):
        return network(trained).apply(variables, tokens)[0]

    return logits


def cached_is_full(decoder: Network, tokens, points: int):
    """Two programs, of the weights: logits at every place, by both ways of reading."""

    def full(params):
        return decoder.apply(Variables(params, {}), tokens)[0]

    @tl.claims.equals(full, points=points)
    @tl.claims.example(shapes(decoder))
    def cached(params):
        variables = Variables(params, {})
        caches, found = decoder.apply(variables, method="empty")[0], []
        for position, token in enumerate(tokens):
            (logits, caches), _ = decoder.apply(
                variables, token, position, caches, method="step"
            )
            found.append(logits)
        return jnp.stack(found)

    return cached


def in_pieces(decoder: Network, tokens, ends: tuple[int, ...]):
    """Two programs, of the weights: logits and memory after the last of the ends, read
    at once, and in pieces with these ends."""

    def read(params, memories, start, end):
        piece = tokens[None, start:end]
        return decoder.apply(Variables(params, {}), piece, memories, method="read")[0]

    def empty(params):
        return decoder.apply(Variables(params, {}), method="empty")[0]

    def whole(params):
        return read(params, empty(params), 0, ends[-1])

    @tl.claims.equals(whole)
    @tl.claims.example(shapes(decoder))
    def pieces(params):
        memories, found, start = empty(params), [], 0
        for end in ends:
            logits, memories = read(params, memories, start, end)
            found.append(logits)
            start = end
        return jnp.concatenate(found, 1), memories

    return pieces


def network(trained: Trained) -> Network:
    found = trained.entry.network
    assert isinstance(found, Network)
    return found


def one_layer(trained: Trained, **sizes) -> Network:
    """The model with one of its layers. Its inputs are free, as rows of an embedding
    that claims leave open: what holds of it holds of layer on layer. sizes: what else
    of the config is another."""
    make = network(trained).make
    assert isinstance(make, functools.partial)
    config = replace(make.keywords["config"], depth=1, **sizes)
    return Network(functools.partial(make.func, config=config))


def shapes(decoder: Network) -> dict:
    """Its weights by shape: a claim with these is about all weights."""
    return jax.eval_shape(lambda: decoder.init(jax.random.key(0))).params
