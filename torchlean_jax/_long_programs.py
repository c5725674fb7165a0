"""Compiling a bound method, which is a program of hundreds or many thousands of
equations.

When XLA fuses on a CPU it compiles a producer again for each of its consumers. The
CROWN bounds of a standardised layer are 8,073 equations: 21 s of processor time with
fusion and 7 s without, for a run of 1.0 and 2.1 ms. Those of its quantised form are
35,203: more than four minutes with fusion, 25 s without, for a run of 5.9 ms. So very
long programs are compiled without; what fits in a few seconds stays fast. Loops do not
count, since their bodies run often. The bounds are sound either way: no rule leans on
what is fused.

Errors of rounding are not fused where they are computed once, nor, in a search, of a
model that joins arrays. What fusion takes for one kernel is cut into functions where
arrays are taken apart and joined, and a value of which two others are made is computed
for each: one step of a pendulum, 12,173 equations on single numbers, is compiled in
10.5 s and then runs for more than four minutes. Without fusion it takes 5.8 s and 2 ms.
But boxes of ACAS Xu, a network of dense layers, take twice as long without.
"""

import functools

import jax

from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.interpreters import _jaxpr

LONG = 20_000  # equations; attention and ACAS Xu have half of that
UNFUSED = {"xla_disable_hlo_passes": "fusion"}
_JOINS = frozenset(("concatenate", "stack", "dynamic_update_slice", "scatter"))


def unfused_options() -> dict | None:
    """`compiler_options` of `jax.jit` by which a CPU's program is not fused."""
    return UNFUSED if jax.default_backend() == "cpu" else None


def options_of_search(closed, has_errors: bool) -> dict | None:
    """The same for the bounds of many parts, of rounding too if `has_errors`, of the
    outputs of a model."""
    return unfused_options() if has_errors and _joins(closed) else None


def _joins(closed) -> bool:
    jaxpr, _ = _jaxpr.open_jaxpr(closed)
    return any(
        eqn.primitive.name in _JOINS or any(map(_joins, _jaxpr.subjaxprs(eqn)))
        for eqn in jaxpr.eqns
    )


def jit(method):
    """`jax.jit(method)`, but for a long program on a CPU without fusion.

    Within a transformation of the caller's the compiler is the caller's. Whether the
    program is long is asked once.
    """
    fused = jax.jit(method)
    unfused = jax.jit(method, compiler_options=UNFUSED)
    long = None

    @functools.wraps(method)
    def call(*args):
        nonlocal long
        if long is False or _is_traced(args):
            return fused(*args)
        if long is None:
            traced = fused.trace(*args).jaxpr
            long = jax.default_backend() == "cpu" and _length(traced) > LONG
        return (unfused if long else fused)(*args)

    return call


def _is_traced(args) -> bool:
    return is_tracer(*jax.tree.leaves(args)) or is_tracer(jax.lax.add(0, 0))


def _length(closed) -> int:
    """How many equations a program has outside of loops."""
    jaxpr, _ = _jaxpr.open_jaxpr(closed)
    calls = [eqn for eqn in jaxpr.eqns if eqn.primitive.name not in ("scan", "while")]
    inner = (_length(part) for eqn in calls for part in _jaxpr.subjaxprs(eqn))
    return len(jaxpr.eqns) + sum(inner)
