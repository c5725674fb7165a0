"""`replay`: one model, run in every way at hand, and the first node where two part."""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._faithful import faithful_jit
from torchlean_jax._trace import as_function, require_arrays, trace
from torchlean_jax.domains.ieee32 import IEEE32
from torchlean_jax.interpreters._forward import apply
from torchlean_jax.interpreters._graph import Equation, Graph, flatten
from torchlean_jax.interpreters._missing import require_rules

ORDERS = ("sequential", "pairwise", "fma-sequential")


@dataclass(frozen=True)
class Parting:
    """Where a run first gave other bits than the reference.

    node: its number in the flat graph, the one that `tl.inspect` shows. elements: how
    many differ. ulps: the largest distance among them, in units in the last place,
    counted as numbers of the format in between plus one (0: only the sign of a zero
    differs; None: one of the two is no number, or they are not floats). index: where;
    expected, got: the two values there. source: (file, line, text), or None.
    """

    node: int
    primitive: str
    source: tuple[str, int, str] | None
    elements: int
    ulps: int | None
    index: tuple[int, ...]
    expected: Any
    got: Any

    def __str__(self) -> str:
        place = ""
        if self.source is not None:
            file, line, text = self.source
            place = f"   {file.rsplit('/', 1)[-1]}:{line}   {text}"
        return (
            f"node {self.node} {self.primitive}, {self.elements} "
            f"{'element' if self.elements == 1 else 'elements'}, {_ulps(self.ulps)}: "
            f"{self.got} for {self.expected} at {list(self.index)}{place}"
        )


@dataclass(frozen=True)
class Run:
    """One way of running the model.

    parting: where it left the reference, or None if every node agrees. output_ulps: the
    largest distance over all outputs (None as in `Parting`). as_compiled: whether the
    program gave the same outputs when compiled with all its nodes as outputs, which is
    how the nodes were seen; None where nothing is compiled.
    """

    name: str
    parting: Parting | None
    output_ulps: int | None
    as_compiled: bool | None


@dataclass(frozen=True)
class Replay:
    """The runs of a model beside the first of them, the reference."""

    runs: tuple[Run, ...]

    @property
    def reference(self) -> str:
        return self.runs[0].name

    @property
    def agree(self) -> bool:
        """Whether every run gave the same bits at every node, and no compiled program
        other outputs when its inner nodes are not seen."""
        return all(
            run.parting is None and run.as_compiled is not False for run in self.runs
        )

    @property
    def first(self) -> Parting | None:
        """The earliest node at which any run parts from the reference."""
        partings = [run.parting for run in self.runs if run.parting is not None]
        return min(partings, key=lambda parting: parting.node, default=None)

    def __getitem__(self, name: str) -> Run:
        for run in self.runs:
            if run.name == name:
                return run
        names = ", ".join(repr(run.name) for run in self.runs)
        raise KeyError(f"no run {name!r}; there are {names}")

    def __iter__(self):
        return iter(self.runs)

    def __str__(self) -> str:
        width = max(len(run.name) for run in self.runs)
        lines = [f"{self.reference.ljust(width)}  the reference"]
        for run in self.runs[1:]:
            said = "same bits at every node"
            if run.parting is not None:
                said = f"outputs {_ulps(run.output_ulps)}; parts at {run.parting}"
            if run.as_compiled is False:
                said += "; compiled without its inner nodes, other outputs again"
            lines.append(f"{run.name.ljust(width)}  {said}")
        return "\n".join(lines)


def replay(model, *, domain: IEEE32 | None = None):
    """`model` at one input in IEEE 754 bits, and in all the ways in which JAX runs it.

    `replay(f)(x)` runs the equations of `f` over `tl.IEEE32` in each order of sums
    (`"sequential"`, which is the reference, `"pairwise"`, `"fma-sequential"`), then on
    each device: one operation at a time (`"eager"`), under `jit`, and under
    `tl.faithful_jit`. It returns a Replay, which says for each of them at which node
    its bits first leave those of the reference, and by how many ulps.

    domain: options of the bit-exact runs other than the order, say
    `tl.IEEE32(flush=True)` for a device that flushes subnormal numbers.

    What a compiled program computes inside can only be seen by making all nodes
    outputs, which may change how it is compiled; where that changes its outputs, the
    run says so (`as_compiled`). A value that a compiler never computes, since it fused
    it into another, is then computed after all.

    Raises MissingRuleError, listing what has no bit-exact meaning, and InputError for
    arguments that are domain values or float64.

    >>> import jax.numpy as jnp
    >>> import torchlean_jax as tl
    >>> report = tl.replay(lambda x: jnp.sum(x))(jnp.float32([1e8, 1.0, 3.0, 3.0]))
    >>> report["IEEE32 pairwise"].parting.primitive
    'reduce_sum'
    """
    function = as_function(model)
    options = IEEE32() if domain is None else domain

    @functools.wraps(function, updated=())
    def replayed(*args, **kwargs) -> Replay:
        require_arrays("replay", args, kwargs)
        leaves = jax.tree.leaves((args, kwargs))
        traced = trace(function, args, kwargs, options.is_value)
        name = getattr(function, "__name__", type(function).__name__)
        floating = [jnp.issubdtype(jnp.result_type(x), jnp.inexact) for x in leaves]
        require_rules(traced.jaxpr, floating, options, what=f"`{name}`")
        graph = flatten(traced.jaxpr, traced.consts)
        results: dict[str, tuple] = dict(_bit_exact(graph, leaves, options))
        results.update(_on_devices(graph, leaves))
        reference = next(iter(results.values()))[0]
        return Replay(
            tuple(
                _compared(graph, reference, name, values, same)
                for name, (values, same) in results.items()
            )
        )

    return replayed


