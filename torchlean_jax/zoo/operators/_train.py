"""How an operator is trained, and measured on two grids."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo._network import Network


def relative(found, wanted):
    """|found - wanted| / |wanted| of each function, in L2 over the grid."""

    def size(u):
        return jnp.linalg.norm(u.astype(jnp.float32).reshape(len(u), -1), axis=-1)

    return size(found - wanted) / size(wanted)


def operator_entry(operator: Network, load: Callable, **rest: Any) -> Entry:
    """The entry of an operator; load(path) gives `Pairs`, rest is the other fields."""

    def loss(variables, batch, key):
        found, state = operator.apply(variables, batch["given"], training=True)
        return relative(found, batch["wanted"]).mean(), state

    def evaluate(variables, pairs) -> dict[str, float]:
        """The relative error of held-out functions; the same on twice as many points,
        which were not trained on; and the mean square."""

        @jax.jit
        def errors(given, wanted):
            found = operator.apply(variables, given)[0]
            return relative(found, wanted).mean(), ((found - wanted) ** 2).mean()

        error, square = errors(*pairs.held_out)
        finer, _ = errors(*pairs.fine)
        return {
            "relative_error": float(error),
            "on_a_finer_grid": float(finer),
            "squared_error": float(square),
        }

    def show(variables, pairs) -> str:
        """One held-out function on a line: given, wanted, and what was found."""
        given, wanted = (x[:1] for x in pairs.held_out)
        found = operator.apply(variables, given)[0]
        rows = {"given": given, "wanted": wanted, "found": found}
        line = (0, *[x // 2 for x in given.shape[1:-1]], slice(None, None, 4))
        return "\n".join(
            f"{name:<6} " + " ".join(f"{v:6.3f}" for v in x[line])
            for name, x in rows.items()
        )

    return Entry(
        network=operator,
        loss=loss,
        load=load,
        evaluate=evaluate,
        show=show,
        unit="functions",
        **rest,
    )
