"""What is claimed of every decoder with states: causal, rows apart, and that all ways
of reading are one function. What is claimed of its recurrence is with each entry."""

import jax.numpy as jnp

from torchlean_jax.zoo import _decoders as decoders
from torchlean_jax.zoo._entry import Trained

TOKENS = jnp.array([100, 101, 102, 32])


def is_causal(trained: Trained):
    """The logits at place t depend on tokens 0 to t, for all weights and tokens."""
    return decoders.causal(trained, TOKENS)


def rows_are_independent(trained: Trained):
    """The logits of a text depend on no other text of its batch, whatever the weights
    are."""
    return decoders.rows_apart(trained, TOKENS)


def pieces_are_read_as_the_whole(trained: Trained):
    """One block that reads two tokens, and then two more with what it remembers, has
    the logits and the memory of reading four, for all weights and inputs."""
    return decoders.in_pieces(decoders.one_layer(trained), TOKENS, (2, 4))


def tokens_are_read_one_by_one(trained: Trained):
    """The whole model, all its blocks, decodes two tokens one by one as it reads them
    at once, for all weights."""
    return decoders.in_pieces(decoders.network(trained), TOKENS, (1, 2))