def _bit_exact(graph, leaves, options):
    for order in ORDERS:
        domain = IEEE32(order, options.rounding, options.flush, options.nan)

        def step(equation, operands, domain=domain):
            return apply(equation.eqn, operands, domain)

        # integers stay concrete; floats are lifted, since this run is about them
        values = walked(graph, [domain.lift(x) for x in leaves], step)
        plain = {
            n: np.asarray(v.to_float() if domain.is_value(v) else v)
            for n, v in values.items()
        }
        yield f"IEEE32 {order}", (plain, None)


def _on_devices(graph, leaves):
    for device in _devices():
        with jax.default_device(device):
            placed = [jax.device_put(jnp.asarray(x), device) for x in leaves]
            yield f"eager {device}", (eager_nodes(graph, placed), None)
            for name, compile in (("jit", jax.jit), ("faithful_jit", faithful_jit)):
                yield f"{name} {device}", compiled_nodes(graph, placed, compile)


def _devices():
    """Every device of the default backend, and the processor."""
    found = [*jax.local_devices(), *jax.local_devices(backend="cpu")]
    return list(dict.fromkeys(found))


def eager_nodes(graph, leaves):
    def step(equation, operands):
        outputs = equation.operation(*operands)
        return outputs if equation.eqn.primitive.multiple_results else [outputs]

    return walked(graph, leaves, step)


def compiled_nodes(graph, leaves, compile):
    """(values of all nodes, whether the outputs are those of the program alone)."""
    seen = compile(lambda *leaves: eager_nodes(graph, leaves))(*leaves)

    def outputs(*leaves):
        values = eager_nodes(graph, leaves)
        return [values[n] for n in graph.outputs]

    alone = compile(outputs)(*leaves)
    same = all(
        not differs(np.asarray(a), np.asarray(seen[n])).any()
        for n, a in zip(graph.outputs, alone, strict=True)
    )
    return seen, same


def walked(graph: Graph, leaves, step):
    values = dict(graph.constants)
    values.update(zip(graph.inputs, leaves, strict=True))
    for equation in graph.equations:
        outputs = step(equation, [values[i] for i in equation.inputs])
        values.update(zip(equation.outputs, outputs, strict=True))
    return values


def _compared(graph, reference, name, values, same) -> Run:
    parting = None
    for equation in graph.equations:
        for node in equation.outputs:
            parting = parting or parting_at(equation, node, reference, values)
    distances = [_distance(reference[n], values[n]) for n in graph.outputs]
    known = [d for d in distances if d is not None]
    worst = max(known, default=0) if len(known) == len(distances) else None
    return Run(name, parting, worst, same)


def parting_at(equation: Equation, node, reference, values) -> Parting | None:
    expected, got = np.asarray(reference[node]), np.asarray(values[node])
    unequal = differs(expected, got)
    if not unequal.any():
        return None
    steps = np.where(unequal, _steps(expected, got), -1)
    index = np.unravel_index(int(np.argmax(steps)), steps.shape)
    return Parting(
        node,
        equation.name,
        equation.source,
        int(unequal.sum()),
        _distance(expected, got),
        tuple(int(i) for i in index),
        expected[index].item(),
        got[index].item(),
    )


def _distance(expected, got) -> int | None:
    """The largest distance in ulps; None where there is none to be measured."""
    expected, got = np.asarray(expected), np.asarray(got)
    unequal = differs(expected, got)
    if not unequal.any():
        return 0
    if not jnp.issubdtype(expected.dtype, jnp.floating):
        return None
    steps = _steps(expected, got)[unequal]
    return None if (steps == _NO_NUMBER).any() else int(steps.max())


_NO_NUMBER = np.iinfo(np.int64).max


def differs(expected, got):
    if not jnp.issubdtype(expected.dtype, jnp.floating):
        return expected != got
    words = f"u{expected.dtype.itemsize}"
    nan = np.isnan(expected) & np.isnan(got)
    return (expected.view(words) != got.view(words)) & ~nan


def _steps(expected, got):
    """How many numbers of the format lie between, plus one; 0 between the zeros."""
    if not jnp.issubdtype(expected.dtype, jnp.floating):
        return np.where(expected != got, _NO_NUMBER, 0)
    distance = np.abs(_rank(expected) - _rank(got))
    return np.where(np.isnan(expected) | np.isnan(got), _NO_NUMBER, distance)


def _rank(x):
    """Integers in the order of the numbers."""
    width = 8 * x.dtype.itemsize
    word = x.view(f"u{x.dtype.itemsize}").astype(np.int64)
    magnitude = word & ((1 << (width - 1)) - 1)
    return np.where(word >> (width - 1), -magnitude, magnitude)


def _ulps(count) -> str:
    if count is None:
        return "not to be measured in ulps"
    return f"{count} ulp" if count == 1 else f"{count} ulps"
