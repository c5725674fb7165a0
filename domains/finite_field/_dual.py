"""`DualField`: a program at a random point of finite fields, and its slope there.

The value of the domain, and how a rule of the field is applied to it. What each
primitive does to a tangent is in `_tangents`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._registry import Rule, RuleTable
from torchlean_jax.domains.finite_field._domain import FiniteField
from torchlean_jax.domains.finite_field._value import FieldArray, moved

# What primitives do to tangents; each rule takes a Step.
tangents = RuleTable("DualField")


@dataclass(frozen=True, slots=True)
class DualArray:
    """value + tangent eps, with eps**2 = 0; a tangent that is None is 0."""

    value: FieldArray
    tangent: FieldArray | None = None

    @property
    def dtype(self):
        return self.value.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    def __getitem__(self, index) -> "DualArray":
        tangent = None if self.tangent is None else self.tangent[index]
        return DualArray(self.value[index], tangent)

    def _undecided(self, *args, **kwargs) -> Any:
        return bool(self.value)  # raises what the value does

    __bool__ = __int__ = __index__ = __array__ = _undecided


class DualField:
    """Dual numbers over a `FiniteField`: f(x + v eps) = f(x) + (J v) eps.

    The product J v comes out of the ring of dual numbers, by the laws that define the
    operations there: (a + b eps) (c + d eps) = a c + (a d + b c) eps, the inverse that
    this product has, exp(a + b eps) = exp(a) (1 + b eps) as exp takes sums to products,
    and so on (`_tangents`). No derivative rule of JAX is used. An operation of whose
    tangent nothing is known there gets a variable of its own for it: whatever holds for
    any tangent holds for the right one.

    Levels: exp(a) lives mod p and its exponent a mod q, but the tangent exp(a) b needs
    b mod p only, and that is known. Mod q, where exp(a) is a residue that depends on
    its value alone, the same law is applied to that residue.

    At a kink, a jump or a tie there is no tangent; the tangents are those of either
    side, with the uninterpreted sign that the field decides by (`has_branches`).

    holds_stopped: take what is behind `stop_gradient` as constant.
    """

    def __init__(self, field: FiniteField, *, holds_stopped: bool = False):
        self.field, self.holds_stopped = field, holds_stopped
        self.has_branches = False
        self.rules: Any = _DualRules(self)

    @staticmethod
    def is_value(x) -> bool:
        return isinstance(x, DualArray)

    def lift(self, x) -> DualArray:
        return x if isinstance(x, DualArray) else DualArray(self.field.lift(x))

    def join(self, values, possible) -> DualArray:
        return next(v for v, flag in zip(values, possible, strict=True) if bool(flag))

    def unknown(self, shape, dtype) -> DualArray:
        return DualArray(self.field.unknown(shape, dtype))

    def stack(self, values, shape, dtype) -> DualArray:
        value = self.field.stack([x.value for x in values], shape, dtype)
        if all(x.tangent is None for x in values):
            return DualArray(value)
        rows = [self.tangent_of(x) for x in values]
        return DualArray(value, moved(lambda *each: np.stack(each), *rows))

    def evaluate(self, run, inputs) -> list:
        return run(None)

    def settle(self, value: DualArray) -> DualArray:
        return DualArray(self.field.settle(value.value), value.tangent)

    def tangent_of(self, x: DualArray) -> FieldArray:
        return zeros(self.field, x.value) if x.tangent is None else x.tangent

    def variable(self, x) -> FieldArray | None:
        """A tangent of which nothing is known."""
        if not _is_inexact(x):
            return None
        self.field.note_arguments(x)
        return self.field.variables(x.shape, x.dtype)


def zeros(field, like: FieldArray) -> FieldArray:
    return field.lift(np.zeros(like.shape, like.dtype))


@dataclass(frozen=True)
class Step:
    """One equation: what the rule of the field makes of the values, and the tangents.

    run: that rule, on other operands. operands: values beside concrete arrays;
    tangents: of each of them, None for 0; results: the values that came out.
    """

    dual: DualField
    operation: Any
    run: Callable
    operands: list
    tangents: list
    results: list

    @property
    def field(self) -> FiniteField:
        return self.dual.field

    @property
    def values(self) -> list[FieldArray]:
        return [self.field.lift(x) for x in self.operands]


class _DualRules:
    """A rule for each primitive that the field has one for."""

    domain = "DualField"

    def __init__(self, dual: DualField):
        self.dual, self.table = dual, dual.field.rules

    def why_refused(self, name: str) -> str | None:
        return self.table.why_refused(name)

    def names(self) -> frozenset[str]:
        return self.table.names()

    def find(self, name: str) -> Rule | None:
        rule = self.table.find(name)
        if rule is None:
            return None
        applied = functools.partial(self._apply, name, rule)
        if name.startswith("call:"):  # of values alone: a call has no parameters
            return Rule(functools.partial(applied, None), on_operation=False)
        return Rule(applied, on_operation=True)

    def _run(self, rule, operation, *operands, **changed):
        if rule.on_operation:
            return rule.function(operation.replace(**changed), *operands)
        params = {} if operation is None else operation.params
        lifted = map(self.dual.field.lift, operands)
        return rule.function(*lifted, **{**params, **changed})

    def _apply(self, name, rule, operation, *operands):
        values = [x.value if isinstance(x, DualArray) else x for x in operands]
        found = self._run(rule, operation, *values)
        many = isinstance(found, (list, tuple))
        results = list(found) if many else [found]
        given = [x.tangent if isinstance(x, DualArray) else None for x in operands]
        pushed = [None] * len(results)
        if any(t is not None for t in given) and any(map(_is_inexact, results)):
            # x * x has a rule of its own, in which both operands are one
            name = name.removeprefix("same:")
            run = functools.partial(self._run, self.table.find(name), operation)
            step = Step(self.dual, operation, run, values, given, results)
            pushed = _pushed(name, step)
        made = [
            DualArray(x, t) if isinstance(x, FieldArray) else x
            for x, t in zip(results, pushed, strict=True)
        ]
        self.dual.has_branches |= _is_open(name, results)
        return made if many else made[0]


def _pushed(name, step) -> list:
    rule = tangents.find(name)
    if rule is None:
        return [step.dual.variable(x) for x in step.results]
    found = rule.function(step)
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _is_inexact(x) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)


_BRANCHES = frozenset(
    (*("abs", "sign", "max", "min", "clamp", "floor", "ceil", "round"),)
)


def _is_open(name, results) -> bool:
    """Whether what is returned depends on a decision that is not taken."""
    if name in _BRANCHES:
        return any(isinstance(x, FieldArray) and x.held is None for x in results)
    return any(isinstance(x, FieldArray) and x.dtype == np.bool_ for x in results)
