"""One equation's share of a walk as a program of its own, which all equations like it
share.

The layers of a network repeat a few dozen kinds of equation. The forms of a Fourier
operator of four layers are 55,309 lines of StableHLO as one program, which XLA did not
compile in 200 s; as a program for each kind of equation they take seconds. Under a
caller's jit the pieces are calls within its one program.
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from torchlean_jax.domains.interval._exact import is_float
from torchlean_jax.interpreters import _forward, _jaxpr


@dataclass(frozen=True, eq=False)
class Kind:
    """An equation with the step that it takes: equal to that of any other equation
    which does the same to operands of the same shapes.

    abstract: which operands depend on the sets of inputs.
    """

    equation: Any
    step: Any
    abstract: tuple[bool, ...]

    @functools.cached_property
    def _key(self):
        eqn, numbers = self.equation.eqn, {}
        for number in (*self.equation.inputs, *self.equation.outputs):
            numbers.setdefault(number, len(numbers))
        params = tuple(
            # 1 == 1.0 == True, which are different parameters
            (name, type(value), value if _hashes(value) else id(eqn))
            for name, value in sorted(_jaxpr.operation(eqn).all_params.items())
        )
        avals = (v.aval for v in (*eqn.invars, *eqn.outvars))
        return (
            eqn.primitive.name,
            params,
            tuple((aval.shape, str(aval.dtype)) for aval in avals),
            tuple(numbers[i] for i in self.equation.inputs),
            _forward.is_repeated(eqn),
            self.abstract,
            type(self.step),
            getattr(self.step, "rule", None),
        )

    def __hash__(self):
        return hash(self._key)

    def __eq__(self, other):
        return isinstance(other, Kind) and self._key == other._key

    def numbered(self, operands, results=()) -> dict:
        """Values by their numbers, as steps want them."""
        equation = self.equation
        found = dict(zip(equation.inputs, operands, strict=True))
        return {**found, **dict(zip(equation.outputs, results, strict=False))}


def in_pieces(function, kind: Kind, operands, *more):
    """function(kind, operands, ...) as a program for all equations of the kind, if it
    may be one."""
    if not _fits(kind.equation, operands):
        return function(kind, operands, *more)
    return _jitted(function)(kind, operands, *more)


@functools.cache
def _jitted(function):
    return jax.jit(function, static_argnums=0)


def _fits(equation, operands) -> bool:
    """Whether an equation may be a piece: without jaxprs of its own, and without
    integers, which rules read where they are known."""
    if _jaxpr.subjaxprs(equation.eqn):
        return False
    return bool(operands) and all(is_float(x) for x in map(_typed, operands))


def _typed(x):
    return x if hasattr(x, "dtype") else jnp.asarray(x)


def _hashes(value) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
