"""What is claimed of the adder: how it reads and answers, and how often it is right."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo import _decoders as decoders
from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.adder import data
from torchlean_jax.zoo.adder.model import right, written
from torchlean_jax.zoo.gpt.model import Config

LEAST = 0.99  # of all sums
CHUNK = 10_000  # sums at a time
DECODED = 500  # sums that are answered with a cache as well


def is_causal(trained: Trained):
    """The logits at a place of a sum depend on no later one, for all weights and
    tokens: no digit of the answer is seen before it is asked for."""
    return decoders.causal(trained, _example(trained))


def rows_are_independent(trained: Trained):
    """The logits of a sum depend on no other sum of its batch, whatever the weights
    are."""
    return decoders.rows_apart(trained, _example(trained))


def cached_decoding_is_full_decoding(trained: Trained):
    """The whole model, all its layers, decodes two tokens with a cache as it reads
    them, for all weights."""
    tokens = _example(trained)[:2]
    return decoders.cached_is_full(decoders.network(trained), tokens, 6)


def answers_depend_on_the_operands_alone(trained: Trained):
    """The digits that are written with a cache depend on the operands, and not on what
    earlier sums left in the cache, for all weights."""
    network = decoders.network(trained)
    question = _example(trained)[None, : 2 * _digits(trained) + 2]
    caches = jax.eval_shape(lambda v: network.function(v, "empty")(1), trained.shapes)

    @tl.claims.independent_of("caches")
    @tl.claims.example(trained.shapes, question, caches)
    def digits(variables, question, caches):
        return written(network, variables, question, caches)

    return digits


def what_is_written_is_what_is_counted(trained: Trained) -> Answer:
    network, variables = decoders.network(trained), trained.variables
    sums = data.sums(None, _digits(trained))
    texts = jnp.asarray(sums.tokens(sums.held_out[:DECODED]))
    length = 2 * sums.digits + 2
    answers = jax.jit(lambda q: written(network, variables, q))(texts[:, :length])
    by_writing = np.asarray((answers == texts[:, length:]).all(-1))
    by_reading = np.asarray(jax.jit(lambda t: right(network, variables, t))(texts))
    same = by_writing == by_reading
    wrong = np.flatnonzero(~same)[:1].tolist()
    return counted(int(same.sum()), len(same), "held-out sums", f"not sum {wrong}")


what_is_written_is_what_is_counted.__doc__ = (
    f"Of {DECODED} held-out sums those are answered rightly, digit by digit with a "
    "cache, that are right when they are read in one piece."
)


def sums_are_exact(trained: Trained) -> Answer:
    network, variables = decoders.network(trained), trained.variables
    sums = data.sums(None, _digits(trained))
    count = jax.jit(lambda texts: right(network, variables, texts).sum())
    exact, total = 0, 100**sums.digits
    for start in range(0, total, CHUNK):
        pairs = np.arange(start, min(start + CHUNK, total))
        exact += int(count(jnp.asarray(sums.tokens(pairs))))
    return Answer(exact >= LEAST * total, None, f"{exact:,} of {total:,} sums")


sums_are_exact.__doc__ = (
    f"Of all sums of two numbers, trained on or not, {LEAST:.0%} at least are exact in "
    "every digit: each is asked for, and counted."
)

CLAIMS = (
    is_causal,
    rows_are_independent,
    cached_decoding_is_full_decoding,
    answers_depend_on_the_operands_alone,
    what_is_written_is_what_is_counted,
    sums_are_exact,
)


def _config(trained: Trained) -> Config:
    return decoders.network(trained).make.keywords["config"]  # pyright: ignore


def _digits(trained: Trained) -> int:
    return _config(trained).context // 3 - 1


def _example(trained: Trained):
    sums = data.sums(None, _digits(trained))
    return jnp.asarray(sums.tokens(sums.held_out[:1])[0])
