"""A derivative check for each node of a program, alone, at the values it has there.

Reverse mode is a composition: where every node's own rule satisfies
`<y, J v> = <J' y, v>` for the true Jacobian J, so does the whole graph, and where the
whole fails, some node does. A function with a custom derivative is one node, as its
rule stands for all of it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains.real import Real, RealArray
from torchlean_jax.domains.real._flint import flint
from torchlean_jax.domains.real._value import each
from torchlean_jax.interpreters import _eager, _forward, _graph, _jaxpr
from torchlean_jax.interpreters._autodiff import (
    LENGTHS,
    Entry,
    compare,
    most_bits,
    narrowed,
)
from torchlean_jax.interpreters._derivative import (
    Derivative,
    Pair,
    Program,
    is_differentiable,
)
from torchlean_jax.interpreters._segment import Comparison, Segment

# One node each: the rule that JAX applies is that of the call, not of what is inside.
CUSTOM = frozenset(("custom_jvp_call", "custom_vjp_call"))


@dataclass(frozen=True)
class Node:
    """One equation, and how its derivative compares at the operands it has.

    operand: the first of its inputs with a wrong derivative, if any; entry: an element
    of its Jacobian that is wrong.
    """

    equation: _graph.Equation
    comparison: Comparison
    operand: int | None = None
    entry: Entry | None = None
    maker: str | None = None

    @property
    def verdict(self) -> str:
        return self.comparison.verdict

    def __str__(self) -> str:
        return described(self.equation)


def described(equation: _graph.Equation) -> str:
    """`"mul f32[3], f32[3]   model.py:12   y = a * b   rule f_bwd at model.py:9"`."""
    shapes = ", ".join(v.aval.str_short() for v in equation.eqn.invars)
    called = equation.eqn.params.get("name") if equation.name in CUSTOM else None
    parts = [" ".join(filter(None, (equation.name, called, shapes)))]
    if equation.source is not None:
        file, line, text = equation.source
        parts += [f"{file.rsplit('/', 1)[-1]}:{line}", *([text] if text else [])]
    rule = _jaxpr.derivative_rule(equation.eqn)
    return "   ".join([*parts, *([f"rule {rule}"] if rule else [])])


def graph_of(program: Program) -> _graph.Graph:
    return _graph.flatten(program.jaxpr, program.consts, whole=CUSTOM)


def check_nodes(derivative: Derivative, point, others, rng) -> Iterator[Node]:
    """Every node between the inputs and the outputs, in order.

    An equation in a loop is checked in its first and in its last round. Raises
    UndecidedError where the values of the nodes are not decided.
    """
    graph = graph_of(derivative.function)
    with flint().ctx.workprec(most_bits()):
        values = values_of(graph, [*point, *others])
    moving = graph.dependents(graph.inputs[: len(derivative.inputs)])
    needed = _needed(graph)
    checked = [
        equation
        for equation in graph.equations
        if needed.intersection(equation.outputs)
        and any(i in moving and _is_inexact(graph, i) for i in equation.inputs)
        and any(_is_inexact(graph, o) for o in equation.outputs)
    ]
    rounds = {}
    for equation in checked:
        rounds.setdefault(id(equation.eqn), []).append(equation)
    for found in rounds.values():
        for equation in (found[0], *found[1:][-1:]):
            yield _check(equation, values, moving, derivative.forward, rng)


def values_of(graph, leaves) -> dict[int, Any]:
    """All values of a graph over the reals, at the precision that is set."""
    domain: Any = Real()
    values = dict(graph.constants)
    values.update(zip(graph.inputs, leaves, strict=True))
    values = {n: domain.lift(x) if _eager.is_float(x) else x for n, x in values.items()}
    for equation in graph.equations:
        operands = [values[i] for i in equation.inputs]
        outputs = _forward.apply(equation.eqn, operands, domain)
        values.update(zip(equation.outputs, outputs, strict=True))
    return values


def _needed(graph) -> set[int]:
    """The values that an output is computed from."""
    needed = set(graph.outputs)
    for equation in reversed(graph.equations):
        if needed.intersection(equation.outputs):
            needed.update(equation.inputs)
    return needed


def _is_inexact(graph, number) -> bool:
    return jnp.issubdtype(graph.avals[number].dtype, jnp.inexact)


def _check(equation, values, moving, forward, rng) -> Node:
    if equation.name == "stop_gradient":
        return Node(equation, Comparison("stopped"))
    derivative, point, others = _alone(equation, values, moving, forward)
    pair = Pair.random(derivative, rng)
    found = compare(derivative, point, others, pair)
    if found.verdict not in ("differs", "value"):
        return Node(equation, found)
    if _explained_by_rounding(derivative, point, others, pair, found):
        return Node(equation, Comparison("rounding", gap=found.gap))
    entry = narrowed(derivative, point, others, pair)
    operand = entry.input[0] if entry else None
    return Node(equation, found, operand, entry, _maker(derivative, operand))


def _alone(equation, values, moving, forward):
    """The derivative of one equation in the operands that move; complex numbers are
    pairs of real ones."""
    floats = [
        k
        for k, i in enumerate(equation.inputs)
        if i in moving and _eager.is_float(values[i])
    ]
    rest = [k for k in range(len(equation.inputs)) if k not in floats]
    point, parts = [], []
    for k in floats:
        pieces = _parts(values[equation.inputs[k]])
        parts.append(len(pieces))
        point += [_middles(x) for x in pieces]

    def function(xs, others):
        xs = iter(xs)
        operands = dict(zip(rest, others, strict=True))
        for k, count in zip(floats, parts, strict=True):
            pieces = list(itertools.islice(xs, count))
            operands[k] = pieces[0] if count == 1 else lax.complex(*pieces)
        outputs = equation.operation(*[operands[k] for k in range(len(operands))])
        multiple = equation.eqn.primitive.multiple_results
        return _real_outputs(outputs if multiple else [outputs])

    others = [values[equation.inputs[k]] for k in rest]
    avals = [equation.eqn.invars[k].aval for k in rest]
    others_avals = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in avals]
    avals = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in point]
    derivative = Derivative.of(function, avals, others_avals, forward=forward)
    return derivative, point, others


def _parts(x: RealArray) -> list[RealArray]:
    return [x.real, x.imag] if x.is_complex else [x]


def _middles(x: RealArray) -> RealArray:
    """A point of each ball, exactly."""
    return RealArray(each(lambda b: b.mid() if b.is_finite() else b, x.balls), x.dtype)


def _real_outputs(outputs):
    for y in outputs:
        if jnp.issubdtype(y.dtype, jnp.complexfloating):
            yield from (y.real, y.imag)
        elif is_differentiable(y):
            yield y


def _explained_by_rounding(derivative, point, others, pair, found) -> bool:
    """Whether the claim, its constants known to half an ulp, may be the derivative.

    The derivative of erf has 2/sqrt(pi) in it, which no float is. Accepted only where
    the constants leave the claim certain to 64 units of roundoff.
    """
    if found.verdict != "differs" or found.truth is None:
        return False
    graph = _graph.flatten(derivative.claim.jaxpr, derivative.claim.consts)
    graph.constants = {n: _as_rounded(c) for n, c in graph.constants.items()}
    unit = max(float(jnp.finfo(a.dtype).eps) / 2 for a in derivative.inputs)
    with flint().ctx.workprec(256):
        segment = Segment(derivative, point, others, pair, LENGTHS[0])
        vectors = segment.vectors(segment.pair.covector)
        try:
            values = values_of(graph, [*segment.ball(), *others, *vectors])
        except UndecidedError:
            return False
        claims = [values[n] for n in graph.outputs[len(derivative.outputs) :]]
        total, scale = segment.contracted(claims, segment.pair.covector)
        certain = total.is_finite() and total.rad() <= 64 * unit * scale
        return bool(certain and total.overlaps(found.truth))


def _as_rounded(constant):
    """Floats that fill their format, as the balls that round to them."""
    if not jnp.issubdtype(jnp.result_type(constant), jnp.inexact):
        return constant
    array = np.asarray(constant)
    digits = jnp.finfo(array.dtype).nmant + 1

    def ball(x):
        mantissa, exponent = np.frexp(x)
        if not np.isfinite(x) or (mantissa * 2.0 ** (digits // 2)).is_integer():
            return flint().arb(x)
        return flint().arb(x, 2.0 ** (int(exponent) - digits - 1))

    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        wide = array.astype(np.complex128).astype(object)
        pair = lambda z: flint().acb(ball(z.real), ball(z.imag))  # noqa: E731
        return RealArray(each(pair, wide), array.dtype)
    return RealArray(each(ball, array.astype(np.float64).astype(object)), array.dtype)


def _maker(derivative, operand) -> str | None:
    """What computes the derivative with respect to that operand, inside the rule."""
    if operand is None:
        return None
    number = 0 if derivative.forward else operand
    jaxpr = derivative.claim.jaxpr
    var = jaxpr.outvars[len(derivative.outputs) + number]
    for eqn in reversed(jaxpr.eqns):
        if var in eqn.outvars:
            return f"{eqn.primitive.name} {eqn.outvars[0].aval.str_short()}"
    return None
