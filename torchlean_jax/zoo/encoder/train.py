"""The encoder as an entry; loss, quality and settings are those of all readers."""

from torchlean_jax.zoo import _readers as shared
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo.encoder.claims import claims
from torchlean_jax.zoo.encoder.model import Config, network

TITLE = "transformer encoder, the lost first words of source lines"
CONFIG = Config()


def make(config: Config = CONFIG) -> Entry:
    """The entry at other sizes.

    >>> make(Config(depth=1)).network.make.keywords["depth"]
    1
    """
    encoder = network(config)
    stated = claims(encoder, network(Config(config.width, 1, config.heads)))
    return shared.entry("encoder", TITLE, encoder, stated, least=0.93)


ENTRY = make()
