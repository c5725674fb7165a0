"""Constants of a model, in a form that compiling keeps.

XLA on CPU sets subnormal constants of a program to 0. What is known when a program is
built is therefore looked at before: an array that has such elements is handed over as
the interval around it.
"""

import jax
import jax.numpy as jnp

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import exact_cast, has_subnormal, is_tracer


def kept(x):
    """`x`, or an interval around it where it is known and has subnormal elements."""
    if not _is_float(x) or is_tracer(x) or not has_subnormal(x):
        return x
    with jax.ensure_compile_time_eval():
        return Interval.lift(x)


def wide(x):
    """A known array as float64, exactly, or as `kept` (call it with x64 enabled)."""
    if not _is_float(x):
        return jnp.asarray(x)
    x = exact_cast(x, jnp.float64)
    return Interval.lift(x) if has_subnormal(x) else jnp.asarray(x)


def _is_float(x) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)
