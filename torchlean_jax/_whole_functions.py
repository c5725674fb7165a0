"""What integers compute as one: softmax, and functions of one value, by element.

Such a function is called a curve:
x * logistic(x), a `where` between two branches, 0.5 x erfc(-x / sqrt(2)): whatever the
pieces, with x on a grid of 256 points the whole is a table of 256 numbers. Finding them
is here, and what they are at points; the tables are in `domains/quantized/_table.py`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters import _forward
from torchlean_jax.interpreters._graph import Equation, Graph
from torchlean_jax.interpreters._patterns import softmaxes

# Element by element, and exact or a matter of scale in integers: alone no reason for a
# table, which has fewer bits than a sum.
_IN_INTEGERS = frozenset(
    "add add_any sub neg mul square abs max min clamp copy copy_p "
    "convert_element_type reduce_precision".split()
)
_BY_TABLE = frozenset(
    (
        *"exp exp2 expm1 log log1p log2 logistic tanh sqrt rsqrt cbrt erf erfc".split(),
        *"erf_inv asin acos atan asinh acosh atanh sinh cosh sin cos tan".split(),
        *"floor ceil round sign integer_pow pow div rem atan2 select_n".split(),
        *"lgamma digamma one_minus_square is_finite eq ne lt le gt ge".split(),
        *"and or not".split(),
    )
)


@dataclass(frozen=True)
class Whole(Equation):
    """Equations with one result as one, which is its own operation: `eqn` is the last.

    params: what they say. span: the range of the result that calibration observed.
    """

    params: dict[str, Any]
    span: tuple[float, float] | None = None

    @property
    def operation(self) -> Any:
        return self

    def over(self, span) -> "Whole":
        return dataclasses.replace(self, span=span)


@dataclass(frozen=True)
class Softmax(Whole):
    """Shares exp(x) / sum exp(x) along params["axis"]."""

    @property
    def name(self) -> str:
        return "softmax"


@dataclass(frozen=True)
class Curve(Whole):
    """The value `outputs[0]` as a function of `inputs[0]`, element by element.

    params: "chain", the equations in between, and "known", the numbers that fill their
    constant operands.
    """

    @property
    def name(self) -> str:
        return "curve"

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The function at float64 points, over the reals: the middles of enclosures,
        NaN where it is not defined."""
        with jax.ensure_compile_time_eval(), jax.enable_x64(True):
            values: dict[int, Any] = {
                number: jnp.full(points.shape, filled, _widest(filled))
                for number, filled in self.params["known"].items()
            }
            values[self.inputs[0]] = Interval.lift(jnp.asarray(points, jnp.float64))
            for equation in self.params["chain"]:
                operands = [values[i] for i in equation.inputs]
                outputs = _forward.apply(equation.eqn, operands, Interval)
                values.update(zip(equation.outputs, outputs, strict=True))
            result = Interval.lift(values[self.outputs[0]])
            lo, hi = np.asarray(result.lo), np.asarray(result.hi)
        with np.errstate(invalid="ignore"):  # -inf and inf have no middle
            return np.where(lo == hi, lo, lo + (hi - lo) / 2)


def _widest(number):
    return jnp.float64 if number.dtype.kind == "f" else number.dtype


def with_wholes(graph: Graph, known: dict[int, Any]) -> Graph:
    """The same function with wholes in place of their pieces, without what nothing
    needs.

    known: the constants and what is computed of them alone.
    """
    search = _Search(graph, known)
    for equation in graph.equations:
        search.visit(equation)
    needed, kept = set(graph.outputs), []
    for equation in reversed(graph.equations):
        if not needed.intersection(equation.outputs):
            continue
        kept.append(search.whole(equation) or equation)
        needed.update(kept[-1].inputs)
    return dataclasses.replace(graph, equations=kept[::-1])


@dataclass
class _Search:
    """root: value -> the value it is a function of, element by element; pieces: the
    equations in between; bent: values that integers have no operation for."""

    graph: Graph
    known: dict[int, Any]

    def __post_init__(self):
        self.root: dict[int, int] = {}
        self.bent: set[int] = set()
        self.pieces: dict[int, dict[int, Equation]] = {}
        self.softmaxes = softmaxes(self.graph)

    def visit(self, equation: Equation) -> None:
        if equation.name not in _IN_INTEGERS | _BY_TABLE:
            return
        moving = [i for i in equation.inputs if i not in self.known]
        others = [i for i in equation.inputs if i in self.known]
        if not moving or any(self._filled(i) is None for i in others):
            return
        roots = {self.root.get(i, i) for i in moving}
        (out,) = equation.outputs
        if len(roots) > 1:
            return
        (root,) = roots
        ends = self.graph.avals[root], self.graph.avals[out]
        if not jnp.issubdtype(ends[0].dtype, jnp.floating):
            return
        if ends[0].shape != ends[1].shape or not _is_number(ends[1].dtype):
            return
        self.root[out] = root
        pieces = {}
        for number in moving:
            pieces |= self.pieces.get(number, {})
        self.pieces[out] = {**pieces, out: equation}
        if _needs_table(equation, moving) or self.bent.intersection(moving):
            self.bent.add(out)

    def whole(self, equation: Equation) -> Whole | None:
        """The equation as a softmax or a curve, if it ends one."""
        out = equation.outputs[0] if len(equation.outputs) == 1 else None
        if out in self.softmaxes:
            x, axis = self.softmaxes[out]
            params = {"axis": axis}
            return Softmax(equation.eqn, (x,), (out,), equation.source, params)
        if out not in self.bent:
            return None
        chain = tuple(self.pieces[out].values())
        used = {i for e in chain for i in e.inputs if i in self.known}
        known = {i: self._filled(i) for i in used}
        params = {"chain": chain, "known": known}
        return Curve(equation.eqn, (self.root[out],), (out,), equation.source, params)

    def _filled(self, number):
        """The one number that fills a known array, or None."""
        array = np.asarray(self.known[number])
        if array.size == 0 or not bool((array == array.reshape(-1)[0]).all()):
            return None
        return array.reshape(-1)[0]


def _is_number(dtype) -> bool:
    return jnp.issubdtype(dtype, jnp.floating) or dtype == jnp.bool_


def _needs_table(equation, moving) -> bool:
    if equation.name == "integer_pow":
        return equation.operation.params["y"] != 2
    if equation.name == "div":  # by a number it is a matter of scale
        return equation.inputs[1] in moving
    return equation.name in _BY_TABLE
