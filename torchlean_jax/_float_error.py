"""`float_error`: how far a floating-point run can be from the mathematics, and why."""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._faithful import FaithfulFunction
from torchlean_jax._long_programs import unfused_options
from torchlean_jax._trace import Trace, as_function, aval_of, trace
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.fp32 import FP32, ErrorModel
from torchlean_jax.domains.interval._exact import is_tracer, narrowed_ends
from torchlean_jax.interpreters._missing import require_rules
from torchlean_jax.interpreters._nodes import Node, walk_nodes
from torchlean_jax.interpreters._once_bounds import lift_once, walk_once


def float_error(model, *, errors: ErrorModel | None = None):
    """How far any floating-point run of `model` can be from its result over the reals.

    `float_error(f)(box)` bounds |run - real result| for every input in the box, and
    `float_error(f)(x)` at the array `x`. A run computes each node in its own dtype: any
    order of summation, products fused into sums or not, subnormals kept or flushed,
    library functions within the ulps of the error model. Eager runs and
    `tl.faithful_jit` are such runs, and so is a plain jit whose audit is clean.

    errors: what is assumed of operations, by default `ErrorModel.xla_cpu()`.

    Returns a FloatError: `.bound` has the structure of the model's output, each leaf an
    array of the absolute error, infinite where a run may overflow or give no number;
    `.breakdown()` ranks the nodes that cause it. For integer outputs the bound is 0
    where every run decides as the reals do.

    Raises MissingRuleError, listing every primitive without a rule, and InputError
    under a transformation (use `tl.interpret(f, domain=tl.FP32)` there).

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> cancel = lambda x: (x + 1e4) - 1e4
    >>> result = tl.float_error(cancel)(tl.box(0.0, 1.0))
    >>> 5e-4 < float(result.bound) < 7e-4
    True
    >>> print(result.breakdown())  # doctest: +ELLIPSIS
    largest bound 0.000596..., at output 0, element (), under the error model xla-cpu
    ...
    """
    if isinstance(model, FaithfulFunction):
        model = model.inner
    function = as_function(model)
    domain = FP32() if errors is None else FP32(errors)

    @functools.wraps(function, updated=())
    def bounded(*args, **kwargs) -> FloatError:
        leaves = jax.tree.leaves((args, kwargs), is_leaf=domain.is_value)
        if is_tracer(*jax.tree.leaves(leaves)):
            raise InputError(
                "float_error runs on arrays and boxes, not under jit, vmap or grad; "
                "there, tl.interpret(f, domain=tl.FP32) gives values with `.error`"
            )
        traced = trace(function, args, kwargs, domain.is_value)
        name = getattr(function, "__name__", type(function).__name__)
        return FloatError(_question(traced, leaves, domain, name))

    return bounded


def output_errors_once(model, *args) -> list[np.ndarray]:
    """The bounds of `float_error` for each output of a function of arrays, in float64,
    without compiling what is run only once."""
    domain = FP32()
    traced = trace(model, args, {}, domain.is_value)
    question = _question(traced, jax.tree.leaves(args), domain, "a program")

    def walk(jaxpr, consts, args):
        return walk_once(jaxpr, consts, args, domain)

    lift = functools.partial(lift_once, domain=domain)
    with jax.enable_x64(True):
        return [np.asarray(e) for e in question.errors_by(walk, question.leaves, lift)]


def _question(traced, leaves, domain, name) -> "_Question":
    abstract = [domain.is_value(leaf) or _is_float(leaf) for leaf in leaves]
    require_rules(traced.jaxpr, abstract, domain, what=f"`{name}`")
    return _Question(traced, leaves, domain)


def _is_float(leaf):
    return jnp.issubdtype(aval_of(leaf).dtype, jnp.floating)


