"""Which operation of a function has no enclosure on a cell: for messages.

The jaxpr is walked once more, outside of compilation, on the one cell.
"""

from collections.abc import Callable

import jax
import numpy as np

from torchlean_jax._trace import trace
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.interpreters._jaxpr import source_line
from torchlean_jax.science._jets import Jet, Jets


def undefined(f: Callable, domain: Jets, *args) -> str:
    """ "log of [-1, 2] at model.py:12": the first operation of f whose operands are
    finite and whose result is not; an empty string if there is none."""
    found: list[str] = []

    def observe(path, eqn, operands, outputs):
        if not found and all(map(_finite, operands)) and not all(map(_finite, outputs)):
            found.append(_told(eqn, operands))

    is_jet = domain.is_value
    traced = trace(f, args, {}, is_jet)
    leaves = jax.tree.leaves(args, is_leaf=is_jet)
    walk(traced.jaxpr, traced.consts, leaves, domain, observe)
    return found[0] if found else ""


def _finite(value) -> bool:
    parts = value.parts if isinstance(value, Jet) else value
    return bool(np.isfinite(np.asarray(parts, np.float64)).all())


def _told(eqn, operands) -> str:
    """A quotient by its divisor, which is what it lacks a value for."""
    last = operands[-1]
    said = eqn.primitive.name
    if isinstance(last, Jet):
        value = last.parts[0]
        far = np.abs(np.asarray(value[1:])).sum(0)
        lo, hi = np.asarray(value[0]) - far, np.asarray(value[0]) + far
        said += f"{' by' if said == 'div' else ' of'} [{lo.min():.6g}, {hi.max():.6g}]"
    line = source_line(eqn)
    if line is None:
        return said
    return f"{said} at {line[0].rsplit('/', 1)[-1]}:{line[1]}"
