"""What the models of text share: from a network of next tokens to an entry.

A network's `__call__` takes tokens [..., time] to logits [..., time, vocabulary];
`empty` and `step` decode one token at a time, as `_sampling` wants it.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax

from torchlean_jax.zoo._entry import Entry, Goal, Trained
from torchlean_jax.zoo._network import Network, Variables
from torchlean_jax.zoo._sampling import Sampling, continued
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo._text import Text, text

EVALUATED = 16  # batches of held-out text


@dataclass(frozen=True)
class Language:
    """The parts of an entry that follow from its network alone."""

    network: Network

    def loss(self, variables: Variables, batch, key):
        logits, state = self.network.apply(variables, batch[:, :-1], training=True)
        return nats(logits, batch[:, 1:]), state

    def evaluate(self, variables: Variables, data: Text) -> dict[str, float]:
        """Bits per byte of held-out text, in pieces of the context's length."""

        @jax.jit
        def one(batch):
            logits = self.network.function(variables)(batch[:, :-1])
            return nats(logits, batch[:, 1:])

        found = [one(data.held_out_batch(n, 64)) for n in range(EVALUATED)]
        return {"bits_per_byte": float(np.mean(found)) / math.log(2)}


def nats(logits, tokens):
    """The mean cross entropy of the next token, in float32."""
    logits = logits.astype(jnp.float32)
    return optax.softmax_cross_entropy_with_integer_labels(logits, tokens).mean()


def entry(
    name: str,
    title: str,
    network: Network,
    claims: tuple,
    settings: Settings,
    *,
    context: int,
    remembered: int,
    most: float,
    read: Callable[..., Trained] | None = None,
) -> Entry:
    """Of a network that is trained on pieces of `context` bytes to at most so many bits
    per byte, and writes with `remembered` tokens in mind."""
    language = Language(network)
    sample = functools.partial(continued, network, remembered)

    def show(variables: Variables, data: Text) -> str:
        sampling = Sampling(length=300, temperature=0.8)
        return sample(variables, "def ", sampling, jax.random.key(0))

    return Entry(
        name=name,
        title=title,
        network=network,
        loss=language.loss,
        load=functools.partial(text, context=context),
        evaluate=language.evaluate,
        settings=settings,
        brief=20,
        goals=(Goal("bits_per_byte", most=most),),
        claims=claims,
        unit="tokens",
        units=context,
        sample=sample,
        show=show,
        read=read,
    )
