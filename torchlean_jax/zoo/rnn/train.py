"""How the network is trained: on digits that are moved by a pixel, row by row."""

from torchlean_jax.zoo import _classifiers as shared
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo._recurrent import network
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.rnn.claims import claims
from torchlean_jax.zoo.rnn.model import CELL, WIDTH

SETTINGS = Settings(steps=3000, lr=5e-3, weight_decay=0.01)


def make(width: int = WIDTH) -> Entry:
    """The entry at another width.

    >>> make(2).network.make.keywords["width"]
    2
    """
    model, title = network(CELL, width), "recurrent network, digits by rows"
    return shared.entry("rnn", title, model, claims(model), SETTINGS, least=0.95)


ENTRY = make()
