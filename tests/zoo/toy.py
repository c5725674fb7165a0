"""An entry whose every number is exact: sums in any order, and parts, agree in bits.

The loss is linear, examples are small integers and rates are powers of two, so that
floating-point arithmetic rounds nowhere.
"""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from torchlean_jax.zoo import Entry, Settings
from torchlean_jax.zoo._network import Model, Variables

SETTINGS = Settings(
    steps=40, batch=8, lr=0.5, optimizer="sgd", schedule="constant", clip=None
)


@dataclass(frozen=True)
class Weights(Model):
    size: int

    def init(self, key):
        return Variables(
            {"w": jnp.zeros(self.size)}, {"count": jnp.zeros((), "float32")}
        )

    def apply(self, variables, *args, method="__call__", training=False, **kwargs):
        raise NotImplementedError


class Integers:
    def batch(self, step, size, seed):
        return np.random.default_rng([seed, step]).integers(-4, 5, (size, 2)) * 1.0


def entry(size=2, name="toy", fails_at=None):
    """`fails_at`: the step whose loss is infinite, for `log` of 0."""

    def loss(variables, batch, key):
        count = variables.state["count"]
        value = (batch.astype("float32") @ variables.params["w"][:2]).mean()
        if fails_at is not None:
            value += jnp.log(jnp.float32(fails_at) - count)
        return value, {"count": count + 1}

    return Entry(
        name=name,
        title="toy",
        network=Weights(size),
        loss=loss,
        load=lambda path: Integers(),
        evaluate=lambda variables, data: {"w": float(variables.params["w"][0])},
        settings=SETTINGS,
        brief=10,
    )


def _small():
    from torchlean_jax.zoo import darcy, pinn

    config = darcy.Config(points=4, modes=(3, 2), width=2, depth=1)
    return {"darcy": darcy.make(config, train=4, held_out=1), "pinn": pinn.make(4)}


SMALL = _small()  # entries whose teacher is an equation


def first_losses(name, devices=1, seed=0):
    """Of the first two steps of one of these."""
    from torchlean_jax.zoo._step import Stepper

    settings = replace(SMALL[name].settings, batch=8, seed=seed)
    stepper, data = Stepper(SMALL[name], settings, devices), SMALL[name].load(None)
    state, found = stepper.init(), []
    for number in range(2):
        state, metrics = stepper.step(state, number, stepper.batch(data, number))
        found.append(float(metrics["loss"]))
    return found


def losses(devices=1, accumulate=1, steps=20):
    """The losses of a training, as its journal has them."""
    from torchlean_jax.zoo._step import Stepper

    toy = entry()
    settings = replace(SETTINGS, accumulate=accumulate, steps=steps)
    stepper = Stepper(toy, settings, devices)
    state, found = stepper.init(), []
    for number in range(steps):
        batch = stepper.batch(Integers(), number)
        state, metrics = stepper.step(state, number, batch)
        found.append(float(metrics["loss"]))
    return found
