"""The contexts in which the same function of the same number may give other bits.

A compiler vectorises a function over an array, handles what does not fill a vector by
itself, and compiles it anew inside a loop or next to other operations. On XLA's CPU
backend tan and cbrt differ inside a loop, exp and log in arrays of a few elements.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from jax import lax

_FEW = 7  # fills no vector of a power of two


@dataclass(frozen=True)
class Context:
    """How a function is compiled and called on arrays float32[n].

    every: of how many inputs one is tried, where a call for each few is too slow.
    """

    compiled: Callable[[Callable], Callable]
    every: int = 1


def _vectorised(f):
    return jax.jit(f)


def _loop(f):
    return jax.jit(lambda x: lax.map(f, x))


def _fused(f):
    def both(x):
        y = f(x)
        return y, y * x + y

    compiled = jax.jit(both)
    return lambda x: compiled(x)[0]


def _few(f):
    compiled = jax.jit(f)

    def run(x):
        x = np.asarray(x)
        filled = np.resize(x, -(-len(x) // _FEW) * _FEW).reshape(-1, _FEW)
        parts = [np.asarray(compiled(row)) for row in filled]
        return np.concatenate(parts)[: len(x)]

    return run


CONTEXTS: dict[str, Context] = {
    "vectorised": Context(_vectorised),
    "fused": Context(_fused),
    "under scan": Context(_loop),
    "remainder lanes": Context(_few, every=64),
}
