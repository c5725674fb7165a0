"""How the vision transformer is trained: on digits that are moved by a pixel."""

from torchlean_jax.zoo import _classifiers as shared
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.vit.claims import claims
from torchlean_jax.zoo.vit.model import Config, network

CONFIG = Config()
SETTINGS = Settings(steps=2000, lr=2e-3, schedule="warmup-cosine", weight_decay=0.1)


def make(config: Config = CONFIG) -> Entry:
    """The entry at other sizes.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    transformer = network(config)
    stated = claims(transformer)
    title = "vision transformer, digits"
    return shared.entry("vit", title, transformer, stated, SETTINGS, least=0.96)


ENTRY = make()
