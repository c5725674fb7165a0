"""Settings of the byte Mamba; loss and held-out quality as for the byte GPT."""

from dataclasses import replace

from torchlean_jax.zoo import _language as shared
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.mamba.claims import claims
from torchlean_jax.zoo.mamba.model import Config, network

CONFIG = Config()
SETTINGS = Settings(
    steps=1000,
    batch=16,
    lr=6e-3,
    schedule="warmup-cosine",
    weight_decay=0.05,
    b2=0.98,
)
# Of as many parameters as the byte GPT, for as many steps on the same batches
LARGE = Config(width=168, depth=5, inner=336, rank=11, context=256)
LARGE_SETTINGS = replace(SETTINGS, steps=2200, batch=8)


def make(
    config: Config = CONFIG, settings: Settings = SETTINGS, most: float = 2.35
) -> Entry:
    """The entry at other sizes. most: bits per byte that are its goal.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    model = network(config)
    return shared.entry(
        "mamba",
        "byte-level Mamba, the standard library's source",
        model,
        claims(model, config),
        settings,
        context=config.context,
        remembered=ENDLESS,
        most=most,
    )


ENDLESS = 10**9  # a state has no end, as a cache has

ENTRY = make()
