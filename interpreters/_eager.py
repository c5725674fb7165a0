"""The forward walk of domains that run outside jit: Python loops, branches taken.

Floats are values of the domain from the start and integers are concrete wherever the
domain can tell, so every predicate and position is known when it is needed, or an
error. Calls are inlined as in `_control`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import MissingRuleError, UndecidedError
from torchlean_jax.interpreters import _jaxpr


def is_float(x) -> bool:
    """Whether an array, a variable's aval or a value has a real or complex dtype."""
    dtype = x.dtype if hasattr(x, "dtype") else jnp.result_type(x)
    return jnp.issubdtype(dtype, jnp.inexact)


def runs_concretely(eqn) -> bool:
    """Whether an equation touches no float at all and runs as it is."""
    return not any(is_float(v.aval) for v in (*eqn.invars, *eqn.outvars))


def apply(eqn, operands, domain) -> list:
    """The outputs of an equation that contains no jaxpr to walk."""
    operation = _jaxpr.operation(eqn)
    if runs_concretely(eqn) and not any(map(domain.is_value, operands)):
        with jax.ensure_compile_time_eval():
            outputs = operation(*operands)
    else:
        try:
            outputs = _by_rule(eqn, operation, operands, domain)
        except (UndecidedError, MissingRuleError) as error:
            if getattr(error, "equations", ()):  # named by an equation further in
                raise
            raise located(error, [eqn]) from error
    outputs = list(outputs) if eqn.primitive.multiple_results else [outputs]
    return [domain.settle(x) if domain.is_value(x) else x for x in outputs]


def _by_rule(eqn, operation, operands, domain):
    rules, name = domain.rules, operation.name
    repeated = len(eqn.invars) == 2 and eqn.invars[0] is eqn.invars[1]
    rule = (repeated and rules.find(f"same:{name}")) or rules.find(name)
    if rule is None:  # of integers or booleans that turned out to be undecided
        raise UndecidedError(f"{rules.domain} has no rule for {name}")
    if rule.on_operation:
        return rule.function(operation, *operands)
    return rule.function(*map(domain.lift, operands), **operation.params)


def located(error, equations):
    """The same error, saying in which equations and on which source lines it arose."""
    places = [f"\n  in {_describe(eqn)}" for eqn in equations]
    result = type(error)("".join([str(error), *places]))
    result.equations = tuple(equations)
    return result


def _describe(eqn) -> str:
    shapes = ", ".join(v.aval.str_short() for v in eqn.invars)
    place = _jaxpr.source_line(eqn)
    where = f"   {place[0].rsplit('/', 1)[-1]}:{place[1]}   {place[2]}" if place else ""
    return f"{eqn.primitive.name} {shapes}{where}"


def scan(eqn, operands, domain, run):
    n_consts, n_carry = _jaxpr.scan_layout(eqn)
    jaxpr, closed = _jaxpr.open_jaxpr(eqn.params["jaxpr"])
    consts = operands[:n_consts]
    carry, xs = operands[n_consts : n_consts + n_carry], operands[n_consts + n_carry :]
    steps = range(eqn.params["length"])
    rows = []
    for i in reversed(steps) if eqn.params["reverse"] else steps:
        outputs = run(jaxpr, closed, [*consts, *carry, *(_row(x, i) for x in xs)])
        carry = outputs[:n_carry]
        rows.append(outputs[n_carry:])
    if eqn.params["reverse"]:
        rows.reverse()
    results = eqn.outvars[n_carry:]
    columns = zip(*rows, strict=True) if rows else [()] * len(results)
    ys = [
        _stack(column, var.aval, domain)
        for column, var in zip(columns, results, strict=True)
    ]
    return [*carry, *ys]


def _row(x, i):
    if hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jax.dtypes.extended):
        return x[i]
    return x[i] if not isinstance(x, jax.Array) else np.asarray(x)[i]


def _stack(column, aval, domain):
    if is_float(aval) or any(map(domain.is_value, column)):
        return domain.stack([domain.lift(x) for x in column], aval.shape, aval.dtype)
    if not column:
        return jnp.zeros(aval.shape, aval.dtype)
    return jnp.stack([jnp.asarray(x) for x in column])


def _while(eqn, operands, domain, run):
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    test, test_consts = _jaxpr.open_jaxpr(eqn.params["cond_jaxpr"])
    body, body_consts = _jaxpr.open_jaxpr(eqn.params["body_jaxpr"])
    cond_args, operands = operands[:n_cond], operands[n_cond:]
    body_args, carry = operands[:n_body], operands[n_body:]

    def holds():
        (flag,) = run(test, test_consts, [*cond_args, *carry], ("cond",))
        return bool(flag)

    while holds():
        carry = run(body, body_consts, [*body_args, *carry], ("body",))
    return carry


def _cond(eqn, operands, domain, run):
    index, *operands = operands
    branches = eqn.params["branches"]
    number = min(max(int(index), 0), len(branches) - 1)
    jaxpr, consts = _jaxpr.open_jaxpr(branches[number])
    return run(jaxpr, consts, operands, (f"branch {number}",))


# In place of the handlers of the same names in `_control`.
HANDLERS = {"scan": scan, "while": _while, "cond": _cond}
