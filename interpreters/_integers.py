"""Integer arithmetic that cannot wrap, as arithmetic of real numbers.

Back-substitution knows linear forms of reals. An integer equation is one too, as long
as its result fits the dtype: int8 products summed in int32, shifts, casts of what is
already whole. Whether it fits is decided here for *every* input (`_limits`), before any
box is seen; so a rewritten graph is the same function. What may wrap stays as it is,
and bounds of it are those of the integer rules.
"""

import functools
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from torchlean_jax.domains import _families
from torchlean_jax.interpreters._graph import Equation, Graph, spliced
from torchlean_jax.interpreters._limits import (
    limits_of_array,
    limits_of_dtype,
    result_limits,
)
from torchlean_jax.interpreters._wholes import PRIMITIVES

_REAL = jnp.dtype(jnp.float32)  # as which equations are written; values are wider

_LONGEST = 2**12  # a row of numbers that is read as a function

# What a `gather` of one element for each index says of its axes.
_ONE_EACH = {
    "offset_dims": (),
    "collapsed_slice_dims": (0,),
    "start_index_map": (0,),
    "operand_batching_dims": (),
    "start_indices_batching_dims": (),
}

_EXACT = 2**24  # integers up to here are floats of that dtype

# The same primitive on reals, where nothing wraps.
_ALIKE = frozenset(
    (
        *_families.LAYOUT,
        *"add sub neg mul max min clamp abs square dot_general".split(),
        *"conv_general_dilated reduce_sum reduce_max reduce_min cumsum sign".split(),
        *"reduce_window_sum reduce_window_max reduce_window_min".split(),
    )
) - {"real", "imag"}
_ROUNDING = frozenset(("round", "floor", "ceil", "sign"))
# A float that is made of whole numbers by one of these is whole.
_KEEPS_WHOLE = (_ALIKE - {"dot_general", "conv_general_dilated"}) | {
    "convert_element_type"
}


def over_reals(graph: Graph) -> Graph:
    """The same function with integer equations that cannot wrap written over reals.

    >>> from torchlean_jax.interpreters._graph import flatten
    >>> f = lambda x: (jnp.clip(jnp.round(x), -9, 9).astype(jnp.int8) * 3).astype(float)
    >>> traced = jax.make_jaxpr(f)(1.0)
    >>> graph = over_reals(flatten(traced.jaxpr, traced.consts))
    >>> graph.avals[graph.equations[-1].inputs[0]].dtype
    dtype('float32')
    """
    moving = graph.dependents(graph.inputs)
    if not any(_is_integer(graph.avals[n]) for n in moving):
        return graph
    result = Graph(
        list(graph.avals), [], graph.inputs, graph.outputs, dict(graph.constants)
    )
    with jax.ensure_compile_time_eval():
        rewriting = _Rewriting(graph, result, graph.producer())
        for equation in graph.equations:
            rewriting.visit(equation)
    return result


def _is_integer(aval) -> bool:
    return jnp.issubdtype(aval.dtype, jnp.integer)


def _is_float(aval) -> bool:
    return jnp.issubdtype(aval.dtype, jnp.floating)


