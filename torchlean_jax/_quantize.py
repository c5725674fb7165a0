"""`quantize`: a float model as a program of integers, and how far it is from it.

Here are calibration and the walk. The grids are in `domains/quantized`; how bound
methods read integer arithmetic is in `interpreters/_integers.py`.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_jaxpr

from torchlean_jax._trace import Trace, as_function, aval_of, trace
from torchlean_jax._whole_functions import Whole, with_wholes
from torchlean_jax.domains._errors import InputError, TorchLeanError
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.domains.quantized import (
    Quantized,
    as_scheme,
    enter,
    leave,
)
from torchlean_jax.interpreters import _forward, _jaxpr
from torchlean_jax.interpreters._graph import Graph, flatten
from torchlean_jax.interpreters._missing import require_rules_of_graph


def quantize(model, calibration, scheme: Any = "int8") -> "QuantizedModel":
    """`model` as a program of 8-bit integers with 32-bit sums, which is a JAX function.

    `q = tl.quantize(f, images)` takes what `f` takes, of the same shape, and returns
    floats near those of `f`. Inside, weights and activations are int8, products are
    summed in int32, and the way from one grid to the next is an integer multiplication,
    a shift and a rounding to nearest even. Floats appear at the two ends only, where
    nothing rounds but the one rounding to the grid of the input. So `q` returns the
    same bits eagerly, under `jit` and in a batch, and what `tl.bounds(q)` and
    `tl.verify(q, ...)` say over the reals is said of every run.

    Args:
      model: a function, flax nnx module, (linen module, variables) or equinox module of
        float arrays.
      calibration: examples to observe ranges on, with a leading axis of examples; a
        tuple with an array for each argument of a model of several.
      scheme: "int8", "int4" or a `tl.QuantizationScheme`.

    Values outside of the observed ranges saturate. Derivatives of `q` are those of
    `model` (the straight-through estimator: Bengio et al. 2013, arXiv:1308.3432), so
    that attacks and training have a direction to go.

    Raises InputError for calibration data that are empty, not finite or of a shape that
    the model does not take, for an unknown scheme, and where a sum could overflow 32
    bits; MissingRuleError, listing every primitive that has no quantised rule (there is
    no silent way back to floats).

    Source: the affine grids of Jacob et al. 2018 (arXiv:1712.05877), section 2, with
    ties to even and an input scale that is a power of two.

    >>> import jax, jax.numpy as jnp, torchlean_jax as tl
    >>> w = jnp.array([[0.5, -1.0], [0.25, 0.75]])
    >>> f = lambda x: jax.nn.relu(x @ w)
    >>> q = tl.quantize(f, jnp.array([[-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]))
    >>> x = jnp.array([0.5, 0.5])
    >>> bool(jnp.abs(q(x) - f(x)).max() < 0.02), bool((jax.jit(q)(x) == q(x)).all())
    (True, True)
    """
    scheme = as_scheme(scheme)
    function = as_function(model)
    examples = _checked(calibration)
    name = getattr(function, "__name__", type(function).__name__)
    shapes = [jax.ShapeDtypeStruct(a.shape[1:], a.dtype) for a in examples]
    try:
        traced = trace(function, tuple(shapes), {}, lambda x: False)
    except TorchLeanError:
        raise
    except Exception as error:  # whatever a user's model raises on a wrong shape
        given = ", ".join(f"{s.dtype}{list(s.shape)}" for s in shapes)
        raise InputError(
            f"`{name}` cannot be called on one example of the calibration data, "
            f"{given}: {type(error).__name__}: {str(error).strip().splitlines()[0]}"
        ) from error
    graph = flatten(traced.jaxpr, traced.consts)
    with jax.ensure_compile_time_eval():
        known = _known(graph)
    program = with_wholes(graph, known)
    require_rules_of_graph(program, program.inputs, Quantized, what=f"`{name}`")
    with jax.ensure_compile_time_eval():
        spans = _spans(graph, known, examples)
    run = functools.partial(_run, program, known, spans, scheme, traced.out_avals)
    closed = jax.make_jaxpr(run)(*shapes)
    return QuantizedModel(name, function, traced, closed, scheme)


class QuantizedModel:
    """An integer program that stands for a float model: call it on arrays.

    jaxpr: the program; scheme: its number format; float_model: what it stands for.
    """

    def __init__(self, name, function, traced: Trace, closed, scheme):
        self.__name__ = f"{name}_{scheme.bits}_bits"
        self.jaxpr, self.scheme = closed, scheme
        self.float_model = function
        self._traced = traced
        jaxpr, consts = _jaxpr.open_jaxpr(closed)

        @jax.custom_jvp
        def program(*args):
            outputs = eval_jaxpr(jaxpr, consts, *args)
            return jax.tree.unflatten(traced.out_tree, outputs)

        @program.defjvp
        def _straight_through(args, tangents):
            return program(*args), jax.jvp(function, args, tangents)[1]

        self._program = program

    def __call__(self, *args):
        expected = [v.aval for v in self._traced.jaxpr.invars]
        given = [aval_of(x) for x in args]
        wanted = [(a.shape, a.dtype) for a in expected]
        if [(a.shape, a.dtype) for a in given] != wanted:
            raise InputError(
                f"`{self.__name__}` takes {_listed(expected)}, as calibrated (use "
                f"jax.vmap for a batch); got {_listed(given)}"
            )
        return self._program(*map(jnp.asarray, args))

    def __repr__(self) -> str:
        return f"QuantizedModel({self.__name__}, {self.scheme})"


def _listed(avals):
    return ", ".join(f"{a.dtype}{list(a.shape)}" for a in avals) or "nothing"


def _checked(calibration) -> list:
    arrays = calibration if isinstance(calibration, tuple) else (calibration,)
    if is_tracer(*jax.tree.leaves(arrays)):
        raise InputError("quantize looks at calibration data: call it outside of jit")
    arrays = [jnp.asarray(a) for a in arrays]
    counts = {a.shape[0] if a.ndim else 0 for a in arrays}
    if len(counts) != 1 or 0 in counts:
        shapes = ", ".join(str(list(a.shape)) for a in arrays) or "nothing"
        raise InputError(
            "calibration data are one or more examples along the first axis, as many "
            f"for each argument; got {shapes}"
        )
    for k, array in enumerate(arrays):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise InputError(
                f"calibration data are floats; argument {k} has dtype {array.dtype}"
            )
        bad = np.argwhere(~np.isfinite(np.asarray(array, np.float64)))
        if len(bad):
            at = bad[0].tolist()
            raise InputError(
                f"calibration data are finite; argument {k} has "
                f"{array[tuple(at)]} at index {at}"
            )
    return arrays


def _known(graph: Graph) -> dict[int, Any]:
    """The values of a graph that depend on no input, as JAX computes them."""
    moving, values = graph.dependents(graph.inputs), dict(graph.constants)
    for equation in graph.equations:
        if not moving.intersection(equation.inputs):
            _evaluate(equation, values)
    return values


def _evaluate(equation, values) -> None:
    outputs = equation.operation(*[values[i] for i in equation.inputs])
    if not equation.eqn.primitive.multiple_results:
        outputs = [outputs]
    values.update(zip(equation.outputs, outputs, strict=True))


def _spans(graph: Graph, known, examples) -> dict[int, tuple[float, float]]:
    """The least and the largest element of each float value over all examples."""
    moving = graph.dependents(graph.inputs)

    @jax.jit
    def observe(*arrays):
        def one(*args):
            values = {**known, **dict(zip(graph.inputs, args, strict=True))}
            for equation in graph.equations:
                if moving.intersection(equation.inputs):
                    _evaluate(equation, values)
            return {
                n: (
                    jnp.min(values[n], initial=jnp.inf),
                    jnp.max(values[n], initial=-jnp.inf),
                )
                for n in moving
                if jnp.issubdtype(values[n].dtype, jnp.floating)
            }

        ends = jax.vmap(one)(*arrays)
        return {n: (lo.min(), hi.max()) for n, (lo, hi) in ends.items()}

    spans = {n: (float(lo), float(hi)) for n, (lo, hi) in observe(*examples).items()}
    producer = graph.producer()
    for number, span in spans.items():
        if not np.isfinite(span).all() and graph.avals[number].size:
            line = producer[number].source
            where = f" in {line[0]}:{line[1]}   {line[2]}" if line else ""
            raise InputError(
                f"the model itself returns {span} for some example of the calibration "
                f"data{where}"
            )
    return spans


def _run(graph: Graph, known, spans, scheme, out_avals, *args) -> list:
    """The integer program on float inputs: its outputs as floats."""
    values = dict(known)
    for number, x in zip(graph.inputs, args, strict=True):
        values[number] = enter(x, spans[number], scheme)
    moving = graph.dependents(graph.inputs)
    for equation in graph.equations:
        if not moving.intersection(equation.inputs):
            continue
        operands = [values[i] for i in equation.inputs]
        if isinstance(equation, Whole):
            operation = equation.over(spans[equation.outputs[0]])
            outputs = [_forward.apply_primitive(operation, operands, Quantized)]
        else:
            outputs = _forward.apply(equation.eqn, operands, Quantized)
        for number, output in zip(equation.outputs, outputs, strict=True):
            if Quantized.is_value(output):  # not the truth of a comparison
                output = output.replace(span=spans[number])
            values[number] = output
    return [
        leave(values[n], aval.dtype) if n in moving else jnp.asarray(values[n])
        for n, aval in zip(graph.outputs, out_avals, strict=True)
    ]
