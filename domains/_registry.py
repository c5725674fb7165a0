"""Rule tables: what each primitive does to the values of one domain.

Rules are keyed by primitive *name*: names outlive JAX versions, primitive objects do
not. How the rules are applied along a jaxpr is the business of
`torchlean_jax.interpreters`.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Operation(Protocol):
    """One equation's primitive with its parameters bound, ready to run on arrays."""

    name: str
    params: Mapping[str, Any]

    def __call__(self, *arrays): ...

    def replace(self, **params) -> "Operation": ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and how it wants to be called.

    `on_operation` rules are called as `rule(operation, *operands)`, operands as they
    come: domain values beside concrete arrays. The others are called as `rule(*values,
    **params)`, every operand lifted.
    """

    function: Callable[..., Any]
    on_operation: bool


@dataclass
class RuleTable:
    """The rules of one domain: primitive name -> rule, or the reason why there is none.

    >>> rules = RuleTable("Sign")
    >>> @rules.define("neg")
    ... def _neg(x):
    ...     return -x
    >>> rules.refuse("eigh", because="a sign says nothing about eigenvectors")
    >>> rules.find("neg").function(1), rules.why_refused("eigh")
    (-1, 'a sign says nothing about eigenvectors')
    """

    domain: str
    _rules: dict[str, Rule] = field(default_factory=dict)
    _refusals: dict[str, str] = field(default_factory=dict)

    def define(self, *names: str):
        """Decorator: a rule on lifted values that states each parameter it accepts."""
        return lambda function: self._add(names, Rule(function, on_operation=False))

    def define_op(self, *names: str):
        """Decorator: a rule that applies the primitive itself, called `rule(operation,
        *operands)`."""
        return lambda function: self._add(names, Rule(function, on_operation=True))

    def define_each(self, names: Iterable[str], function):
        """One on-operation rule for a whole family of primitives."""
        self._add(tuple(names), Rule(function, on_operation=True))

    def refuse(self, *names: str, because: str):
        """Record that these primitives have no rule on purpose, and why."""
        for name in names:
            self._claim(name)
            self._refusals[name] = because

    def find(self, name: str) -> Rule | None:
        return self._rules.get(name)

    def why_refused(self, name: str) -> str | None:
        return self._refusals.get(name)

    def names(self) -> frozenset[str]:
        return frozenset(self._rules)

    def _add(self, names, rule):
        for name in names:
            self._claim(name)
            self._rules[name] = rule
        return rule.function

    def _claim(self, name):
        if name in self._rules or name in self._refusals:
            raise ValueError(f"{self.domain} already has a decision about {name!r}")


@dataclass(frozen=True)
class BoundRules:
    """The rules of a table that take the domain first, for one instance of it."""

    table: RuleTable
    owner: Any

    @property
    def domain(self) -> str:
        return self.table.domain

    def find(self, name: str) -> Rule | None:
        rule = self.table.find(name)
        if rule is None:
            return None
        function = functools.partial(rule.function, self.owner)
        return Rule(function, rule.on_operation)

    def why_refused(self, name: str) -> str | None:
        return self.table.why_refused(name)

    def names(self) -> frozenset[str]:
        return self.table.names()
