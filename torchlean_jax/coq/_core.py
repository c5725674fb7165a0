"""Certificates as graphs of the proved core: affine maps, maxima of two, smooth curves.

The reading is that of `torchlean_check`: its exact integers become the literals of the
theorem. This translation is outside the proof (docs/proofs.md). What the core has no
node for is refused, by the name of its primitive.
"""

import bisect
from dataclasses import dataclass, replace

from torchlean_check import _linear, _piecewise, _relax, _smooth, _windows
from torchlean_check._cases import Each, Leaf, Lemmas
from torchlean_check._graph import Program
from torchlean_check._tensor import Tensor
from torchlean_jax.coq._affine import Affine, Matrix, narrow
from torchlean_jax.coq._curves import curve_name
from torchlean_jax.coq._reading import Reading
from torchlean_jax.domains._errors import TorchLeanError


class OutsideTheCoreError(TorchLeanError):
    """A certificate whose claim the checker proved in Coq does not cover."""


@dataclass(frozen=True)
class Node:
    """An affine function of earlier values, or the larger of two, entry by entry, or a
    smooth function of one.

    step: the relaxation in the checker's program whose slopes are meant, or None.
    curve: the name of the smooth function in proofs/Graph.v, or None.
    """

    first: Affine
    second: Affine | None = None
    step: int | None = None
    curve: str | None = None


class Core:
    """The graph: inputs are the values 0, 1, ..., then one value for each node.

    `place` finds the value of the core that stands for one of the checker's program.
    """

    def __init__(self, reading: Reading):
        self.program = reading.program
        self.nodes: list[Node] = []
        self.place = {x.id: k for k, x in enumerate(self.program.inputs)}
        self.inputs = len(self.place)
        _refuse_sets(reading)
        _refuse_primitives(self.program)
        needed = _needed(self.program, reading)
        for k in sorted(needed - self.place.keys()):
            self.place[k] = self._translate(k)

    @property
    def is_smooth(self) -> bool:
        """Whether there is a smooth function, for which Coq needs more libraries."""
        return any(node.curve is not None for node in self.nodes)

    def append(self, node: Node) -> int:
        second = None if node.second is None else narrow(node.second)
        self.nodes.append(replace(node, first=narrow(node.first), second=second))
        return self.inputs + len(self.nodes) - 1

    def constant(self, tensor: Tensor) -> Affine:
        if not tensor.exact:
            raise OutsideTheCoreError(
                "a constant of the graph is no dyadic number (a quotient such as 1/3)"
            )
        return Affine(len(tensor.lo), (), tuple(tensor.lo), tensor.exp)

    def read(self, k: int, matrix: Matrix, size: int) -> Affine:
        """A linear map of a value of the checker's program."""
        return Affine(size, ((self.place[k], matrix),))

    def _translate(self, k: int) -> int:
        value, step = self.program.values[k], self.program.steps[k]
        if value.known is not None:
            return self.append(Node(self.constant(value.known)))
        operands = self.program.operands[k]
        if isinstance(step, _windows.WindowMax):
            return self._largest(operands[0], step)
        return self.append(_NODES[type(step)](self, k, step, operands))

    def _largest(self, x: int, step) -> int:
        """Maxima of two, one place of the windows after another; short ones repeat."""
        many = max(map(len, step.windows))
        size = len(step.windows)

        def place(j: int) -> Matrix:
            chosen = [w[min(j, len(w) - 1)] for w in step.windows]
            return Matrix("gaps", 0, tuple(((p, 1),) for p in chosen))

        value = self.append(Node(self.read(x, place(0), size)))
        for j in range(1, many):
            found = Affine(size, ((value, Matrix("same")),))
            value = self.append(Node(found, self.read(x, place(j), size)))
        return value


def _relu(core: Core, k: int, step, operands) -> Node:
    size = core.program.values[k].size
    return Node(core.read(operands[0], Matrix("same"), size), Affine(size), k)


def _abs(core: Core, k: int, step, operands) -> Node:
    size = core.program.values[k].size
    minus = Matrix("times", 0, (-1,) * size)
    return Node(
        core.read(operands[0], Matrix("same"), size),
        core.read(operands[0], minus, size),
    )


def _max(core: Core, k: int, step, operands) -> Node:
    size = core.program.values[k].size
    one, two = (core.read(j, Matrix("same"), size) for j in operands)
    return Node(one, two, k)


def _curve(core: Core, k: int, step, operands) -> Node:
    size = core.program.values[k].size
    operand = core.read(operands[0], Matrix("same"), size)
    return Node(operand, curve=curve_name(step))


