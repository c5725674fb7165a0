"""The byte GPT's transformer, at the size of sums, and how it answers."""

import functools

import jax.numpy as jnp

from torchlean_jax.zoo._network import Network, Variables
from torchlean_jax.zoo.adder.data import VOCABULARY
from torchlean_jax.zoo.gpt.model import GPT, Config


def sized(digits: int, width: int, depth: int, heads: int) -> Config:
    """A context that holds a sum of so many digits."""
    return Config(width, depth, heads, 3 * digits + 3, VOCABULARY)


def network(config: Config) -> Network:
    return Network(functools.partial(_module, config=config))


def likeliest(logits):
    """The likeliest of the ten digits: the signs are no answer."""
    return logits[..., :10].argmax(-1)


def right(network: Network, variables: Variables, texts):
    """Whether every digit of the answer is the likeliest one, of whole sums [count, n].

    All are read in one piece: if each digit is right after the right ones before it,
    then those that are written one after another are right, and the other way round.
    """
    answer = texts.shape[-1] // 3
    logits = network.function(variables)(texts[:, :-1])[:, -answer:]
    return (likeliest(logits) == texts[:, -answer:]).all(-1)


def written(network: Network, variables: Variables, questions, caches=None):
    """The answers [count, digits + 1], digit by digit with a cache, to questions
    [count, 2 digits + 2]. caches: what earlier sums may have left there."""
    count, length = questions.shape
    step = network.function(variables, "step")
    if caches is None:
        caches = network.function(variables, "empty")(count)
    for position in range(length - 1):
        _, caches = step(questions[:, position], position, caches)
    token, digits = questions[:, -1], []
    for position in range(length - 1, length + length // 2 - 1):
        logits, caches = step(token, position, caches)
        token = likeliest(logits)
        digits.append(token)
    return jnp.stack(digits, -1)


def _module(rngs, config: Config) -> GPT:
    return GPT(config, rngs)
