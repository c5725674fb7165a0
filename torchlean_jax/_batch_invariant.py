"""`batch_invariant`: whether a row has the same bits in whatever batch it stands."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._faithful import FaithfulFunction, faithful_jit
from torchlean_jax._positions import of_inputs
from torchlean_jax._pure import pure_trace, refuse_random_bits
from torchlean_jax._replay import (
    Parting,
    compiled_nodes,
    differs,
    eager_nodes,
    parting_at,
    walked,
)
from torchlean_jax._trace import as_function, trace
from torchlean_jax.domains._errors import InputError, MissingRuleError
from torchlean_jax.domains.dependence import Dependence, members
from torchlean_jax.domains.fp32 import FP32
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.interpreters._forward import apply, walk
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._missing import require_rules

SIZES = (1, 2, 3, 4, 7, 8, 16, 32)
# So many rows of the argument are tried.
_ROWS = 3


def batch_invariant(
    model,
    argnums: int | Sequence[int] = 0,
    in_axis: int = 0,
    out_axis: int = 0,
    *,
    sizes: Sequence[int] = SIZES,
):
    """Whether a row of a batch comes out with the same bits in every batch.

    `batch_invariant(f)(x)` compiles `f` for batches of several `sizes` on the current
    backend and runs single rows of `x` in them: at the first, a middle and the last
    position, beside rows of zeros (padding) and beside other rows. Returns a
    BatchInvariance: `.bitwise` says whether every run agreed with the row alone;
    `.bound` bounds how far apart any two runs of the row in two of the batches can be,
    in any order of summation; `.culprit` is the node at which the bits first part.

    argnums: the arguments with a batch axis, `in_axis` of every array in them; all
    others are the same for every batch. out_axis: the batch axis of the outputs.

    `bitwise=True` is evidence of the batches that were tried, here and now, and no
    proof; `bound` is a proof about two of them, under the error model of `tl.FP32`.

    Raises InputError if the arrays have no common batch axis, and for functions that
    draw random bits or call back into Python.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> report = tl.batch_invariant(jnp.tanh, sizes=(1, 2))(jnp.ones((2, 4)))
    >>> float(jnp.max(report.bound)) < 1e-5
    True
    """
    compile = faithful_jit if isinstance(model, FaithfulFunction) else jax.jit
    function = as_function(getattr(model, "inner", model))
    asked = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not sizes or min(sizes) < 1:
        raise InputError(f"sizes are batch sizes from 1, got {tuple(sizes)}")

    @functools.wraps(function, updated=())
    def tried(*args, **kwargs) -> BatchInvariance:
        if is_tracer(*jax.tree.leaves((args, kwargs))):
            raise InputError("batch_invariant runs on arrays, not under jit or vmap")
        name = getattr(function, "__name__", type(function).__name__)
        traced = pure_trace(function, name, args, kwargs, lambda x: False)
        refuse_random_bits(traced.jaxpr, name)  # they differ from batch to batch
        count = of_inputs(args, kwargs, asked, in_axis).blocks[0][2]
        rows = _Rows(function, compile, args, kwargs, asked, in_axis, out_axis)
        run = compile(function)
        runs = []
        for row in range(min(count, _ROWS)):
            alone = rows.output(run, Batch(row, 1, 0, "alone"))
            for batch in _batches(row, sizes):
                got = rows.output(run, batch)
                runs.append((batch, _largest_distance(alone, got)))
        return BatchInvariance(rows, tuple(runs))

    return tried


@dataclass(frozen=True)
class Batch:
    """One row in a batch: which, of how many, at which position, beside what."""

    row: int
    size: int
    position: int
    beside: str

    def __str__(self) -> str:
        return (
            f"row {self.row} at position {self.position} of {self.size}, "
            f"beside {self.beside}"
        )


def _batches(row, sizes):
    for size in sizes:
        for position in sorted({0, size // 2, size - 1}):
            for beside in ("zeros", "other rows") if size > 1 else ("nothing",):
                yield Batch(row, size, position, beside)


def _largest_distance(alone, got) -> float | None:
    """How far apart two outputs are; None if they are the same bit for bit."""
    different = False
    largest = 0.0
    for a, b in zip(alone, got, strict=True):
        unequal = differs(a, b)
        if unequal.any():
            different = True
            gaps = np.abs(a[unequal].astype(np.float64) - b[unequal].astype(np.float64))
            largest = max(largest, float(np.nan_to_num(gaps, nan=np.inf).max()))
    return largest if different else None


@dataclass(frozen=True, eq=False)
class _Rows:
    """A model, and the rows from which batches are made."""

    function: Any
    compile: Any
    args: tuple
    kwargs: dict
    asked: tuple[int, ...]
    in_axis: int
    out_axis: int

    def arguments(self, batch: Batch) -> tuple:
        """The arguments in which the row stands where `batch` says."""

        def filled(x):
            x = jnp.asarray(x)
            count = x.shape[self.in_axis]
            others = (batch.row + 1 + np.arange(batch.size)) % count
            made = jnp.take(x, others, self.in_axis)
            if batch.beside == "zeros":
                made = jnp.zeros_like(made)
            at = [slice(None)] * x.ndim
            at[self.in_axis] = slice(batch.position, batch.position + 1)
            row = jnp.take(x, np.array([batch.row]), self.in_axis)
            return made.at[tuple(at)].set(row)

        return tuple(
            jax.tree.map(filled, arg) if number in self.asked else arg
            for number, arg in enumerate(self.args)
        )

    def row_of(self, output, batch: Batch):
        if np.shape(output)[self.out_axis : self.out_axis + 1] != (batch.size,):
            raise InputError(
                f"an output of shape {np.shape(output)} has no axis {self.out_axis} "
                f"of {batch.size} rows; give out_axis"
            )
        return np.asarray(np.take(np.asarray(output), batch.position, self.out_axis))

    def output(self, run, batch: Batch) -> list[np.ndarray]:
        outputs = run(*self.arguments(batch), **self.kwargs)
        return [self.row_of(y, batch) for y in jax.tree.leaves(outputs)]

    def execution(self, batch: Batch):
        """The ends of what any run may give for the row, output by output."""
        args, domain = self.arguments(batch), FP32()
        leaves = jax.tree.leaves((args, self.kwargs))
        traced = trace(self.function, args, self.kwargs, domain.is_value)
        require_rules(traced.jaxpr, list(map(_is_float, leaves)), domain, what="it")

        def lifted(xs):
            return [domain.lift(x) if _is_float(x) else x for x in xs]

        def run(leaves):
            consts = lifted(traced.consts)
            outputs = walk(traced.jaxpr, consts, lifted(leaves), domain)
            return [domain.lift(y).execution for y in outputs]

        with jax.enable_x64(True):  # only the walk: the program is what it is
            runs = jax.jit(run)(leaves)
        ends = [(self.row_of(e.lo, batch), self.row_of(e.hi, batch)) for e in runs]
        return ends, traced.out_tree

    def nodes(self, batch: Batch, evaluate):
        """(the flat graph, for each node the elements that are of this row alone)."""
        args = self.arguments(batch)
        traced = trace(self.function, args, self.kwargs, lambda x: False)
        graph = flatten(traced.jaxpr, traced.consts)
        leaves = [jnp.asarray(x) for x in jax.tree.leaves((args, self.kwargs))]
        inputs = of_inputs(args, self.kwargs, self.asked, self.in_axis)
        domain = Dependence(inputs.count)
        sets = walked(
            graph,
            inputs.values(domain, leaves),
            lambda equation, operands: apply(equation.eqn, operands, domain),
        )
        firsts = [first for _, first, _ in inputs.blocks]
        wanted = {first + batch.position for first in firsts}
        elements = {}
        for node, value in evaluate(graph, leaves).items():
            if domain.is_value(sets[node]):
                held = members(sets[node].words)[..., : inputs.count]
                mine = held[..., sorted(wanted)].any(-1)
                others = np.delete(held, sorted(wanted), -1).any(-1)
                elements[node] = np.asarray(value)[mine & ~others]
        return graph, elements


def _is_float(x):
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


class BatchInvariance:
    """What was seen of a row in several batches.

    runs: (Batch, largest distance from the row alone, or None for the same bits).
    """

    def __init__(self, rows: _Rows, runs):
        self._rows = rows
        self.runs: tuple[tuple[Batch, float | None], ...] = runs

    @property
    def bitwise(self) -> bool:
        """Whether the row had the same bits in all batches tried."""
        return all(distance is None for _, distance in self.runs)

    @property
    def worst(self) -> Batch:
        """The batch in which the row came out farthest from the row alone."""
        return max(self.runs, key=lambda run: -1.0 if run[1] is None else run[1])[0]

    @functools.cached_property
    def bound(self) -> Any:
        """The structure of a row's outputs: how far apart any two runs can be, of the
        row alone and of the row in the `worst` batch, under `tl.FP32`.

        Both programs run over FP32, so that nothing is assumed of what they compute
        over the reals. Raises MissingRuleError where FP32 lacks a rule.
        """
        worst = self.worst
        alone, tree = self._rows.execution(Batch(worst.row, 1, 0, "alone"))
        other, _ = self._rows.execution(worst)
        gaps = [
            np.nextafter(np.maximum(b_hi - a_lo, a_hi - b_lo), np.inf)
            for (a_lo, a_hi), (b_lo, b_hi) in zip(alone, other, strict=True)
        ]
        return jax.tree.unflatten(tree, gaps)

    @functools.cached_property
    def culprit(self) -> Parting | None:
        """The first node of the program whose elements of this row part; None where
        none does, or where the two programs have other equations.

        Nodes are seen by making all of them outputs, or else one operation at a time;
        if compiling them so removes the difference, there is no culprit to be named.
        """
        if self.bitwise:
            return None
        alone = Batch(self.worst.row, 1, 0, "alone")

        def compiled(graph, leaves):
            return compiled_nodes(graph, leaves, self._rows.compile)[0]

        for evaluate in (compiled, eager_nodes):
            graph, expected = self._rows.nodes(alone, evaluate)
            other, got = self._rows.nodes(self.worst, evaluate)
            if [e.name for e in graph.equations] != [e.name for e in other.equations]:
                return None
            found = _first_parting(graph, expected, got)
            if found is not None:
                return found
        return None

    def __str__(self) -> str:
        tried = f"{len(self.runs)} batches tried"
        if self.bitwise:
            return f"the same bits in all of the {tried}"
        different = sum(distance is not None for _, distance in self.runs)
        lines = [f"other bits in {different} of the {tried}; worst: {self.worst}"]
        if self.culprit is not None:
            lines.append(f"  parts at {self.culprit}")
        try:
            largest = max(np.max(b, initial=0) for b in jax.tree.leaves(self.bound))
            lines.append(f"  any two runs are within {largest:.3g} (FP32)")
        except MissingRuleError as error:
            lines.append(f"  no bound: {str(error).splitlines()[0]}")
        return "\n".join(lines)


def _first_parting(graph, expected, got) -> Parting | None:
    for equation in graph.equations:
        for node in equation.outputs:
            a, b = expected.get(node), got.get(node)
            if a is not None and b is not None and a.size and a.shape == b.shape:
                found = parting_at(equation, node, {node: a}, {node: b})
                if found is not None:
                    return found
    return None