def _sum(core: Core, k: int, step, operands) -> Node:
    size = core.program.values[k].size
    terms = []
    for j, sign in zip(operands, step.signs, strict=True):
        minus = Matrix("times", 0, (-1,) * size)
        terms.append((core.place[j], Matrix("same") if sign > 0 else minus))
    return Node(Affine(size, tuple(terms)))


def _scale(core: Core, k: int, step, operands) -> Node:
    factors = core.constant(step.factor)
    matrix = Matrix("times", factors.exp, factors.bias)
    return Node(core.read(operands[0], matrix, factors.size))


def _move(core: Core, k: int, step, operands) -> Node:
    """Each entry from its operand: one matrix for each operand."""
    size, terms, start = len(step.index), [], 0
    for j, width in zip(operands, step.sizes, strict=True):
        rows = [
            ((p - start, 1),) if start <= p < start + width else () for p in step.index
        ]
        same = rows == [((p, 1),) for p in range(width)]
        if any(rows):
            matrix = Matrix("same") if same else Matrix("gaps", 0, tuple(rows))
            terms.append((core.place[j], matrix))
        start += width
    if step.fill is None:
        return Node(Affine(size, tuple(terms)))
    fill = core.constant(step.fill)
    bias = tuple(fill.bias[0] if p < 0 else 0 for p in step.index)
    return Node(Affine(size, tuple(terms), bias, fill.exp))


def _blocks(core: Core, k: int, step, operands) -> Node:
    if step.radius is not None:
        raise OutsideTheCoreError("a weight is no dyadic number (a quotient as 1/3)")
    rows: list[dict[int, int]] = [{} for _ in range(step.size_out)]
    for ks, js, matrix, *_ in step.blocks:
        for row, weights in zip(ks, matrix.rows, strict=True):
            for j, weight in zip(js, weights, strict=True):
                rows[row][j] = rows[row].get(j, 0) + weight
    if all(len(row) == step.size_in for row in rows):
        full = tuple(tuple(row[j] for j in range(step.size_in)) for row in rows)
        matrix = Matrix("full", step.exp, full)
    else:
        sparse = (sorted((j, w) for j, w in row.items() if w) for row in rows)
        matrix = Matrix("gaps", step.exp, tuple(map(tuple, sparse)))
    return Node(core.read(operands[0], matrix, step.size_out))


_NODES = {
    _relax.Relu: _relu,
    _piecewise.Abs: _abs,
    _piecewise.Max: _max,
    _smooth.Smooth: _curve,
    _linear.Sum: _sum,
    _linear.Scale: _scale,
    _linear.Move: _move,
    _linear.Blocks: _blocks,
}


def _refuse_sets(reading: Reading) -> None:
    reasons = []
    if reading.semantics != "real":
        reasons.append('the claim is about executions (semantics "fp32")')
    if reading.region.balls:
        reasons.append("an input set is a ball, not a box")
    if reading.region.halfspaces is not None:
        reasons.append("there are constraints among inputs")
    if any(isinstance(case, Each) for case in reading.cases):
        reasons.append("a conjunction is proved part by part")
    if any(isinstance(case, Lemmas) for case in reading.cases):
        reasons.append("lemmas about inner values are proved on the way")
    leaves = [case for case in reading.cases if isinstance(case, Leaf)]
    if any(leaf.method == "zonotope" for leaf in leaves):
        reasons.append("leaves are proved by zonotopes")
    if any(m for leaf in leaves for row in leaf.of_splits for m, _ in row):
        reasons.append("leaves weigh the cuts above them with multipliers")
    if reasons:
        raise OutsideTheCoreError(f"not in the proved core: {'; '.join(reasons)}")


def _has_node(step) -> bool:
    if isinstance(step, _smooth.Smooth):
        return curve_name(step) is not None
    return type(step) in _NODES or type(step) is _windows.WindowMax


def _refuse_primitives(program: Program) -> None:
    """All primitives without a node at once, by name."""
    ends = [result.id for _, _, result, _ in program.nodes]
    found = set()
    for k, step in enumerate(program.steps):
        known = step is None or program.values[k].known is not None
        if not (known or _has_node(step)):
            found.add(program.nodes[bisect.bisect_left(ends, k)][0])
    if found:
        names = ", ".join(sorted(found))
        raise OutsideTheCoreError(f"not in the proved core: {names}")


def _needed(program: Program, reading: Reading) -> set[int]:
    """The values on which outputs and splits depend."""
    waiting = {y.id for y in program.outputs}
    waiting |= {case[0] for case in reading.cases if not hasattr(case, "method")}
    found = set()
    while waiting:
        k = waiting.pop()
        found.add(k)
        if program.values[k].known is None:
            waiting |= set(program.operands[k]) - found
    return found
