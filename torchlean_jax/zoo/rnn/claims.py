"""What is claimed of the network (`zoo._recurrent`): of this cell, its recurrence."""

from torchlean_jax.zoo import _recurrent
from torchlean_jax.zoo.rnn.model import CELL


def claims(network) -> tuple:
    return _recurrent.claims(network, CELL)
