"""What an entry of the zoo is: model, data, loss, quality and claims, as one value.

How it is trained is in `_loop.py`, how its claims are checked in `_claims.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._network import Model, Variables
from torchlean_jax.zoo._settings import Settings


class Data(Protocol):
    """Examples. What a batch holds depends on its arguments alone, not on the past:
    a training that was interrupted goes on with the batches it would have had."""

    def batch(self, step: int, size: int, seed: int) -> Any:
        """A pytree of numpy arrays whose first axis is `size`."""
        ...


@dataclass(frozen=True)
class Goal:
    """A metric of the trained model, and the value that it has to reach."""

    metric: str
    least: float | None = None
    most: float | None = None

    def is_met(self, metrics: dict[str, float]) -> bool:
        value = metrics[self.metric]  # a NaN meets no goal
        low = self.least is None or value >= self.least
        return low and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        ends = ((">=", self.least), ("<=", self.most))
        return " and ".join(
            f"{self.metric} {sign} {end:g}" for sign, end in ends if end is not None
        )


@dataclass(frozen=True)
class Entry:
    """A model that can be trained, measured, sampled from, and asked what it claims.

    title: one line, for `torchlean zoo list`.
    network: what is learned, and how it is applied.
    loss(variables, batch, key): the loss and the state after the step.
    load(path): the data, the user's own if a path is given.
    evaluate(variables, data): metrics of the trained model, on held-out data.
    claims: functions of a Trained; the docstring of each is the claim (`_claims.py`).
    settings: of a whole training; brief: the steps of one that lasts seconds.
    unit, units: what throughput counts, and how many of them an example holds.
    certified_loss: like loss, with a radius and the name of bounds (`Settings`); for
        entries that certify.
    sample(variables, prompt, options, key): text, for `torchlean sample`.
    show(variables, data): a text to end a training with.
    read(path): the entry at the sizes, and with the variables, of a checkpoint that
        others have published; for entries that read some.
    """

    name: str
    title: str
    network: Model
    loss: Callable[..., tuple[Any, dict]]
    load: Callable[[str | None], Data]
    evaluate: Callable[[Variables, Any], dict[str, float]]
    settings: Settings
    brief: int
    goals: tuple[Goal, ...] = ()
    claims: tuple[Callable, ...] = ()
    unit: str = "examples"
    units: int = 1
    certified_loss: Callable[..., tuple[Any, dict]] | None = None
    sample: Callable[..., str] | None = None
    show: Callable[..., str] | None = None
    read: "Callable[..., Trained] | None" = None

    def loss_for(
        self, settings: Settings, number: Any
    ) -> Callable[..., tuple[Any, dict]]:
        """`loss`, or the certified one at the radius of the step with that number.

        A radius that was there from the start would find weights whose bounds are wide,
        and teach them to say nothing. Source for its growth: Gowal et al. 2018
        (arXiv:1810.12715), section 3.
        """
        if settings.certified is None:
            return self.loss
        if self.certified_loss is None:
            raise InputError(f"{self.name} has no certified training")
        certified, method = self.certified_loss, settings.certified_by
        share = jnp.minimum(number / (GROWING * settings.steps), 1)
        radius = settings.certified * share
        return lambda *args: certified(*args, radius, method)


GROWING = 0.5  # of the steps: while the radius of certified training does


@dataclass(frozen=True)
class Trained:
    """An entry with variables: what claims are about.

    data: what it was trained on, or None. metrics: of the evaluation, if there was one.
    """

    entry: Entry
    variables: Variables
    settings: Settings
    step: int = 0
    data: Any = field(default=None, repr=False)
    metrics: dict[str, float] = field(default_factory=dict)

    def function(self, method: str = "__call__"):
        """A method of the network with the variables fixed, for the verbs."""
        return self.entry.network.function(self.variables, method)

    @property
    def shapes(self) -> Variables:
        """The variables by shape: a claim with these is about all weights."""
        return jax.eval_shape(lambda: self.variables)


def untrained(entry: Entry, seed: int = 0) -> Trained:
    """The entry as it is before its first step."""
    settings = replace(entry.settings, seed=seed)
    return Trained(entry, entry.network.init(jax.random.key(seed)), settings)
