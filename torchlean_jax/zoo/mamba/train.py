"""Settings of the byte Mamba; loss and held-out quality as for the byte GPT."""

from torchlean_jax.zoo import _language as shared
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo._state_spaces import ENDLESS
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


def make(config: Config = CONFIG, settings: Settings = SETTINGS) -> Entry:
    """The entry at other sizes.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    model = network(config)
    return shared.entry(
        "mamba",
        "byte-level Mamba, the standard library's source",
        model,
        claims(config),
        settings,
        context=config.context,
        remembered=ENDLESS,
        most=2.35,
    )


ENTRY = make()
