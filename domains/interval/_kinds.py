"""One primitive, several kinds of number: floats, integers (with booleans), complex
numbers.

A rule is written per kind, in the file of that kind; the kind of the first operand
chooses. A kind without a rule (`tanh` of complex numbers, say) is an error that names
it.
"""

import functools

import jax.numpy as jnp

from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains.interval._value import Interval, rules

_BY_KIND = {}


def kind_of(x) -> str:
    """ "float", "integer" (booleans too) or "complex"."""
    dtype = x.dtype if isinstance(x, Interval) else jnp.result_type(x)
    if jnp.issubdtype(dtype, jnp.floating):
        return "float"
    return "complex" if jnp.issubdtype(dtype, jnp.complexfloating) else "integer"


def rule_for(kind: str, *names: str):
    """Decorator: the rule of these primitives on `kind`, called with lifted values."""
    return functools.partial(_add, kind, names, rules.define, _on_values)


def operation_rule_for(kind: str, *names: str):
    """The same for rules that apply the primitive: `rule(operation, *operands)`."""
    return functools.partial(_add, kind, names, rules.define_op, _on_operation)


def kinds(name: str) -> frozenset[str]:
    """The kinds with a rule of their own for `name`; empty if one rule serves all."""
    return frozenset(_BY_KIND.get(name, ()))


def _add(kind, names, define, dispatch, function):
    for name in names:
        if name not in _BY_KIND:
            _BY_KIND[name] = {}
            define(name)(functools.partial(dispatch, name))
        if kind in _BY_KIND[name]:
            raise ValueError(f"a second rule for {name!r} of {kind} numbers")
        _BY_KIND[name][kind] = function
    return function


def _on_values(name, *values, **params):
    return _choose(name, values[0])(*values, **params)


def _on_operation(name, operation, *operands):
    return _choose(name, operands[0])(operation, *operands)


def _choose(name, operand):
    kind = kind_of(operand)
    function = _BY_KIND[name].get(kind)
    if function is None:
        raise MissingRuleError(
            f"Interval has no rule for {name!r} of {kind} numbers, only of "
            f"{', '.join(sorted(_BY_KIND[name]))} ones; bound the parts around it"
        )
    return function