@dataclass
class _Rewriting:
    """known: constants and what integers are computed from them; reals: integer value
    -> its real twin; limits: of values over all inputs; whole: floats that are whole
    numbers."""

    graph: Graph
    result: Graph
    producer: dict[int, Equation]
    known: dict[int, Any] = field(default_factory=dict)
    reals: dict[int, int] = field(default_factory=dict)
    limits: dict[int, tuple] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)
    sums: dict[int, tuple] = field(default_factory=dict)  # integer + known integers

    def __post_init__(self):
        for number, array in self.graph.constants.items():
            if not isinstance(array, Tracer):
                self._know(number, np.asarray(array))

    def _know(self, number, array) -> None:
        aval = self.graph.avals[number]
        if not _is_integer(aval) and not _is_float(aval):
            return
        self.known[number] = array
        self.limits[number] = limits_of_array(array)
        if bool((array == np.rint(array)).all()):
            self.whole.add(number)

    def visit(self, equation: Equation) -> None:
        if len(equation.outputs) != 1:
            self.result.equations.append(equation)
            return
        (out,) = equation.outputs
        aval = self.graph.avals[out]
        if all(i in self.known for i in equation.inputs) and _is_integer(aval):
            operands = [self.known[i] for i in equation.inputs]
            self._know(out, np.asarray(equation.operation(*operands)))
        if equation.name == "convert_element_type" and _is_float(aval):
            (source,) = equation.inputs
            if _is_integer(self.graph.avals[source]):
                self._cast_to_float(equation, source, out)
                return
        self.result.equations.append(equation)
        if out in self.known:
            return
        fits = self._limit(equation, out)
        if _is_integer(aval):
            if fits:
                self._twin(equation, out)
        elif self._is_whole(equation):
            self.whole.add(out)

    def _cast_to_float(self, equation, source, out) -> None:
        if source in self.reals:
            self._append(jnp.copy, [self.reals[source]], equation.source, out)
        else:
            self.result.equations.append(equation)
        self.limits[out] = self._limits(source)
        self.whole.add(out)

    def _limits(self, number):
        found = self.limits.get(number)
        return found or limits_of_dtype(self.graph.avals[number].dtype)

    def _limit(self, equation, out) -> bool:
        """Whether the one result always fits its dtype; then its limits are noted."""
        operands = [self._limits(i) for i in equation.inputs]
        arrays = [self.known.get(i) for i in equation.inputs]
        found = result_limits(equation, operands, arrays)
        least, most = limits_of_dtype(self.graph.avals[out].dtype)
        if found is None or any(end != end for end in found):
            return False
        fits = least <= found[0] and found[1] <= most
        if fits:
            self.limits[out] = found
        return fits

    def _is_float(self, number) -> bool:
        return _is_float(self.graph.avals[number])

    def _is(self, dtype, number) -> bool:
        return self.graph.avals[number].dtype == dtype

    def _is_whole(self, equation) -> bool:
        if equation.name in _ROUNDING:
            return True
        if equation.name not in _KEEPS_WHOLE:
            return False
        return all(i in self.whole for i in equation.inputs)

    def _twin(self, equation, out) -> None:
        """A real value equal to an integer one, if that can be had."""
        if equation.name == "convert_element_type":
            (source,) = equation.inputs
            if _is_integer(self.graph.avals[source]) or source in self.whole:
                self.reals[out] = self._real(source)
                self.sums[out] = self.sums.get(source, (source, 0))
                return
        found = self._sum(equation, out) or self._meaning(equation)
        if found is not None:
            meaning, operands = found
            operands = [self._real(i) for i in operands]
            self.reals[out] = self._append(meaning, operands, equation.source)

    def _meaning(self, equation):
        """(function of reals, its operands: integers by their twins), or None."""
        name, operation = equation.name, equation.operation
        if name == "convert_element_type":
            (source,) = equation.inputs
            return (_truncated, [source]) if self._is_float(source) else None
        if name == "shift_right_arithmetic":
            return self._shift(equation)
        if name == "gather":
            return self._table(equation)
        if name == "div":
            return self._quotient(equation)
        if name == "select_n" and self._is(jnp.bool_, equation.inputs[0]):
            return operation, list(equation.inputs)
        if name not in _ALIKE:
            return None
        if not all(_is_integer(self.graph.avals[i]) for i in equation.inputs):
            return None
        if "preferred_element_type" in operation.all_params:
            operation = operation.replace(preferred_element_type=_REAL)
        return operation, list(equation.inputs)

    def _sum(self, equation, out):
        """A chain of sums with known integers (zero points, biases) as one sum."""
        if equation.name not in ("add", "sub"):
            return None
        x, c = equation.inputs
        if equation.name == "add" and x in self.known:
            x, c = c, x
        if x in self.known or c not in self.known:
            return None
        base, known = self.sums.get(x, (x, 0))
        more = self.known[c].astype(np.int64)
        total = known + (more if equation.name == "add" else -more)
        if np.abs(total).max(initial=0) > _EXACT:
            return None
        self.sums[out] = base, total
        total = np.broadcast_to(total, self.graph.avals[out].shape).astype(_REAL)
        return (lambda y: y + total), [base]

    def _shift(self, equation):
        x, by = equation.inputs[0], self.known.get(equation.inputs[1])
        # an unsigned number past the middle of its range is shifted as a negative one
        signed = jnp.issubdtype(self.graph.avals[x].dtype, jnp.signedinteger)
        if by is None or not signed:
            return None
        p = self._rounded_by(x, by)
        if p is not None:
            return functools.partial(_rounded_shift, by=by), [p]
        return functools.partial(_shifted, by=by), [x]

    def _table(self, equation):
        """A known row of numbers, read at one place for each element."""
        row, indices = equation.inputs
        entries, (least, most) = self.known.get(row), self._limits(indices)
        if entries is None or entries.ndim != 1 or not entries.size:
            return None
        if dict(equation.operation.params["dimension_numbers"]._asdict()) != _ONE_EACH:
            return None
        if least < 0 or most >= entries.size or entries.size > _LONGEST:
            return None  # a place outside is another matter in every mode
        entries = tuple(float(entry) for entry in entries)
        return functools.partial(_read, entries=entries), [indices]

    def _quotient(self, equation):
        """Integers divide towards 0. As one primitive without lines: back-substitution
        through a quotient, its floor and a softmax around them compiles for minutes."""
        low, high = self._limits(equation.inputs[1])
        if low <= 0 <= high:
            return None
        return PRIMITIVES["call:quotient"].bind, list(equation.inputs)

    def _rounded_by(self, x, by) -> int | None:
        """p, if x >> k is p / 2**k rounded to nearest even, that is, if x is

        p + (2**(k-1) - 1) + ((p >> k) & 1), and just p where k = 0."""
        for total, odd in _orders(self._equation(x, "add")):
            for p, bias in _orders(self._equation(total, "add")):
                for shifted, mask in _orders(self._equation(odd, "and")):
                    inner = self._equation(shifted, "shift_right_arithmetic")
                    found = inner is not None and inner.inputs[0] == p
                    expected = (
                        (bias, np.where(by > 0, 2 ** np.maximum(by - 1, 0) - 1, 0)),
                        (mask, (by > 0).astype(int)),
                        (inner.inputs[1] if inner else None, by),
                    )
                    if found and all(self._is_known(n, a) for n, a in expected):
                        return p
        return None

    def _equation(self, number, name):
        equation = self.producer.get(number)
        return equation if equation is not None and equation.name == name else None

    def _is_known(self, number, array) -> bool:
        found = self.known.get(number)
        return found is not None and bool(np.all(found == array))

    def _real(self, number) -> int:
        """The real twin of an integer value, of its bounds if need be; a float or a
        truth value itself."""
        aval, array = self.graph.avals[number], self.known.get(number)
        if not _is_integer(aval):
            return number
        if number not in self.reals:
            if (
                array is not None
                and np.abs(array.astype(np.int64)).max(initial=0) <= _EXACT
            ):
                twin = self._value(aval.shape)
                self.result.constants[twin] = array.astype(_REAL)
            else:
                cast = functools.partial(jax.lax.convert_element_type, new_dtype=_REAL)
                twin = self._append(cast, [number], None)
            self.reals[number] = twin
        return self.reals[number]

    def _append(self, meaning, operands, source, out=None) -> int:
        """The equations of `meaning` on values; gives the number of its result."""
        avals = [self.result.avals[i] for i in operands]
        traced = jax.make_jaxpr(meaning)(*avals)
        equations, result = spliced(self.result, traced, operands, source, out)
        self.result.equations += equations
        return result

    def _value(self, shape) -> int:
        self.result.avals.append(jax.ShapeDtypeStruct(shape, _REAL))
        return len(self.result.avals) - 1


def _orders(equation):
    """The two operands of a commutative equation, either way round; none of none."""
    return () if equation is None else (equation.inputs, equation.inputs[::-1])


def _read(indices, *, entries):
    return PRIMITIVES["call:table"].bind(jnp.squeeze(indices, -1), entries=entries)


def _truncated(x):
    return jnp.floor(jnp.maximum(x, 0)) + jnp.ceil(jnp.minimum(x, 0))


def _shifted(x, *, by):
    """floor(x / 2**k) of a whole x: with x + 1/2 the same, and no rounded enclosure of
    a whole number reaches the step below."""
    return jnp.floor((x + np.float32(0.5)) * _power(by, x.shape))


def _rounded_shift(x, *, by):
    return PRIMITIVES["call:rounded_shift"].bind(x, _power(by, x.shape))


def _power(by, shape):
    return np.broadcast_to(2.0 ** -by.astype(np.float64), shape).astype(_REAL)
