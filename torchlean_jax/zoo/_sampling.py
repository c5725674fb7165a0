"""Sampling: which tokens may come next, with which probability, and whole texts."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._network import Network, Variables
from torchlean_jax.zoo._text import decode, encode


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn.

    temperature: divides the logits; 0 takes the likeliest. top_k: only the k likeliest
    (ties with the last of them included). top_p: only the likeliest that together reach
    probability p, the one that reaches it included.
    """

    length: int = 200
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self):
        if self.length < 1 or not self.temperature >= 0:
            raise InputError("length is 1 or more, and temperature 0 or more")
        if self.top_k is not None and self.top_k < 1:
            raise InputError("top-k is 1 or more")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError("top-p is in (0, 1]")


def kept(logits, sampling: Sampling):
    """Logits of the distribution that is drawn from: -inf for what is left out.

    Source: Holtzman et al. 2020 (arXiv:1904.09751), section 3.1, for top-p.

    >>> kept(jnp.array([0.0, 2.0, 1.0]), Sampling(top_k=2, temperature=0.5)).tolist()
    [-inf, 4.0, 2.0]
    """
    logits = logits / sampling.temperature
    if sampling.top_k is not None:
        count = min(sampling.top_k, logits.shape[-1])
        least = jax.lax.top_k(logits, count)[0][..., -1:]
        logits = jnp.where(logits >= least, logits, -jnp.inf)
    if sampling.top_p is not None:
        order = jnp.argsort(-logits)
        probability = jax.nn.softmax(jnp.take_along_axis(logits, order, -1))
        before = jnp.cumsum(probability, -1) - probability
        inverse = jnp.argsort(order)
        keep = jnp.take_along_axis(before < sampling.top_p, inverse, -1)
        logits = jnp.where(keep, logits, -jnp.inf)
    return logits


def draw(key, logits, sampling: Sampling):
    """One token: the largest of the logits, each with Gumbel noise of its own.

    Source: Gumbel 1954; Maddison, Tarlow, Minka 2014, section 2.
    """
    if sampling.temperature == 0:
        return jnp.argmax(logits, -1)
    return jax.random.categorical(key, kept(logits, sampling))


def generate(
    network: Network,
    variables: Variables,
    context: int,
    prompt,
    sampling,
    key,
    vocabulary: int = 256,
) -> np.ndarray:
    """`sampling.length` tokens after the prompt, with a cache, one step each.

    At the end of the context the newer half of it is read again, and goes on from
    there; so it does with a prompt that is longer than the context. Raises InputError
    for a prompt that is empty, or is not of the vocabulary: of bytes, if not said.
    """
    tokens = np.asarray(prompt, np.int32)
    if tokens.ndim != 1 or not tokens.size:
        raise InputError("a prompt has one token at least")
    if not ((tokens >= 0) & (tokens < vocabulary)).all():
        raise InputError(f"a prompt is of tokens 0 to {vocabulary - 1}")
    empty = network.function(variables, "empty")

    @jax.jit
    def step(token, position, caches, key):
        logits, caches = network.function(variables, "step")(token, position, caches)
        return draw(key, logits, sampling), caches

    written = list(tokens)
    start = 0 if len(written) <= context else len(written) - context // 2
    place, position, caches = start, 0, empty()
    while len(written) < len(tokens) + sampling.length:
        if position == context:
            place, position, caches = len(written) - context // 2, 0, empty()
        at = jax.random.fold_in(key, len(written))
        token, caches = step(jnp.asarray(written[place]), position, caches, at)
        place, position = place + 1, position + 1
        if place == len(written):
            written.append(int(token))
    return np.array(written)


def continued(network, context, variables, prompt: str, sampling, key) -> str:
    """The prompt and what follows it, as text."""
    return decode(generate(network, variables, context, encode(prompt), sampling, key))
