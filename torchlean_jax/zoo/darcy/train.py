"""The operator of Darcy's flow as an entry (`operators._train`)."""

import functools

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.darcy import data
from torchlean_jax.zoo.darcy.claims import claims
from torchlean_jax.zoo.darcy.model import Config, network
from torchlean_jax.zoo.operators._train import operator_entry

CONFIG = Config()
SETTINGS = Settings(steps=2500, batch=16, lr=2e-3, weight_decay=1e-4)


def make(
    config: Config = CONFIG, train: int = data.TRAIN, held_out: int = data.HELD_OUT
) -> Entry:
    """The entry at other sizes, with fewer solutions.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    operator = network(config)
    return operator_entry(
        operator,
        functools.partial(
            data.solutions, points=config.points, train=train, held_out=held_out
        ),
        name="darcy",
        title="Fourier neural operator, Darcy's flow in two dimensions",
        settings=SETTINGS,
        brief=20,
        goals=(Goal("relative_error", most=0.02), Goal("on_a_finer_grid", most=0.03)),
        claims=claims(operator, config),
    )


ENTRY = make()
