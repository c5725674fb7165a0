"""The Fourier encoder as an entry, trained as `encoder` is."""

from torchlean_jax.zoo import _readers as shared
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo.fnet.claims import claims
from torchlean_jax.zoo.fnet.model import Config, network

TITLE = "Fourier mixing for attention, the lost first words of source lines"
CONFIG = Config()


def make(config: Config = CONFIG) -> Entry:
    """The entry at other sizes.

    >>> make(Config(depth=1)).network.make.keywords["depth"]
    1
    """
    mixer = network(config)
    return shared.entry("fnet", TITLE, mixer, claims(mixer), least=0.92)


ENTRY = make()
