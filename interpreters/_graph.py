"""A jaxpr as one flat list of equations on numbered values.

Calls are inlined and scans of known length unrolled, so that the backward walk,
certificates and `inspect` all speak of the same nodes. Branches and while loops stay
single equations. The numbers depend only on the program, not on the JAX version.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.interpreters import _composite, _control, _jaxpr

# Longer scans stay one equation, which the backward walk takes as a whole.
UNROLL_AT_MOST = 64


@dataclass(frozen=True)
class Equation:
    """One primitive on numbered values. `source` is (file, line, text) of the user, or
    None."""

    eqn: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    source: tuple[str, int, str] | None

    @property
    def name(self) -> str:
        return self.eqn.primitive.name

    @property
    def operation(self) -> _jaxpr.Operation:
        return _jaxpr.operation(self.eqn)


@dataclass
class Graph:
    """Equations in order; `avals[i]` is the shape and dtype of value i."""

    avals: list[Any] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)

    def dependents(self, sources) -> set[int]:
        """The values that depend on any of `sources`."""
        reached = set(sources)
        for equation in self.equations:
            if reached.intersection(equation.inputs):
                reached.update(equation.outputs)
        return reached

    def producer(self) -> dict[int, Equation]:
        return {out: eq for eq in self.equations for out in eq.outputs}


def flatten(jaxpr, consts, *, keep=frozenset(), whole=frozenset()) -> Graph:
    """The flat graph of `jaxpr`; calls recognised as one of `keep`, and calls of the
    primitives `whole`, stay single equations."""
    graph = Graph()
    builder = _Builder(graph, keep, whole)
    constants = [builder.constant(c) for c in consts]
    graph.inputs = [builder.value(v.aval) for v in jaxpr.invars]
    graph.outputs = builder.inline(jaxpr, constants, graph.inputs, None)
    return graph


def spliced(
    graph: Graph, traced, operands, source, out: int | None = None
) -> tuple[list[Equation], int]:
    """(the equations of a traced function on values of `graph`, the number of its one
    result: `out` if it is given).

    `graph` gets the new values and constants; where the equations go is for the caller
    to say.
    """
    jaxpr, consts = _jaxpr.open_jaxpr(traced)
    piece = flatten(jaxpr, consts)
    numbers = dict(zip(piece.inputs, operands, strict=True))
    if out is not None:
        numbers[piece.outputs[0]] = out
    for number, aval in enumerate(piece.avals):
        if number not in numbers:
            numbers[number] = len(graph.avals)
            graph.avals.append(aval)
    for number, array in piece.constants.items():
        graph.constants[numbers[number]] = array
    equations = [
        Equation(
            equation.eqn,
            tuple(numbers[i] for i in equation.inputs),
            tuple(numbers[o] for o in equation.outputs),
            source,
        )
        for equation in piece.equations
    ]
    return equations, numbers[piece.outputs[0]]


@dataclass
class _Builder:
    graph: Graph
    keep: frozenset
    whole: frozenset

    def value(self, aval) -> int:
        self.graph.avals.append(jax.ShapeDtypeStruct(aval.shape, aval.dtype))
        return len(self.graph.avals) - 1

    def constant(self, array) -> int:
        aval = jax.ShapeDtypeStruct(jnp.shape(array), jnp.result_type(array))
        number = self.value(aval)
        self.graph.constants[number] = array
        return number

    def inline(self, jaxpr, consts, args, caller) -> list[int]:
        """Append the equations of `jaxpr`, called from the line `caller` (or None)."""
        env = dict(zip(jaxpr.constvars, consts, strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(var):
            return self._literal(var) if _jaxpr.is_literal(var) else env[var]

        for eqn in jaxpr.eqns:
            operands = [read(v) for v in eqn.invars]
            line = _jaxpr.source_line(eqn, caller)
            env.update(
                zip(eqn.outvars, self._equation(eqn, operands, line), strict=True)
            )
        return [read(v) for v in jaxpr.outvars]

    def _literal(self, var):
        aval = jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype)
        number = self.value(aval)
        # a Python scalar would be read at another dtype once x64 is enabled, and a JAX
        # array made here could belong to the trace of a caller's jit
        self.graph.constants[number] = np.asarray(var.val, var.aval.dtype)
        return number

    def _equation(self, eqn, operands, source) -> list[int]:
        name = eqn.primitive.name
        if self._is_inlined(eqn):
            jaxpr, consts = _jaxpr.open_jaxpr(eqn.params[_control.CALLS[name]])
            return self.inline(
                jaxpr, [self.constant(c) for c in consts], operands, source
            )
        if name == "scan" and eqn.params["length"] <= UNROLL_AT_MOST:
            return self._unroll(eqn, operands, source)
        outputs = tuple(self.value(v.aval) for v in eqn.outvars)
        self.graph.equations.append(Equation(eqn, tuple(operands), outputs, source))
        return list(outputs)

    def _is_inlined(self, eqn) -> bool:
        name = eqn.primitive.name
        if name not in _control.CALLS or name in self.whole:
            return False
        return _composite.recognise(eqn) not in self.keep

    def _unroll(self, eqn, operands, source) -> list[int]:
        n_consts, n_carry = _jaxpr.scan_layout(eqn)
        jaxpr, closed = _jaxpr.open_jaxpr(eqn.params["jaxpr"])
        closed = [self.constant(c) for c in closed]
        consts = operands[:n_consts]
        carry, xs = (
            operands[n_consts : n_consts + n_carry],
            operands[n_consts + n_carry :],
        )
        length = eqn.params["length"]
        steps = range(length - 1, -1, -1) if eqn.params["reverse"] else range(length)
        rows = {}
        for t in steps:
            x = [
                self._traced(
                    lambda a, t=t: lax.index_in_dim(a, t, keepdims=False), [i], source
                )
                for i in xs
            ]
            outputs = self.inline(jaxpr, closed, [*consts, *carry, *x], source)
            carry, rows[t] = outputs[:n_carry], outputs[n_carry:]
        stacked = (
            [
                self._traced(
                    lambda *a: jnp.stack(a), [rows[t][k] for t in range(length)], source
                )
                for k in range(len(eqn.outvars) - n_carry)
            ]
            if length
            else [
                self.constant(jnp.zeros(v.aval.shape, v.aval.dtype))
                for v in eqn.outvars[n_carry:]
            ]
        )
        return [*carry, *stacked]

    def _traced(self, function, operands, source) -> int:
        """The value of a small function of our own, inlined under the user's line."""
        avals = [self.graph.avals[i] for i in operands]
        jaxpr, consts = _jaxpr.open_jaxpr(jax.make_jaxpr(function)(*avals))
        (out,) = self.inline(
            jaxpr, [self.constant(c) for c in consts], operands, source
        )
        return out
