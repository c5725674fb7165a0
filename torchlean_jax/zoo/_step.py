"""One update of the parameters as a pure function, jitted, over one device or many."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._entry import Entry
from torchlean_jax.zoo._network import Variables, cast
from torchlean_jax.zoo._optimizers import optimizer
from torchlean_jax.zoo._settings import Settings


class TrainState(NamedTuple):
    """All that the next step depends on, beside its number and its batch."""

    variables: Variables
    optimizer: Any


class Stepper:
    """`init()` and `step(state, number, batch)` of an entry under its settings.

    The batch is split over the devices, the state is on each; XLA adds up the
    gradients. `step` takes the buffers of the state that it is given.
    """

    def __init__(self, entry: Entry, settings: Settings, devices: int = 1):
        self.entry, self.settings = entry, settings
        entry.loss_for(settings, 0)  # refuses what cannot be before anything is trained
        self.optimizer = optimizer(settings)
        mesh = Mesh(np.array(_devices(devices)), ("data",))
        self.whole = NamedSharding(mesh, PartitionSpec())
        self.split = NamedSharding(mesh, PartitionSpec("data"))
        if settings.batch % (devices * settings.accumulate):
            raise InputError(
                f"a batch of {settings.batch} does not fall into equal parts for "
                f"{devices} devices and {settings.accumulate} accumulated gradients"
            )
        self.step = jax.jit(self._step, donate_argnums=0)

    def init(self) -> TrainState:
        def init(key):
            variables = self.entry.network.init(key)
            return TrainState(variables, self.optimizer.init(variables.params))

        return self.put(init(jax.random.key(self.settings.seed)))

    def abstract(self) -> TrainState:
        """The state by shapes, each on its devices: what a checkpoint has to hold."""

        def shaped(x):
            return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=self.whole)

        return jax.tree.map(shaped, jax.eval_shape(self._fresh))

    def put(self, state: TrainState) -> TrainState:
        return jax.device_put(state, self.whole)

    def batch(self, data, number: int):
        """The examples of a step, where they are needed."""
        made = data.batch(number, self.settings.batch, self.settings.seed)
        return jax.device_put(made, self.split)

    def gradient(self, variables: Variables, number, batch):
        """The gradient of the loss at a step, and (loss, state after it)."""
        settings = self.settings
        key = jax.random.fold_in(jax.random.key(settings.seed), number)
        loss_at = self.entry.loss_for(settings, number)

        def loss(params, state, batch, key):
            wide = state
            if settings.dtype != "float32":
                params, state, batch = cast((params, state, batch), settings.dtype)
            value, state = loss_at(Variables(params, state), batch, key)
            state = jax.tree.map(lambda new, old: new.astype(old.dtype), state, wide)
            return value.astype(jnp.float32), state

        differentiated = jax.value_and_grad(loss, has_aux=True)
        params, state = variables
        if settings.accumulate == 1:
            return differentiated(params, state, batch, key)
        return _accumulated(differentiated, params, state, batch, key, settings)

    def _fresh(self):
        variables = self.entry.network.init(jax.random.key(0))
        return TrainState(variables, self.optimizer.init(variables.params))

    def _step(self, state: TrainState, number, batch):
        variables, old = state
        (loss, after), gradient = self.gradient(variables, number, batch)
        updates, new = self.optimizer.update(gradient, old, variables.params)
        params = optax.apply_updates(variables.params, updates)
        metrics = {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}
        return TrainState(Variables(params, after), new), metrics  # pyright: ignore


def _accumulated(differentiated, params, state, batch, key, settings):
    """The mean loss and gradient over equal parts of the batch, one after another."""
    parts = settings.accumulate

    def part(carry, given):
        state, total = carry
        (loss, state), gradient = differentiated(params, state, *given)
        return (state, jax.tree.map(jnp.add, total, gradient)), loss

    batches = jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), batch)
    zeros = jax.tree.map(jnp.zeros_like, params)
    given = batches, jax.random.split(key, parts)
    (state, total), losses = jax.lax.scan(part, (state, zeros), given)
    return (losses.mean(), state), jax.tree.map(lambda g: g / parts, total)


def _devices(count: int):
    found = jax.devices()
    if jax.config.values["jax_default_device"] is not None:
        platform = jax.config.values["jax_default_device"].platform
        found = jax.devices(platform)
    if count > len(found):
        raise InputError(
            f"--devices {count}: JAX sees {len(found)} here. CPU devices are simulated "
            f"with XLA_FLAGS=--xla_force_host_platform_device_count={count}"
        )
    return found[:count]
