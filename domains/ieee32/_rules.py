"""The rules of the domain, written once; each choice of options has its own table.

A rule here takes the domain (which knows order, rounding, flushing) before what a rule
of a `RuleTable` takes.
"""

import functools
from collections.abc import Callable, Iterable

from torchlean_jax.domains._registry import RuleTable

_RULES: dict[str, tuple[bool, Callable]] = {}
_REFUSALS: dict[str, str] = {}


def rule(*names: str):
    """Decorator: a rule `(domain, *values, **params)`, every operand lifted."""
    return lambda function: _add(names, on_operation=False, function=function)


def operation_rule(*names: str):
    """Decorator: a rule `(domain, operation, *operands)`."""
    return lambda function: _add(names, on_operation=True, function=function)


def operation_rule_for_each(names: Iterable[str], function) -> None:
    _add(names, on_operation=True, function=function)


def refuse(*names: str, because: str) -> None:
    for name in names:
        _claim(name)
        _REFUSALS[name] = because


def _add(names, on_operation, function):
    for name in names:
        _claim(name)
        _RULES[name] = on_operation, function
    return function


def _claim(name):
    if name in _RULES or name in _REFUSALS:
        raise ValueError(f"IEEE32 already has a decision about {name!r}")


@functools.cache
def table(domain) -> RuleTable:
    """The rules as one domain applies them."""
    bound = RuleTable("IEEE32")
    for name, (on_operation, function) in _RULES.items():
        define = bound.define_op if on_operation else bound.define
        define(name)(functools.partial(function, domain))
    for name, reason in _REFUSALS.items():
        bound.refuse(name, because=reason)
    return bound
