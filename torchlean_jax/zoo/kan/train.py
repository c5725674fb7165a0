"""How the network is fitted to its function, and measured."""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.kan.claims import CLAIMS
from torchlean_jax.zoo.kan.data import points, target
from torchlean_jax.zoo.kan.model import NETWORK

HELD_OUT = 10_000


def loss(variables, batch, key):
    """The mean square error of the value."""
    value, state = NETWORK.apply(variables, batch["point"], training=True)
    return ((value - batch["value"]) ** 2).mean(), state


def evaluate(variables, data) -> dict[str, float]:
    """Root mean square and largest error at held-out points, of values 0.4 to 7.4."""
    held_out = data.held_out(HELD_OUT)
    value = np.asarray(jax.jit(NETWORK.function(variables))(held_out["point"]))
    error = abs(value - held_out["value"])
    return {"rmse": float(np.sqrt((error**2).mean())), "largest": float(error.max())}


def show(variables, data) -> str:
    """The function and the network on a few points of the diagonal."""
    along = jnp.linspace(-1, 1, 9)
    point = jnp.stack([along, along], -1)
    found = NETWORK.apply(variables, point)[0]
    rows = zip(along, target(point), found, strict=True)
    lines = [f"{x:6.2f} {y:10.4f} {z:10.4f}" for x, y, z in rows]
    return "\n".join(["   x=y   function    network", *lines])


ENTRY = Entry(
    name="kan",
    title="Kolmogorov-Arnold network, exp(sin(pi x) + y^2)",
    network=NETWORK,
    loss=loss,
    load=points,
    evaluate=evaluate,
    show=show,
    settings=Settings(steps=6000, batch=256, lr=1e-2, weight_decay=0.0),
    brief=300,
    goals=(Goal("rmse", most=0.01),),
    claims=CLAIMS,
)
