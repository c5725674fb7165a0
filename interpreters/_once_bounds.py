"""Rounding bounds of a program that is asked about once: FP32 by NumPy.

The unrolled tiles of a kernel repeat the same equation on the same shapes hundreds of
times. Tracing its rule takes milliseconds, running what was traced a tenth of that. So
each kind of equation is traced once, and NumPy runs the trace (`_once`) on the values
of every equation of that kind.
"""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._families import EXACT
from torchlean_jax.domains.fp32 import FP32
from torchlean_jax.domains.fp32._origin import READ, Applied, Decided, remember
from torchlean_jax.domains.fp32._value import FP32Value
from torchlean_jax.interpreters import _control, _forward, _jaxpr, _once


def walk_once(jaxpr, consts, args, domain: FP32) -> list:
    """The outputs of `jaxpr` over `domain`, as `_forward.walk` has them, with NumPy's
    arrays in them; not under a transformation."""
    with np.errstate(all="ignore"):
        return _Walk(domain).run(jaxpr, consts, args)


def lift_once(x, domain: FP32) -> FP32Value:
    """`domain.lift(x)`, by NumPy if `x` is an array."""
    if domain.is_value(x):
        return domain.lift(x)
    x = np.asarray(x)
    kind = domain, jnp.result_type(float), "lift", x.dtype, x.shape
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    traced = _kept(kind, lambda: _Lift(shape, domain))
    return remember(traced(x), READ)


# Tiles have the same few shapes at all shapes of a kernel: traces outlive a walk. A
# check of one kernel makes some hundreds.
_traces: dict = {}
_MOST_TRACES = 4096


def _kept(kind, make):
    if kind not in _traces:
        if len(_traces) == _MOST_TRACES:
            _traces.clear()
        _traces[kind] = make()
    return _traces[kind]


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
            return list(_once.function_of(eqn)(*map(np.asarray, operands)))
        if name == "scan" and eqn.params["length"]:
            return self.scan(eqn, operands)
        if name in _control.HANDLERS or not _is_repeatable(eqn, operands):
            return _forward.apply(eqn, operands, self.domain)
        kind = self.domain, jnp.result_type(float), _kind(eqn, operands)
        trace = _kept(kind, lambda: _Trace(eqn, operands, self.domain))
        return trace.run(eqn, operands)

    def scan(self, eqn, operands) -> list:
        """Step by step: what steps have in common is traced once for all of them."""
        n_consts, n_carry = _jaxpr.scan_layout(eqn)
        jaxpr, closed = _jaxpr.open_jaxpr(eqn.params["jaxpr"])
        consts, carry = operands[:n_consts], operands[n_consts : n_consts + n_carry]
        xs, rows = operands[n_consts + n_carry :], []
        steps = range(eqn.params["length"])
        for t in reversed(steps) if eqn.params["reverse"] else steps:
            row = [_row(x, t) for x in xs]
            outputs = self.run(jaxpr, closed, [*consts, *carry, *row])
            carry = outputs[:n_carry]
            rows.append(outputs[n_carry:])
        rows = rows[::-1] if eqn.params["reverse"] else rows
        return [*carry, *(self.stacked(column) for column in zip(*rows, strict=True))]

    def stacked(self, column):
        if any(isinstance(x, FP32Value) for x in column):
            column = [lift_once(x, self.domain) for x in column]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *column)


def _row(x, t):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[t], x)


def _is_exact(eqn, operands) -> bool:
    """Whether it is about known arrays, and moves them or is about integers alone, of
    which nothing rounds."""
    name = eqn.primitive.name
    if any(map(FP32.is_value, operands)) or name in _control.HANDLERS:
        return False
    avals = [var.aval for var in (*eqn.invars, *eqn.outvars)]
    floats = any(jnp.issubdtype(aval.dtype, jnp.inexact) for aval in avals)
    return name in EXACT or not floats


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
        self.steps = _once.Steps(*_jaxpr.open_jaxpr(closed))
        self.tree = jax.tree.structure(shape)

    def run(self, eqn, operands) -> list:
        arrays = self.steps(jax.tree.leaves(_values(operands)))
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

        return Applied(again, tuple(lift_once(x, domain) for x in operands))


class _Lift:
    """`domain.lift` of arrays of one shape and dtype."""

    def __init__(self, shape, domain):
        closed, tree = jax.make_jaxpr(domain.lift, return_shape=True)(shape)
        self.steps = _once.Steps(*_jaxpr.open_jaxpr(closed))
        self.tree = jax.tree.structure(tree)

    def __call__(self, x) -> FP32Value:
        return jax.tree.unflatten(self.tree, self.steps([x]))


def _values(operands) -> list:
    return [x if isinstance(x, FP32Value) else None for x in operands]
