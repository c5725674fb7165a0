"""Small functions of arrays that rules are made of, traced once per kind of operand.

A rule that is written with `jax.numpy` costs more to trace than to run: a dozen
operators, each of which promotes dtypes and binds a primitive, for every equation of
every program. And outside of a `jit` each operator is a program of its own, compiled
for every shape.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax

F = TypeVar("F", bound=Callable)
_TRACED = []


def traced_once(*static: str) -> Callable[[F], F]:
    """Decorator: inside a trace, the equations of an earlier trace with operands of the
    same shapes and dtypes are copied; outside of one, the function is one program.

    static: the names of arguments that are no arrays. The function may look at nothing
    else but its arguments, and not at the values of arrays: it sees tracers.

    >>> @traced_once("n")
    ... def repeated(x, *, n):
    ...     return x * n
    >>> jax.make_jaxpr(lambda x: repeated(x, n=2))(1.0)
    { lambda ; a:f32[]. let b:f32[] = mul a 2.0:f32[] in (b,) }
    """

    def decorate(function: F) -> Any:
        if function in _TRACED:
            return function
        traced = jax.jit(function, static_argnames=static, inline=True)
        _TRACED.append(traced)
        return traced

    return decorate


def forget_traces():
    """Trace anew from here on: something that these functions call was replaced."""
    for traced in _TRACED:
        traced.clear_cache()
