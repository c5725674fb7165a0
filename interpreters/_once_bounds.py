"""Rounding bounds of a program that is asked about once: FP32 by NumPy.

The unrolled tiles of a kernel repeat the same equation on the same shapes hundreds of
times. Tracing its rule takes milliseconds, running what was traced a tenth of that. So
each kind of equation is traced once, and NumPy runs the trace (`_once`) on the values
of every equation of that kind.
"""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.fp32 import FP32
from torchlean_jax.domains.fp32._origin import READ, Applied, Decided, remember
from torchlean_jax.domains.fp32._value import FP32Value
from torchlean_jax.interpreters import _control, _forward, _jaxpr, _once


def walk_once(jaxpr, consts, args, domain: FP32) -> list:
    """The outputs of `jaxpr` over `domain`, as `_forward.walk` has them, with NumPy's
    arrays in them; not under a transformation."""
    with np.errstate(all="ignore"):
        return _Walk(domain).run(jaxpr, consts, args)


# Tiles have the same few shapes at all shapes of a kernel: traces outlive a walk. A
# check of one kernel makes some hundreds.
_traces: dict = {}
_MOST_TRACES = 4096


class _Walk:
    def __init__(self, domain: FP32):
        self.domain = domain

    def run(self, jaxpr, consts, args):
        env = dict(zip(jaxpr.constvars, consts, strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(var):
            return _jaxpr.literal_value(var) if _jaxpr.is_literal(var) else env[var]

        for eqn in jaxpr.eqns:
            outputs = self.apply(eqn, [read(var) for var in eqn.invars])
            env.update(zip(eqn.outvars, outputs, strict=True))
        return [read(var) for var in jaxpr.outvars]

    def apply(self, eqn, operands) -> list:
        name = eqn.primitive.name
        if name in _control.CALLS and not _control.composite_rule(eqn, self.domain):
            inner, consts = _jaxpr.open_jaxpr(eqn.params[_control.CALLS[name]])
            return self.run(inner, consts, operands)
        if _is_exact(eqn, operands):
            return _once.apply(eqn, list(map(np.asarray, operands)))
        if name in _control.HANDLERS or not _is_repeatable(eqn, operands):
            return _forward.apply(eqn, operands, self.domain)
        kind = self.domain, jnp.result_type(float), _kind(eqn, operands)
        if kind not in _traces:
            if len(_traces) == _MOST_TRACES:
                _traces.clear()
            _traces[kind] = _Trace(eqn, operands, self.domain)
        return _traces[kind].run(eqn, operands)


def _is_exact(eqn, operands) -> bool:
    """Whether it is about known integers and booleans, of which nothing rounds."""
    known = not any(isinstance(x, FP32Value) for x in operands)
    avals = [var.aval for var in (*eqn.invars, *eqn.outvars)]
    return (
        known
        and eqn.primitive.name not in _control.HANDLERS
        and not any(jnp.issubdtype(aval.dtype, jnp.inexact) for aval in avals)
    )


# What a choice turns on is an identity of values (`domains.fp32._origin`), which a
# trace on arrays would lose.
_REMEMBERED = frozenset(
    ("eq", "ne", "lt", "le", "gt", "ge", "lt_to", "le_to", "not", "and", "or", "xor")
)


def _is_repeatable(eqn, operands) -> bool:
    """Whether the rule is about the arrays of its operands alone."""
    values = [x for x in operands if isinstance(x, FP32Value)]
    return (
        bool(values)
        and eqn.primitive.name not in _REMEMBERED
        and not any(isinstance(x.origin, Decided) for x in values)
        and _is_hashable(eqn.params)
    )


def _is_hashable(params) -> bool:
    try:
        hash(tuple(params.values()))
    except TypeError:
        return False
    return True


def _kind(eqn, operands):
    """The same for equations that one trace serves: what is concrete is a part of it,
    and so is which operands are one value or are read as they are."""
    parts = []
    for x in operands:
        if isinstance(x, FP32Value):
            leaves, tree = jax.tree.flatten(x)
            shapes = tuple((y.dtype, y.shape) for y in leaves)
            parts.append((tree, shapes, x.origin is READ))
        else:
            x = np.asarray(x)
            parts.append((x.dtype, x.shape, x.tobytes()))
    repeated = tuple(var is eqn.invars[0] for var in eqn.invars)
    # Parameters themselves, not what is printed of them: two functions may print alike,
    # and a long array is printed without its middle.
    params = tuple((key, type(x), x) for key, x in sorted(eqn.params.items()))
    return eqn.primitive, params, repeated, *parts


class _Trace:
    """The rule of one kind of equation, as a jaxpr on the arrays of its operands."""

    def __init__(self, eqn, operands, domain):
        self.domain = domain
        self.origins: list = []

        def rule(values):
            mixed = [
                x if y is None else remember(y, READ if x.origin is READ else None)
                for x, y in zip(operands, values, strict=True)
            ]
            outputs = _forward.apply(eqn, mixed, domain)
            self.origins = [getattr(y, "origin", None) for y in outputs]
            return outputs

        closed, shape = jax.make_jaxpr(rule, return_shape=True)(_values(operands))
        self.jaxpr, consts = _jaxpr.open_jaxpr(closed)
        self.consts = [np.asarray(c) for c in consts]
        self.tree = jax.tree.structure(shape)

    def run(self, eqn, operands) -> list:
        leaves = [np.asarray(y) for y in jax.tree.leaves(_values(operands))]
        arrays = _once.walk(self.jaxpr, self.consts, leaves)
        outputs = jax.tree.unflatten(self.tree, arrays)
        return [
            remember(y, self.applied(eqn, operands)) if isinstance(o, Applied) else y
            for y, o in zip(outputs, self.origins, strict=True)
        ]

    def applied(self, eqn, operands) -> Applied:
        operation, domain = _jaxpr.operation(eqn), self.domain
        repeated = _forward.is_repeated(eqn)

        def again(*values):
            return _forward.apply_primitive(
                operation, values, domain, repeated=repeated
            )

        return Applied(again, tuple(map(domain.lift, operands)))


def _values(operands) -> list:
    return [x if isinstance(x, FP32Value) else None for x in operands]
