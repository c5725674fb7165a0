"""A flax nnx module as pure functions of plain dictionaries of arrays.

Parameters are `{"layers.0.kernel": array, ...}`: a pytree whose keys are names that
checkpoints, error messages and other frameworks' files share. What a model *is* stands
in the `model.py` of each entry, not here.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from torchlean_jax.zoo._extras import import_extra

if TYPE_CHECKING:
    from flax import nnx


class Variables(NamedTuple):
    """Arrays by name: what is learned, and what a step changes besides (averages)."""

    params: dict[str, Any]
    state: dict[str, Any]

    def __str__(self) -> str:
        return f"{sum(x.size for x in self.params.values()):,} parameters"


class Model(ABC):
    """What an entry trains: pure functions of its Variables."""

    @abstractmethod
    def init(self, key) -> Variables:
        """Fresh variables; the same key gives the same."""

    @abstractmethod
    def apply(
        self, variables: Variables, *args, method="__call__", training=False, **kwargs
    ) -> tuple[Any, dict[str, Any]]:
        """The output of one of its methods, and the state as it leaves it."""

    def function(self, variables: Variables, method: str = "__call__"):
        """The model in evaluation, its variables fixed: what the verbs take."""

        def function(*args, **kwargs):
            return self.apply(variables, *args, method=method, **kwargs)[0]

        function.__name__ = method.strip("_")
        return function


@dataclass(frozen=True)
class Network(Model):
    """Pure functions made of the module that `make` builds from random keys.

    >>> from flax import nnx
    >>> network = Network(lambda rngs: nnx.Linear(3, 2, rngs=rngs))
    >>> variables = network.init(jax.random.key(0))
    >>> sorted(variables.params)
    ['bias', 'kernel']
    >>> network.function(variables)(jnp.ones((5, 3))).shape
    (5, 2)
    """

    make: "Callable[[nnx.Rngs], nnx.Module]"

    @functools.cached_property
    def _split(self):
        nnx = _nnx()
        module = nnx.eval_shape(lambda: self.make(nnx.Rngs(0)))
        return nnx.split(module, nnx.Param, ...)

    def init(self, key) -> Variables:
        nnx = _nnx()
        _, *parts = nnx.split(self.make(nnx.Rngs(key)), nnx.Param, ...)
        return Variables(*map(_named, parts))

    def apply(
        self, variables: Variables, *args, method="__call__", training=False, **kwargs
    ):
        nnx = _nnx()
        graph, *parts = self._split
        filled = [_filled(part, v) for part, v in zip(parts, variables, strict=True)]
        # without the copy, gradients through a module that changes its state are lost
        module = nnx.merge(graph, *filled, copy=True)
        module.train() if training else module.eval()
        output = getattr(module, method)(*args, **kwargs)
        return output, _named(nnx.split(module, nnx.Param, ...)[2])


def cast(tree, dtype):
    """The floating arrays of a pytree in another floating dtype; the rest as it is."""

    def one(x):
        return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(one, tree)


def _named(part) -> dict[str, Any]:
    return {_name(path): leaf[...] for path, leaf in _nnx().to_flat_state(part)}


def _filled(part, arrays: dict[str, Any]):
    """The nnx state of that structure, with these arrays."""
    nnx = _nnx()
    flat = nnx.to_flat_state(part)
    return nnx.from_flat_state(
        [(path, leaf.replace(arrays[_name(path)])) for path, leaf in flat]
    )


def _name(path) -> str:
    return ".".join(map(str, path))


def _nnx():
    return import_extra("flax.nnx", extra="zoo", purpose="the model zoo")
