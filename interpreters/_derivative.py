"""A function beside what is claimed to be its derivative, as programs over the reals.

Also the directions and covectors that a claim is tried with. What is made of them is in
`_segment`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.real import Real
from torchlean_jax.interpreters import _eager, _jaxpr
from torchlean_jax.interpreters._forward import walk


@dataclass(frozen=True)
class Program:
    """A jaxpr to be run over the reals at whatever precision is set."""

    jaxpr: Any
    consts: tuple

    @staticmethod
    def of(function, *avals) -> "Program":
        return Program(*_jaxpr.open_jaxpr(jax.make_jaxpr(function)(*avals)))

    def __call__(self, *args, domain: Any = None, observe=None) -> list:
        """The outputs, floats as RealArray. Raises UndecidedError."""
        domain = domain or Real()
        consts, args = (
            [domain.lift(x) if _eager.is_float(x) else x for x in xs]
            for xs in (self.consts, args)
        )
        outputs = walk(self.jaxpr, consts, args, domain, observe)
        return [domain.lift(y) if _eager.is_float(y) else y for y in outputs]


@dataclass(frozen=True)
class Derivative:
    """A function of float arrays beside what JAX says its derivative is.

    function: (*floats, *others) -> float outputs. claim: with cotangents (tangents, if
    `forward`) behind the inputs, it returns the outputs and then what is claimed.
    """

    function: Program
    claim: Program
    inputs: tuple
    others: tuple
    outputs: tuple
    forward: bool

    @staticmethod
    def of(function: Callable, floats, others, *, forward=False) -> "Derivative":
        """function(floats, others) -> list of float arrays; the rest are avals."""
        floats, others = tuple(floats), tuple(others)
        n, m = len(floats), len(others)

        def plain(*args):
            return list(function(args[:n], args[n:]))

        def pulled(*args):
            given = args[n : n + m]
            outputs, pull = jax.vjp(lambda *xs: list(function(xs, given)), *args[:n])
            return [*outputs, *pull(list(args[n + m :]))]

        def pushed(*args):
            given, tangents = args[n : n + m], args[n + m :]
            f = lambda *xs: list(function(xs, given))  # noqa: E731
            outputs, results = jax.jvp(f, args[:n], tangents)
            return [*outputs, *results]

        primal = Program.of(plain, *floats, *others)
        outputs = tuple(v.aval for v in primal.jaxpr.outvars)
        outputs = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in outputs)
        vectors = floats if forward else outputs
        claim = Program.of(pushed if forward else pulled, *floats, *others, *vectors)
        return Derivative(primal, claim, floats, others, outputs, forward)


@dataclass(frozen=True)
class Pair:
    """A direction among the inputs and a covector on the outputs: binary fractions."""

    direction: tuple[np.ndarray, ...]
    covector: tuple[np.ndarray, ...]

    @staticmethod
    def random(derivative: Derivative, rng) -> "Pair":
        """All elements odd multiples of 2**-22 below 1 in size: 2**22 values.

        Let E be the difference of two Jacobians, with an element of size e. At most one
        value of that element of v makes its row of E v less than e 2**-22, and at most
        one of y makes <y, E v> less than e 2**-44. So a fault that is larger than 2**44
        tolerances is missed with chance 2**-21 at most (a quantitative form of Schwartz
        1980, lemma 1, for bilinear forms).
        """

        def draw(aval):
            odd = 2 * rng.integers(-(2**21), 2**21, aval.shape) + 1
            return np.asarray(odd * 2.0**-22)

        return Pair(
            tuple(map(draw, derivative.inputs)), tuple(map(draw, derivative.outputs))
        )

    def only(self, leaf: int) -> "Pair":
        """Nothing but the elements of one input."""
        kept = [
            v if i == leaf else np.zeros_like(v) for i, v in enumerate(self.direction)
        ]
        return replace(self, direction=tuple(kept))

    def upward(self) -> "Pair":
        """The direction with all its elements positive."""
        return replace(self, direction=tuple(map(np.abs, self.direction)))


def is_differentiable(aval) -> bool:
    return jnp.issubdtype(aval.dtype, jnp.floating)
