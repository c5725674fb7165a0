"""How the operator is trained, and measured on two grids."""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.fno import data
from torchlean_jax.zoo.fno.claims import claims
from torchlean_jax.zoo.fno.model import Config, network

CONFIG = Config()
SETTINGS = Settings(steps=4000, batch=32, lr=2e-3, weight_decay=1e-4)


def relative(found, end):
    """|found - end| / |end| of each function, in L2 over the circle."""
    off = jnp.linalg.norm((found - end).astype(jnp.float32), axis=-1)
    return off / jnp.linalg.norm(end.astype(jnp.float32), axis=-1)


def make(
    config: Config = CONFIG, train: int = data.TRAIN, held_out: int = data.HELD_OUT
) -> Entry:
    """The entry at other sizes, with fewer solutions.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    operator = network(config)

    def loss(variables, batch, key):
        found, state = operator.apply(variables, batch["start"], training=True)
        return relative(found, batch["end"]).mean(), state

    def evaluate(variables, solutions) -> dict[str, float]:
        """The relative error of held-out functions; the same on twice as many points,
        which were not trained on; and the mean square."""

        @jax.jit
        def errors(start, end):
            found = operator.apply(variables, start)[0]
            return relative(found, end).mean(), ((found - end) ** 2).mean()

        error, square = errors(*solutions.held_out)
        finer, _ = errors(*solutions.fine)
        return {
            "relative_error": float(error),
            "on_a_finer_grid": float(finer),
            "squared_error": float(square),
        }

    def show(variables, solutions) -> str:
        """One held-out function: its start, its end, and what was found."""
        start, end = (x[:1] for x in solutions.held_out)
        found = operator.apply(variables, start)[0]
        rows = {"start": start, "end": end, "found": found}
        return "\n".join(
            f"{name:<5} " + " ".join(f"{v:6.2f}" for v in x[0, ::4])
            for name, x in rows.items()
        )

    return Entry(
        name="fno",
        title="Fourier neural operator, Burgers' equation",
        network=operator,
        loss=loss,
        load=functools.partial(
            data.solutions, points=config.points, train=train, held_out=held_out
        ),
        evaluate=evaluate,
        show=show,
        settings=SETTINGS,
        brief=20,
        goals=(Goal("relative_error", most=0.01), Goal("on_a_finer_grid", most=0.02)),
        claims=claims(operator, config),
        unit="functions",
    )


ENTRY = make()
