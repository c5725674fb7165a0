"""How the adder is trained: on the digits of answers, of sums that are not held out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._language import nats
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.adder import data
from torchlean_jax.zoo.adder.claims import CLAIMS
from torchlean_jax.zoo.adder.model import network, right, sized, written
from torchlean_jax.zoo.gpt.model import Config

DIGITS = 3
CONFIG = sized(DIGITS, width=64, depth=2, heads=4)
SETTINGS = Settings(steps=1500, batch=128, lr=4e-3, schedule="warmup-cosine", b2=0.98)


def make(config: Config = CONFIG, settings: Settings = SETTINGS) -> Entry:
    """The entry at other sizes: the context says how many digits there are.

    >>> make(sized(2, width=8, depth=1, heads=2)).network.make.keywords["config"].depth
    1
    """
    adder, digits = network(config), config.context // 3 - 1
    answer = jax.jit(functools.partial(written, adder))

    def loss(variables, texts, key):
        logits, state = adder.apply(variables, texts[:, :-1], training=True)
        return nats(logits[:, -digits - 1 :], texts[:, -digits - 1 :]), state

    def evaluate(variables, sums: data.Sums) -> dict[str, float]:
        """The share of the held-out sums that are exact in every digit."""
        texts = jnp.asarray(sums.tokens(sums.held_out))
        found = jax.jit(lambda texts: right(adder, variables, texts).mean())(texts)
        return {"exact": float(found)}

    def sample(variables, prompt: str, options, key) -> str:
        """`a+b=c`, of a prompt `a+b`. How a digit is drawn does not matter: it is the
        likeliest."""
        question = data.question(prompt, digits)
        found = answer(variables, jnp.asarray(question)[None])[0]
        asked = prompt.strip().removesuffix("=").strip()
        return f"{asked}={data.number(np.asarray(found))}"

    def show(variables, sums: data.Sums) -> str:
        first, second = np.divmod(sums.held_out[:5], 10**digits)
        pairs = zip(first, second, strict=True)
        return "\n".join(sample(variables, f"{a}+{b}", None, None) for a, b in pairs)

    return Entry(
        name="adder",
        title="transformer that adds, digit by digit",
        network=adder,
        loss=loss,
        load=functools.partial(data.sums, digits=digits),
        evaluate=evaluate,
        settings=settings,
        brief=settings.steps,  # a claim is of what was learned
        goals=(Goal("exact", least=0.99),),
        claims=CLAIMS,
        unit="sums",
        sample=sample,
        show=show,
    )


ENTRY = make()
