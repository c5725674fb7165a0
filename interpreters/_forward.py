"""The forward walk: values of a domain flow along the equations of a jaxpr.

One function applies one equation; the walk is a loop around it. Equations that contain
jaxprs (`jit`, `scan`, `cond`...) are in `_control`; domains that run outside jit are in
`_eager`; missing rules are found beforehand by `_missing`.
"""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from torchlean_jax.domains._domain import Domain, is_eager
from torchlean_jax.domains._families import EXACT
from torchlean_jax.interpreters import _compare, _control, _eager, _jaxpr


def walk(jaxpr, consts, args, domain: Domain, observe=None, path=()):
    """The values of the outputs of `jaxpr` over `domain`.

    `args` and `consts` are domain values or concrete arrays. `observe(path, eqn,
    operands, outputs)` is called after each equation, with the position of the equation
    in the nesting.
    """
    env = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(var):
        return _jaxpr.literal_value(var) if _jaxpr.is_literal(var) else env[var]

    for index, eqn in enumerate(jaxpr.eqns):
        operands = [read(var) for var in eqn.invars]
        outputs = apply(eqn, operands, domain, observe, (*path, index))
        if observe is not None:
            observe((*path, index), eqn, operands, outputs)
        for var, output in zip(eqn.outvars, outputs, strict=True):
            if not _jaxpr.is_dropped(var):
                env[var] = output
    return [read(var) for var in jaxpr.outvars]


def walk_graph(graph, values: dict, domain: Domain, narrowed) -> list:
    """The values of the outputs of a flat graph over `domain`.

    values: of its inputs and constants. narrowed(number, value): what is known of a
    value besides what its equation says.
    """
    values = dict(values)
    for equation in graph.equations:
        operands = [values[number] for number in equation.inputs]
        outputs = apply(equation.eqn, operands, domain)
        for number, output in zip(equation.outputs, outputs, strict=True):
            is_value = domain.is_value(output)
            values[number] = narrowed(number, output) if is_value else output
    return [values[number] for number in graph.outputs]


def apply(eqn, operands, domain: Domain, observe=None, path=()) -> list:
    """The outputs of one equation, as a list whatever the primitive returns."""
    handler = _control.handler(eqn.primitive.name, domain)
    if handler is not None:
        composite = _control.composite_rule(eqn, domain)
        if composite is not None and any(map(domain.is_value, operands)):
            return [composite(*[domain.lift(x) for x in operands])]

        def run(jaxpr, consts, args, branch=()):
            return walk(jaxpr, consts, args, domain, observe, (*path, *branch))

        return handler(eqn, operands, domain, run)
    if is_eager(domain):
        return _eager.apply(eqn, operands, domain)
    with _compile_time_eval_if_concrete(operands):
        outputs = apply_primitive(
            _jaxpr.operation(eqn), operands, domain, repeated=is_repeated(eqn)
        )
        outputs = _as_list(outputs, eqn.primitive.multiple_results)
        return [domain.settle(x) if domain.is_value(x) else x for x in outputs]


def apply_primitive(operation, operands, domain: Domain, *, repeated=False) -> Any:
    """What the primitive does to `operands`: exactly if they are concrete, else by its
    rule.

    `repeated` says that both operands are one value: x * x is a square, which knows
    more than a product of two values that merely have the same bounds. Its rule is
    `same:mul`.
    """
    name = operation.name
    if name not in UNINITIALISED and not any(map(domain.is_value, operands)):
        if name in EXACT or not any(map(_is_inexact, operands)):
            return _run_concrete(operation, operands, domain)
        if name in _compare.EXACT_COMPARISONS and not _may_read_zero(domain):
            return _compare.compare(name, *operands)
    rule = domain.rules.find(f"same:{name}") if repeated else None
    rule = rule or domain.rules.find(name)
    if rule is None:
        raise KeyError(
            f"no {domain.rules.domain} rule for {name}; the scan let it pass"
        )
    if rule.on_operation:
        return rule.function(operation, *operands)
    return rule.function(*[domain.lift(x) for x in operands], **operation.params)


def is_repeated(eqn) -> bool:
    """Whether the equation has two operands and both are one variable."""
    return len(eqn.invars) == 2 and eqn.invars[0] is eqn.invars[1]


def _may_read_zero(domain) -> bool:
    """Whether a comparison of concrete floats is a question for the domain's rule: a
    machine may take a subnormal number for 0, the reals do not."""
    return getattr(domain, "flushes", False)


# Gives arrays whose elements may be anything until they are written.
UNINITIALISED = frozenset(("empty", "empty2"))


def runs_concretely(name: str, has_float_operand: bool, has_float_output: bool) -> bool:
    """Whether an equation with only concrete operands stays outside the domain."""
    if name in EXACT or name in _compare.EXACT_COMPARISONS:
        return True
    if name in UNINITIALISED:
        return False
    return not has_float_operand and (not has_float_output or name in _EXACT_INTO_FLOAT)


# Integer operands, float result, and still exact: `iota` of floats counts, a cast is
# checked.
_EXACT_INTO_FLOAT = frozenset(
    ("iota", "convert_element_type", "broadcast_in_dim", "bitcast_convert_type")
)


def _run_concrete(operation, operands, domain):
    if operation.name == "convert_element_type" and operands:
        return _cast_integer(operation, operands[0], domain)
    return operation(*operands)


def _cast_integer(operation, x, domain):
    """An integer cast to a float; past 2**(mantissa bits) the cast rounds, so lift
    there."""
    target = jnp.dtype(operation.params["new_dtype"])
    x = jnp.asarray(x)
    if not jnp.issubdtype(target, jnp.floating) or x.dtype == jnp.bool_:
        return operation(x)
    if jnp.iinfo(x.dtype).bits <= jnp.finfo(target).nmant + 1:
        return operation(x)
    limit, size = 2 ** (jnp.finfo(target).nmant + 1), jnp.abs(x)
    # the lowest integer is its own negative: its size comes out below 0
    if not isinstance(x, Tracer) and bool(((size >= 0) & (size <= limit)).all()):
        return operation(x)
    rule = domain.rules.find("convert_element_type")
    if rule.on_operation:
        return rule.function(operation, domain.lift(x))
    return rule.function(domain.lift(x), new_dtype=target)


def _compile_time_eval_if_concrete(operands):
    """Run constant equations while tracing, so that constants stay constants."""
    leaves = jax.tree.leaves(operands)
    if any(isinstance(leaf, Tracer) for leaf in leaves):
        return contextlib.nullcontext()
    return jax.ensure_compile_time_eval()


def _is_inexact(x) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.inexact)


def _as_list(outputs, multiple):
    return list(outputs) if multiple else [outputs]
