"""A claimed derivative against dual numbers over finite fields: equal as functions?

The two sides of <y, J v> = <J' y, v> are programs of the inputs, v and y. J v comes
from running the function on dual numbers, J' y from running what is claimed.
"""

import functools
import math
from dataclasses import dataclass, field, replace

import numpy as np

from torchlean_jax._equivalent import Equivalence
from torchlean_jax._trace import aval_of
from torchlean_jax.domains.finite_field import (
    DualArray,
    DualField,
    FieldArray,
    FiniteField,
)
from torchlean_jax.domains.finite_field._arithmetic import add, multiply
from torchlean_jax.domains.finite_field._reduce import total
from torchlean_jax.equivalence._residues import (
    CERTAIN,
    Agreement,
    Point,
    agreement,
    fourier_order,
)
from torchlean_jax.interpreters._derivative import Derivative
from torchlean_jax.interpreters._eager import is_float
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.interpreters._missing import require_rules

# Expressions of a larger degree are taken as variables where degrees are too high.
_LARGE = 128.0

# Random points of finite fields, each with its own primes; more if these do not do.
_POINTS = 2

_BRANCHES = "no comparison is at a tie and no step at its jump"
_HELD = "what is behind stop_gradient is held fixed"


def equal_as_functions(
    derivative: Derivative, others, seed: int, *, allow_stopped=False
):
    """An Equivalence: whether the claim is the derivative as a function of the inputs.

    Equal: the same expressions, of inputs, exponentials and uninterpreted functions,
    except with the stated probability. Different: rational functions that are not the
    same, for certain. None: neither is known.
    """
    found = _compared(derivative, others, seed, False)
    if allow_stopped and not found:
        held = _compared(derivative, others, seed, True)
        if held:
            return replace(held, assumptions=(*held.assumptions, _HELD))
    return found


def _compared(derivative, others, seed, holds_stopped) -> Equivalence:
    """Where degrees leave it to chance, once more with large values as variables."""
    question = _Question(derivative, others, holds_stopped)
    found = agreement(question.at, _POINTS, seed)
    if found.holds and found.error_probability > CERTAIN:
        cut = agreement(replace(question, cut_above=_LARGE).at, _POINTS, seed)
        found = cut if cut.holds else found
    assumptions = []
    if any(question.branches):
        assumptions.append(_BRANCHES)
    if found.has_finite_mask:
        assumptions.append("constants of magnitude 1e30 or more are masks: infinite")
    if others:
        assumptions.append("the arguments that are no floats are those that were given")
    return _answer(found, tuple(assumptions))


def _answer(found: Agreement, assumptions) -> Equivalence:
    if found.problem:
        return Equivalence(None, found.problem.splitlines()[0])
    if not found.holds:
        if found.is_rational:
            return Equivalence(False, "it is another rational function of the inputs")
        reason = "as expressions they differ, by what finite fields know of functions"
        return Equivalence(None, reason)
    if any(u.any() for u in found.undefined):
        return Equivalence(None, "as expressions both have elements that are no number")
    if found.error_probability > CERTAIN:
        return Equivalence(
            None,
            f"residues agree, but at degree {found.degree:.3g} that may be chance "
            f"(probability {found.error_probability:.1e}): mark values between layers "
            "by tl.cut",
        )
    return Equivalence(
        True,
        "the derivative, wherever both have a value",
        error_probability=found.error_probability,
        degree=found.degree,
        primes=found.primes,
        points=found.points,
        assumptions=assumptions,
    )


@dataclass(frozen=True)
class _Question:
    """The two sides, and how they are to be run. branches: for each point, whether
    decisions were left open."""

    derivative: Derivative
    others: list
    holds_stopped: bool
    cut_above: float | None = None
    branches: list[bool] = field(default_factory=list)

    def at(self, seed: int, cut) -> Point:
        """Both at a random point, direction and covector."""
        derivative = self.derivative
        function, claim = derivative.function, derivative.claim
        order = math.lcm(*[fourier_order(p.jaxpr) for p in (function, claim)])
        system = FiniteField(seed, order=order, cut=cut, cut_above=self.cut_above)
        dual = DualField(system, holds_stopped=self.holds_stopped)
        inputs, directions = (_variables(system, derivative.inputs) for _ in range(2))
        given = directions
        if not derivative.forward:
            given = _variables(system, derivative.outputs)
        held = [_concrete(x) for x in self.others]
        moving = [DualArray(x, v) for x, v in zip(inputs, directions, strict=True)]
        truth, seen = _walked(function, [*moving, *held], dual)
        system.cuts_anew = False
        outputs, seen_too = _walked(claim, [*inputs, *held, *given], system)
        values, pushed = [x.value for x in truth], [dual.tangent_of(x) for x in truth]
        outputs, claimed = outputs[: len(values)], outputs[len(values) :]
        if not derivative.forward:
            pushed = [_inner(system, pushed, given)]
            claimed = [_inner(system, claimed, directions)]
        self.branches.append(dual.has_branches)
        sides = [[*values, *pushed], [*outputs, *claimed]]
        return Point(system, sides, [seen, seen_too])


def _variables(system, avals):
    return [system.variables(a.shape, a.dtype) for a in avals]


def _concrete(x):
    dtype = aval_of(x).dtype
    return np.asarray(x, dtype) if isinstance(dtype, np.dtype) else x


def _walked(program, leaves, domain):
    """(outputs, all values that one level does not hold)."""
    seen: list[FieldArray] = []

    def observe(path, eqn, operands, results):
        values = [x.value if isinstance(x, DualArray) else x for x in results]
        found = [x for x in values if isinstance(x, FieldArray)]
        seen.extend(x for x in found if not all(x.levels))

    jaxpr = program.jaxpr
    abstract = [domain.is_value(x) for x in leaves]
    require_rules(jaxpr, abstract, domain, what="the program")
    consts = [domain.lift(c) if is_float(c) else c for c in program.consts]
    outputs = walk(jaxpr, consts, leaves, domain, observe)
    return [domain.lift(y) for y in outputs], seen


def _inner(system, xs, ys):
    """The sum of products of all elements."""
    products = [multiply(system, x, y) for x, y in zip(xs, ys, strict=True)]
    sums = [total(system, p, range(p.ndim)) for p in products]
    return functools.reduce(functools.partial(add, system), sums)
