"""Loss, held-out quality and settings of the byte GPT."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._network import Network, Variables
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.gpt.claims import CLAIMS
from torchlean_jax.zoo.gpt.data import Text, text
from torchlean_jax.zoo.gpt.model import GPT, Config
from torchlean_jax.zoo.gpt.sample import Sampling, continued

CONFIG = Config()
SETTINGS = Settings(
    steps=2400,
    batch=16,
    lr=4e-3,
    schedule="warmup-cosine",
    weight_decay=0.05,
    b2=0.98,
)
EVALUATED = 16  # batches of held-out text


def make(config: Config = CONFIG, settings: Settings = SETTINGS) -> Entry:
    """The entry at other sizes.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    network = Network(functools.partial(_module, config=config))

    def loss(variables: Variables, batch, key):
        logits, state = network.apply(variables, batch[:, :-1], training=True)
        return nats(logits, batch[:, 1:]), state

    def evaluate(variables: Variables, data: Text) -> dict[str, float]:
        """Bits per byte of held-out text, in pieces of the context's length."""

        @jax.jit
        def one(batch):
            return nats(network.function(variables)(batch[:, :-1]), batch[:, 1:])

        found = [one(data.held_out_batch(n, 64)) for n in range(EVALUATED)]
        return {"bits_per_byte": float(np.mean(found)) / math.log(2)}

    def show(variables: Variables, data: Text) -> str:
        sampling = Sampling(length=300, temperature=0.8)
        return sample(variables, "def ", sampling, jax.random.key(0))

    sample = functools.partial(continued, network, config.context)
    return Entry(
        name="gpt",
        title="byte-level GPT, the standard library's source",
        init=network.init,
        loss=loss,
        load=functools.partial(text, context=config.context),
        evaluate=evaluate,
        settings=settings,
        brief=20,
        goals=(Goal("bits_per_byte", most=1.75),),
        claims=CLAIMS,
        unit="tokens",
        units=config.context,
        network=network,
        sample=sample,
        show=show,
    )


def nats(logits, tokens):
    """The mean cross entropy of the next token, in float32."""
    logits = logits.astype(jnp.float32)
    return optax.softmax_cross_entropy_with_integer_labels(logits, tokens).mean()


def _module(rngs, config: Config) -> GPT:
    return GPT(config, rngs)


ENTRY = make()
