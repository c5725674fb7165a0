"""Equations that contain jaxprs: calls are inlined, loops and branches run over the
domain.

Loops go through public `lax.scan`, `lax.while_loop` and `lax.switch` around a body that
walks the sub-jaxpr; no higher-order primitive is rebound by hand.
"""

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains._domain import is_eager
from torchlean_jax.interpreters import _composite, _eager, _jaxpr, _unrolled

# primitive -> parameter that holds the jaxpr to inline
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "fused_kernel": "jaxpr",
}


def composite_rule(eqn, domain):
    """The domain's rule for a whole call (`softplus`, ...), if it is what its name
    says."""
    name = _composite.recognise(eqn)
    rule = domain.rules.find(name) if name else None
    return rule.function if rule else None


def _call(eqn, operands, domain, run):
    jaxpr, consts = _jaxpr.open_jaxpr(eqn.params[CALLS[eqn.primitive.name]])
    return run(jaxpr, consts, operands)


def _linear_solve(eqn, operands, domain, run):
    """`custom_linear_solve`: the program that solves, on its constants and the right
    side."""
    lengths = eqn.params["const_lengths"]
    consts, rest = list(operands), []
    groups = {}
    for field in lengths._fields:
        count = getattr(lengths, field)
        groups[field], consts = consts[:count], consts[count:]
    rest = consts
    jaxpr, closed = _jaxpr.open_jaxpr(eqn.params["jaxprs"].solve)
    return run(jaxpr, closed, [*groups["solve"], *rest])


def _scan(eqn, operands, domain, run):
    n_consts, n_carry = _jaxpr.scan_layout(eqn)
    jaxpr, closed = _jaxpr.open_jaxpr(eqn.params["jaxpr"])
    consts = operands[:n_consts]
    carry, xs = operands[n_consts : n_consts + n_carry], operands[n_consts + n_carry :]

    def step(carry, x):
        outputs = run(jaxpr, closed, [*consts, *carry, *x])
        return outputs[:n_carry], outputs[n_carry:]

    length = eqn.params["length"]
    slices = jax.eval_shape(
        lambda xs: jax.tree.map(lambda a: lax.index_in_dim(a, 0, keepdims=False), xs),
        xs,
    )
    if length == 0:
        slices = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), xs)
    carry, abstract = _abstract_carry(step, carry, slices, domain)

    def body(carry, x):
        new, ys = step(carry, x)
        return _lift_where(abstract, new, domain), ys

    params = {key: eqn.params[key] for key in ("reverse", "unroll")}
    carry, ys = lax.scan(body, carry, xs, length=length, **params)
    return [*carry, *ys]


def _abstract_carry(step, carry, slices, domain):
    """The carry with every slot lifted that the loop turns into a domain value (a
    fixpoint)."""
    abstract = [domain.is_value(c) for c in carry]
    while True:
        carry = _lift_where(abstract, carry, domain)
        shapes = jax.eval_shape(lambda c, x: step(c, x)[0], carry, slices)
        now = [a or domain.is_value(s) for a, s in zip(abstract, shapes, strict=True)]
        if now == abstract:
            return carry, abstract
        abstract = now


def _while(eqn, operands, domain, run):
    """Run while the predicate certainly holds; where it is undecided then, nothing is
    known."""
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    test, test_consts = _jaxpr.open_jaxpr(eqn.params["cond_jaxpr"])
    body, body_consts = _jaxpr.open_jaxpr(eqn.params["body_jaxpr"])
    cond_args, operands = operands[:n_cond], operands[n_cond:]
    body_args, carry = operands[:n_body], operands[n_body:]

    def step(carry, _=None):
        return run(body, body_consts, [*body_args, *carry], ("body",)), []

    def predicate(carry):
        (holds,) = run(test, test_consts, [*cond_args, *carry], ("cond",))
        return holds

    carry, abstract = _abstract_carry(step, carry, [], domain)

    def advance(carry):
        return _lift_where(abstract, step(carry)[0], domain)

    def certainly(carry):
        holds = predicate(carry)
        return holds.lo if domain.is_value(holds) else holds

    carry = lax.while_loop(certainly, advance, carry)
    holds = predicate(carry)
    if not domain.is_value(holds):
        return carry
    return [_forget_if(holds.hi, x, domain) for x in carry]


def _forget_if(flag, x, domain):
    x = domain.lift(x)
    nothing = domain.unknown(jnp.shape(x), x.dtype)
    return jax.tree.map(lambda a, b: jnp.where(flag, a, b), nothing, x)


def _cond(eqn, operands, domain, run):
    index, *operands = operands
    branches = [_jaxpr.open_jaxpr(branch) for branch in eqn.params["branches"]]

    def outputs_of(number, operands):
        jaxpr, consts = branches[number]
        return run(jaxpr, consts, operands, (f"branch {number}",))

    if domain.is_value(index):
        return _join_branches(index, operands, outputs_of, len(branches), domain)
    shapes = [
        jax.eval_shape(lambda o, n=n: outputs_of(n, o), operands)
        for n in range(len(branches))
    ]
    abstract = [
        any(map(domain.is_value, column)) for column in zip(*shapes, strict=True)
    ]
    functions = [
        lambda o, n=n: _lift_where(abstract, outputs_of(n, o), domain)
        for n in range(len(branches))
    ]
    return lax.switch(index, functions, operands)


def _join_branches(index, operands, outputs_of, count, domain):
    """Every branch that the undecided `index` may choose (out of range: the nearest
    one)."""
    lo = jnp.clip(index.lo, 0, count - 1)
    hi = jnp.clip(index.hi, 0, count - 1)
    possible = [(lo <= n) & (n <= hi) for n in range(count)]
    columns = zip(*(outputs_of(n, operands) for n in range(count)), strict=True)
    return [
        domain.join([domain.lift(value) for value in column], possible)
        for column in columns
    ]


def _lift_where(flags, values, domain):
    return [
        domain.lift(value) if flag else value
        for flag, value in zip(flags, values, strict=True)
    ]


def _nothing(eqn, operands, domain, run):
    return []


HANDLERS = {
    **dict.fromkeys(CALLS, _call),
    "custom_linear_solve": _linear_solve,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "debug_callback": _nothing,
    "debug_print": _nothing,
}


def handler(name, domain):
    """What runs an equation that contains jaxprs; None for all others."""
    if is_eager(domain) and name in _eager.HANDLERS:
        return _eager.HANDLERS[name]
    if getattr(domain, "unrolls", False) and name in _unrolled.HANDLERS:
        return _unrolled.HANDLERS[name]
    return HANDLERS.get(name)
