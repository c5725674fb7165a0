"""Settings of the byte GPT; loss and held-out quality are those of `zoo._language`."""

import functools

from torchlean_jax.zoo import _language as shared
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.gpt.claims import CLAIMS
from torchlean_jax.zoo.gpt.model import GPT, Config

CONFIG = Config()
SETTINGS = Settings(
    steps=2200,
    batch=8,
    lr=0.02,
    optimizer="muon",
    schedule="warmup-stable-decay",
    weight_decay=0.05,
)


def make(config: Config = CONFIG, settings: Settings = SETTINGS) -> Entry:
    """The entry at other sizes.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    return shared.entry(
        "gpt",
        "byte-level GPT, the standard library's source",
        Network(functools.partial(_module, config=config)),
        CLAIMS,
        settings,
        context=config.context,
        remembered=config.context,
        most=1.75,
    )


def _module(rngs, config: Config) -> GPT:
    return GPT(config, rngs)


ENTRY = make()
