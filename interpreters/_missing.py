"""Finding every primitive that a domain cannot pass, before the walk starts."""

from dataclasses import dataclass, field

import jax.numpy as jnp

from torchlean_jax.domains._domain import Domain, is_eager
from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.interpreters import _control, _eager, _forward, _jaxpr


def require_rules(jaxpr, abstract, domain: Domain, *, what: str) -> None:
    """Raise MissingRuleError listing all equations of `jaxpr` without a rule.

    `abstract` says for each input whether it is a domain value; what depends on none
    and is exact never needs a rule.
    """
    found = _Found()
    total = _scan_jaxpr(jaxpr, list(abstract), domain, found)[1]
    if found.equations:
        raise MissingRuleError(_message(found.equations, total, domain, what))


def require_rules_of_graph(graph, sources, domain: Domain, *, what: str) -> None:
    """The same for a flat graph of which only what depends on `sources` needs rules."""
    moving = graph.dependents(sources)
    found = {
        (equation.name, equation.source): equation.eqn
        for equation in graph.equations
        if moving.intersection(equation.inputs)
        and domain.rules.find(equation.name) is None
    }
    if found:
        raise MissingRuleError(_message(found, len(graph.equations), domain, what))


@dataclass
class _Found:
    """Equations without a rule by (primitive, line); `caller` is where the scan is
    now."""

    equations: dict = field(default_factory=dict)
    caller: tuple[str, int, str] | None = None


def _scan_jaxpr(jaxpr, abstract, domain, found):
    """(which outputs are domain values, number of equations seen)."""
    flags = dict.fromkeys(jaxpr.constvars, False)
    flags.update(zip(jaxpr.invars, abstract, strict=True))
    total = 0

    def flag(var):
        return False if _jaxpr.is_literal(var) else flags[var]

    for eqn in jaxpr.eqns:
        outputs, count = _scan_equation(
            eqn, [flag(v) for v in eqn.invars], domain, found
        )
        total += count
        flags.update(zip(eqn.outvars, outputs, strict=True))
    return [flag(v) for v in jaxpr.outvars], total


def _scan_equation(eqn, operands, domain, found):
    name = eqn.primitive.name
    if name not in _control.HANDLERS:
        if _runs_concretely(eqn, operands, domain):
            return [False] * len(eqn.outvars), 1
        if domain.rules.find(name) is None:
            found.equations[name, _jaxpr.source_line(eqn, found.caller)] = eqn
        return [_may_be_value(v, domain) for v in eqn.outvars], 1
    if any(operands) and _control.composite_rule(eqn, domain) is not None:
        return [True] * len(eqn.outvars), 1
    outside, found.caller = found.caller, _jaxpr.source_line(eqn, found.caller)
    result = _scan_call(eqn, operands, domain, found)
    found.caller = outside
    return result


def _scan_call(eqn, operands, domain, found):
    name, total = eqn.primitive.name, 0
    if name in _control.CALLS:
        jaxpr, _ = _jaxpr.open_jaxpr(eqn.params[_control.CALLS[name]])
        return _scan_jaxpr(jaxpr, operands, domain, found)
    if name == "scan":
        n_consts, n_carry = _jaxpr.scan_layout(eqn)
        jaxpr, _ = _jaxpr.open_jaxpr(eqn.params["jaxpr"])
        return _scan_loop(jaxpr, operands, n_consts, n_carry, domain, found)
    if name == "while":
        return _scan_while(eqn, operands, domain, found)
    if name == "cond":
        columns = []
        for branch in eqn.params["branches"]:
            jaxpr, _ = _jaxpr.open_jaxpr(branch)
            outputs, count = _scan_jaxpr(jaxpr, operands[1:], domain, found)
            columns.append(outputs)
            total += count
        flags = [operands[0] or any(column) for column in zip(*columns, strict=True)]
        return flags, total
    for sub in _jaxpr.subjaxprs(eqn):  # custom_linear_solve: whatever it calls
        jaxpr, _ = _jaxpr.open_jaxpr(sub)
        total += _scan_jaxpr(jaxpr, [True] * len(jaxpr.invars), domain, found)[1]
    return [any(operands)] * len(eqn.outvars), total


def _scan_loop(jaxpr, operands, n_consts, n_carry, domain, found):
    operands = list(operands)
    while True:
        seen = _Found(caller=found.caller)
        outputs, total = _scan_jaxpr(jaxpr, operands, domain, seen)
        carry = slice(n_consts, n_consts + n_carry)
        new = [a or b for a, b in zip(operands[carry], outputs[:n_carry], strict=True)]
        if new == operands[carry]:
            found.equations.update(seen.equations)
            return new + outputs[n_carry:], total
        operands[carry] = new


def _scan_while(eqn, operands, domain, found):
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    test, _ = _jaxpr.open_jaxpr(eqn.params["cond_jaxpr"])
    body, _ = _jaxpr.open_jaxpr(eqn.params["body_jaxpr"])
    rest = operands[n_cond:]
    carry, total = _scan_loop(body, rest, n_body, len(rest) - n_body, domain, found)
    (undecided,), count = _scan_jaxpr(test, operands[:n_cond] + carry, domain, found)
    return [c or undecided for c in carry], total + count


def _may_be_value(var, domain):
    """An eager domain decides comparisons: its integers and booleans are concrete."""
    return _eager.is_float(var.aval) or not is_eager(domain)


def _runs_concretely(eqn, operands, domain):
    if is_eager(domain):
        return _eager.runs_concretely(eqn)
    if any(operands):
        return False

    def is_float(var):
        return jnp.issubdtype(var.aval.dtype, jnp.inexact)

    inputs, outputs = map(is_float, eqn.invars), map(is_float, eqn.outvars)
    return _forward.runs_concretely(eqn.primitive.name, any(inputs), any(outputs))


def _message(found, total, domain, what):
    names = ", ".join(sorted({name for name, _ in found}))
    lines = [
        f"{domain.rules.domain} cannot pass {names} in {what} ({len(found)} of {total} "
        "equations)",
        "",
    ]
    for (name, place), eqn in found.items():
        shape = ", ".join(v.aval.str_short() for v in eqn.invars) or "()"
        where = (
            f"{place[0].rsplit('/', 1)[-1]}:{place[1]}   {place[2]}" if place else ""
        )
        lines.append(f"  {name:<14} {shape:<24} {where}".rstrip())
        reason = domain.rules.why_refused(name)
        if reason:
            lines.append(f"  {'':<14} refused: {reason}")
    lines += [
        "",
        'Add a rule (CONTRIBUTING, "A new rule"), bound the parts around them, or '
        "run the model at points in another domain.",
    ]
    return "\n".join(lines)
