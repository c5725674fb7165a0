"""Settings of the byte Mamba-2; loss and held-out quality as for the byte GPT."""

from torchlean_jax.zoo import _language as shared
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo._state_spaces import ENDLESS
from torchlean_jax.zoo.mamba2.claims import claims
from torchlean_jax.zoo.mamba2.model import Config, network

CONFIG = Config()
# Those of the byte GPT, on the same batches; it has as many parameters
SETTINGS = Settings(
    steps=2200,
    batch=8,
    lr=0.02,
    optimizer="muon",
    schedule="warmup-stable-decay",
    weight_decay=0.05,
)
MOST = 1.693  # bits per byte: 1.05 times the byte GPT's 1.6128


def make(config: Config = CONFIG, settings: Settings = SETTINGS) -> Entry:
    """The entry at other sizes.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    model = network(config)
    return shared.entry(
        "mamba2",
        "byte-level Mamba-2, the standard library's source",
        model,
        claims(config),
        settings,
        context=config.context,
        remembered=ENDLESS,
        most=MOST,
    )


ENTRY = make()
