"""What learns from its own doing: parameters beside a memory of what was done.

The memory is part of the Variables, as averages are, so that a training that was
interrupted goes on with what it had seen. How an agent acts and learns is not here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._epochs import chosen
from torchlean_jax.zoo._network import Model, Network, Variables


@dataclass(frozen=True)
class Agent(Model):
    """A network whose state is a memory, which `remember(params, key)` starts."""

    network: Network
    remember: Callable[[dict[str, Any], Any], dict[str, Any]]

    def init(self, key) -> Variables:
        params = self.network.init(key).params
        return Variables(params, self.remember(params, key))

    def apply(self, variables, *args, **kwargs):
        alone = Variables(variables.params, {})
        return self.network.apply(alone, *args, **kwargs)[0], variables.state


@dataclass(frozen=True)
class Places:
    """Places in a memory of `total` events: each once in an epoch, in random order."""

    total: int

    def batch(self, step: int, size: int, seed: int) -> np.ndarray:
        """`size` of them.

        >>> Places(4).batch(0, 2, seed=0).shape
        (2,)
        """
        return chosen(self.total, step, size, seed, "events").astype(np.int32)


def places(path: str | None, total: int) -> Places:
    """Raises InputError for a path: an agent makes its own data."""
    if path is not None:
        raise InputError(f"{path}: an agent learns from what it does, not from files")
    return Places(total)
