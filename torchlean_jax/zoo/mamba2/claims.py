"""What is claimed of the byte Mamba-2: all ways of reading are one function."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.zoo import _decoders as decoders
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Variables
from torchlean_jax.zoo._state_space_claims import (
    TOKENS,
    is_causal,
    pieces_are_read_as_the_whole,
    rows_are_independent,
    tokens_are_read_one_by_one,
)
from torchlean_jax.zoo.mamba2.duality import dual
from torchlean_jax.zoo.mamba2.model import Config


def claims(config: Config) -> tuple:
    """The claims about a network of that size."""

    def chunks_are_the_published_recurrence(trained: Trained):
        """The products of matrices, of one chunk or of two, of which the second is not
        full, are h' = exp(delta a) h + b (delta x)^T and y = h'^T c, step by step: for
        all operands and states, of the entry's heads, channels and states."""
        steps, heads = 3, config.heads

        def shape(*size):
            return jax.ShapeDtypeStruct(size, jnp.float32)

        def written_out(x, delta, a, b, c, h):
            read = []
            for t in range(steps):
                driven = b[0, t, :, None] * (delta[0, t, :, None] * x[0, t])[:, None]
                h = jnp.exp(delta[0, t] * a)[:, None, None] * h + driven
                read.append((h * c[0, t, :, None]).sum(2))
            found = jnp.stack(read, 1), h
            return found, found

        @tl.claims.equals(written_out)
        @tl.claims.example(
            shape(1, steps, heads, config.size), shape(1, steps, heads), shape(heads),
            shape(1, steps, config.states), shape(1, steps, config.states),
            shape(1, heads, config.states, config.size),
        )  # fmt: skip
        def by_products(x, delta, a, b, c, h):
            return dual(x, delta, a, b, c, h, 2), dual(x, delta, a, b, c, h, steps)

        return by_products

    def chunks_do_not_matter(trained: Trained):
        """One block that reads four tokens by one product is the same function of them
        as with one product for every three, for all weights and inputs."""
        single = decoders.one_layer(trained, chunk=4)
        other = decoders.one_layer(trained, chunk=3)

        @tl.claims.equals(lambda params: other.apply(Variables(params, {}), TOKENS)[0])
        @tl.claims.example(decoders.shapes(single))
        def at_once(params):
            return single.apply(Variables(params, {}), TOKENS)[0]

        return at_once

    return (
        is_causal,
        rows_are_independent,
        chunks_are_the_published_recurrence,
        chunks_do_not_matter,
        pieces_are_read_as_the_whole,
        tokens_are_read_one_by_one,
    )