@dataclass(frozen=True)
class _Question:
    """A traced model with its inputs: errors of its outputs, in float64."""

    traced: Trace
    leaves: list
    domain: FP32

    def errors(self, at, leaves):
        """The error of each output; `at(path, eqn, caller)` is the domain of a node."""
        return self.errors_by(functools.partial(walk_nodes, at=at), leaves)

    def errors_by(self, walk, leaves, lift=None):
        """The error of each output; `walk(jaxpr, consts, args)` has the outputs, and
        `lift` is the domain's, or does the same."""
        lift = lift or self.domain.lift
        consts, args = (
            [lift(x) if self.is_lifted(x) else x for x in given]
            for given in (self.traced.consts, leaves)
        )
        outputs = walk(self.traced.jaxpr, consts, args)
        return [lift(y).error for y in outputs]

    def is_lifted(self, x):
        return self.domain.is_value(x) or _is_float(x)

    def compile(self):
        errors = functools.partial(self.errors, lambda *_: self.domain)
        return jax.jit(errors, compiler_options=unfused_options())

    def run(self, compiled) -> list[np.ndarray]:
        with jax.enable_x64(True):
            return [np.asarray(e) for e in compiled(self.leaves)]

    @functools.cached_property
    def bounds(self) -> list[np.ndarray]:
        return self.run(self.compile())

    def nodes(self) -> dict[tuple, Node]:
        found = {}

        def at(path, eqn, caller):
            found.setdefault(path, Node.of(path, eqn, caller))
            return self.domain

        with jax.enable_x64(True):
            jax.eval_shape(functools.partial(self.errors, at), self.leaves)
        return found

    def without(self, paths, output, element) -> np.ndarray:
        """The bound of one output element if one node did not round: float64[nodes]."""
        number = {path: k for k, path in enumerate(paths)}

        def bound(leaves, left_out):
            def at(path, eqn, caller):
                share = jnp.where(left_out == number[path], 0.0, 1.0)
                return FP32(self.domain.model, share)

            return self.errors(at, leaves)[output][element]

        with jax.enable_x64(True):
            each = jax.jit(
                lambda leaves, ks: jax.lax.map(functools.partial(bound, leaves), ks),
                compiler_options=unfused_options(),
            )
            return np.asarray(each(self.leaves, jnp.arange(len(paths))))


class FloatError:
    """A bound on |run - real result|, and what it is made of.

    bound: the model's output structure, an array of absolute errors for each leaf, in
    float64 where the output is, else in float32, rounded upward; model: the error model
    that it rests on.
    """

    def __init__(self, question: _Question):
        self._question = question
        self.model = question.domain.model
        leaves = [
            _upward(bound, aval.dtype)
            for bound, aval in zip(
                question.bounds, question.traced.out_avals, strict=True
            )
        ]
        self.bound: Any = jax.tree.unflatten(question.traced.out_tree, leaves)

    def __repr__(self) -> str:
        return f"FloatError(bound={self.bound!r}, model={self.model.name!r})"

    def breakdown(self) -> "Breakdown":
        """The nodes ranked by what they add to the largest bound of all outputs.

        What a node adds is the decrease of that bound if this node alone did not round
        (its operands keep their errors, and every other node rounds). A node in a loop
        counts for all its rounds. The parts add up to the bound, but for products of
        errors, where the bound is linear; a node whose rounding is masked by a larger
        one elsewhere adds nothing.

        Where the bound is infinite no node is ranked.
        """
        question = self._question
        bounds = question.bounds
        output = int(np.argmax([b.max(initial=0) for b in bounds]))
        element = np.unravel_index(np.argmax(bounds[output]), bounds[output].shape)
        element = tuple(map(int, element))
        largest = float(bounds[output][element])
        parts = []
        if np.isfinite(largest) and largest > 0:
            nodes = question.nodes()
            without = question.without(list(nodes), output, element)
            added = largest - without
            order = np.argsort(-added, kind="stable")
            found = list(nodes.values())
            parts = [
                Part(found[k], float(added[k]), float(added[k]) / largest)
                for k in order
                if added[k] > 1e-9 * largest
            ]
        return Breakdown(
            largest,
            output,
            element,
            self.model.name,
            tuple(parts),
            self.model.unmeasured(),
        )


@dataclass(frozen=True)
class Part:
    """A node and what it adds to a bound: absolutely, and as a share of it."""

    node: Node
    added: float
    share: float


@dataclass(frozen=True)
class Breakdown:
    """The nodes behind the largest bound, the worst first.

    bound: the bound; output, element: where it is among the flattened outputs;
    unmeasured: which figures of the error model nobody measured on this backend.
    """

    bound: float
    output: int
    element: tuple[int, ...]
    model: str
    parts: tuple[Part, ...]
    unmeasured: str = ""

    def __str__(self) -> str:
        where = f"output {self.output}, element {self.element}"
        lines = [
            f"largest bound {self.bound:.6g}, at {where}, under the error model "
            f"{self.model}",
            *([f"assumed: {self.unmeasured}"] if self.unmeasured else []),
            "",
            f"{'share':>7}  {'added':>10}  {'node':<10} {'primitive':<18} line",
        ]
        for part in self.parts:
            node = part.node
            lines.append(
                f"{part.share:>7.1%}  {part.added:>10.3g}  {node.name:<10} "
                f"{node.primitive:<18} {node.place}"
            )
        if not self.parts:
            lines.append("no node is ranked: the bound is 0 or infinite")
        return "\n".join(lines)


def _upward(bound, dtype):
    wide = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    if wide == np.float64:
        return bound
    return np.asarray(narrowed_ends(bound, bound, wide)[1])
