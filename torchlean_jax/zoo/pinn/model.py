"""`science.pinn`'s network of a problem, with its weights by name."""

from dataclasses import dataclass

import jax

from torchlean_jax.science import pinn
from torchlean_jax.zoo._network import Model, Variables


@dataclass(frozen=True)
class Solution(Model):
    """u of one point [coordinates], as the form of its problem makes it."""

    problem: pinn.Problem
    width: int = 24

    def init(self, key) -> Variables:
        layers = pinn.initial(self.problem, jax.random.split(key, 3), self.width)
        named = {}
        for number, (kernel, bias) in enumerate(layers):
            named |= {f"layers.{number}.kernel": kernel, f"layers.{number}.bias": bias}
        return Variables(named, {})

    def u(self, variables: Variables):
        """The function, as `pinn` takes it."""
        params = variables.params
        layers = [
            (params[f"layers.{k}.kernel"], params[f"layers.{k}.bias"]) for k in range(3)
        ]
        return pinn.network(self.problem, layers)

    def apply(self, variables, x, *, method="__call__", training=False):  # pyright: ignore
        return self.u(variables)(x), variables.state
