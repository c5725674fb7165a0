"""Where in the program of a derivative numbers stop being numbers."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_jaxpr

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains.real import RealArray
from torchlean_jax.domains.real._flint import flint
from torchlean_jax.interpreters._autodiff import LENGTHS, bits_for
from torchlean_jax.interpreters._derivative import Derivative, Pair
from torchlean_jax.interpreters._derivative_nodes import described, values_of
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._segment import Segment, has_no_number


def first_no_number(derivative: Derivative, point, others, pair: Pair) -> str:
    """The first equation of the claim that makes no number out of numbers, over the
    reals; empty if none does."""
    graph = flatten(derivative.claim.jaxpr, derivative.claim.consts)
    with flint().ctx.workprec(bits_for(LENGTHS[0])):
        segment = Segment(derivative, point, others, pair, LENGTHS[0])
        try:
            values = values_of(
                graph, [*point, *others, *segment.vectors(pair.covector)]
            )
        except UndecidedError:
            return ""
    return _first(graph, values, _is_some_number)


def _first(graph, values, good) -> str:
    """The first equation with good operands and an output that is not."""
    for equation in graph.equations:
        operands, outputs = (
            [good(values[i]) for i in numbers]
            for numbers in (equation.inputs, equation.outputs)
        )
        if all(operands) and not all(outputs):
            return described(equation)
    return ""


def _is_some_number(x) -> bool:
    return not (isinstance(x, RealArray) and has_no_number(x))


@dataclass(frozen=True)
class FloatRun:
    """What the claim returns in floating point, in float64; `where` numbers end."""

    claims: list[np.ndarray]
    where: str


def float_claims(derivative: Derivative, inputs, others, pair: Pair) -> FloatRun:
    """The claim compiled and run. `where` is looked for only if it is not finite."""
    vectors = pair.direction if derivative.forward else pair.covector
    avals = derivative.inputs if derivative.forward else derivative.outputs
    vectors = [
        jnp.asarray(v).astype(a.dtype) for v, a in zip(vectors, avals, strict=True)
    ]
    args = [*inputs, *others, *vectors]
    claim = derivative.claim
    run = jax.jit(lambda *xs: eval_jaxpr(claim.jaxpr, claim.consts, *xs))
    claims = run(*args)[len(derivative.outputs) :]
    arrays = [np.asarray(c).astype(np.float64) for c in claims]
    if all(np.isfinite(a).all() for a in arrays):
        return FloatRun(arrays, "")
    return FloatRun(arrays, _first_infinite(claim, args))


def _first_infinite(claim, args) -> str:
    """The first equation that makes something else out of finite numbers."""
    graph = flatten(claim.jaxpr, claim.consts)
    values = dict(graph.constants)
    values.update(zip(graph.inputs, args, strict=True))
    for equation in graph.equations:
        outputs = equation.operation(*[values[i] for i in equation.inputs])
        multiple = equation.eqn.primitive.multiple_results
        outputs = outputs if multiple else [outputs]
        values.update(zip(equation.outputs, outputs, strict=True))
    return _first(graph, values, _is_finite)


def _is_finite(x) -> bool:
    if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        return True
    return bool(np.isfinite(np.asarray(x).astype(np.float64)).all())
