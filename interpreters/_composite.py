"""Recognising a call as a known function (`jax.nn.silu`, ...) by its body, never by its
name.

A call whose name is in `KNOWN` is compared with the jaxpr that the reference itself
gives on the same shapes. A user's own function that merely shares the name is thus
walked, not believed.
"""

import functools

import jax

from torchlean_jax.interpreters import _jaxpr

KNOWN = {
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "log_sigmoid": jax.nn.log_sigmoid,
    "logaddexp": jax.numpy.logaddexp,
}


def recognise(eqn) -> str | None:
    """`"call:NAME"` if the equation calls the known function NAME on floats, else
    None."""
    name = _name(eqn)
    if name not in KNOWN:
        return None
    shapes = tuple((v.aval.shape, str(v.aval.dtype)) for v in eqn.invars)
    body = _reference_body(name, eqn.primitive.name, shapes)
    return f"call:{_CANONICAL.get(name, name)}" if body == _body(eqn) else None


_CANONICAL = {"swish": "silu"}


def _name(eqn):
    function = eqn.params.get("name")
    if function is None and "call_jaxpr" in eqn.params:
        # custom_jvp_call keeps no name; its body is one `jit` that does
        inner, _ = _jaxpr.open_jaxpr(eqn.params["call_jaxpr"])
        if len(inner.eqns) == 1:
            return _name(inner.eqns[0])
        # or it remembers where it was traced; a wrong name only finds no equal body
        return getattr(getattr(inner, "debug_info", None), "func_name", None)
    return function


@functools.cache
def _reference_body(name, primitive, shapes):
    avals = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes]
    try:
        traced, _ = _jaxpr.open_jaxpr(jax.make_jaxpr(KNOWN[name])(*avals))
    except TypeError:
        return None  # another number of arguments: not that function
    for eqn in traced.eqns:
        if eqn.primitive.name == primitive:
            return _body(eqn)
    return None


def _body(eqn):
    for value in eqn.params.values():
        if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
            return str(value)
    return None
