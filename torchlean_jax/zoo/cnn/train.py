"""How the convolutional network is trained: on digits that are moved by a pixel."""

from dataclasses import replace

from torchlean_jax.zoo import _classifiers as shared
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.cnn.claims import claims
from torchlean_jax.zoo.cnn.model import Config, network

CONFIG = Config()
SETTINGS = Settings(steps=2000, lr=3e-3, weight_decay=0.05)
TITLE = "convolutional network with batch normalisation, digits"


def make(config: Config = CONFIG) -> Entry:
    """The entry at other sizes.

    >>> make(Config(channels=(2, 2, 2))).network.make.keywords["config"].channels
    (2, 2, 2)
    """
    plain = network(replace(config, normalised=False))
    normalised = network(config)
    stated = claims(normalised, plain)
    return shared.entry("cnn", TITLE, normalised, stated, SETTINGS, least=0.98)


ENTRY = make()
