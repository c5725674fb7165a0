"""The same bounds without the payments for rounding, to measure what they cost.

Unsound, and for benchmarks only. While `rounding_off()` lasts, the functions below
stand for those of the library that compute nothing but rounding error: outward steps
become identities and error terms zeros, so that the compiler drops everything they
needed. Programs traced meanwhile stay that way: give them functions of their own.
"""

import contextlib
import importlib
import sys

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import working_dtype


@contextlib.contextmanager
def rounding_off():
    """Inside, what is traced takes every rounding error to be zero."""
    stand_ins = {}
    for place, name, make in STAND_INS:
        module = importlib.import_module(f"torchlean_jax.{place}")
        stand_ins[getattr(module, name)] = make(getattr(module, name))
    swapped = []
    ours = [key for key in sys.modules if key.startswith("torchlean_jax.")]
    for module in map(sys.modules.get, ours):
        for name, value in list(vars(module).items()):
            if callable(value) and _hashable(value) and value in stand_ins:
                swapped.append((module, name, value))
                setattr(module, name, stand_ins[value])
    try:
        yield
    finally:
        for module, name, value in swapped:
            setattr(module, name, value)


def _identity(original):
    return lambda x, *, ulps=0.5: x


def _minimum(original):
    """The computed minimum of rows . v over a box, as if nothing were rounded."""

    def minimum_over(rows, box, *extra):
        lo, hi = (jnp.broadcast_to(e, rows.shape[1:]) for e in (box.lo, box.hi))
        flat = rows.reshape(rows.shape[0], -1)
        middle, radius = ((lo + hi) / 2).reshape(-1), ((hi - lo) / 2).reshape(-1)
        bound = (flat * middle).sum(-1)
        # a constant of an affine equation comes with `extra` None; it is a point
        if extra != (None,):
            bound = bound - (jnp.abs(flat) * radius).sum(-1)
        return bound, jnp.zeros_like(bound)

    return minimum_over


def _no_error(original):
    """An error per row: zero for each."""
    return lambda rows, *_, **__: jnp.zeros(rows.shape[0], rows.dtype)


def _sum_only(original):
    return lambda offset, more, error: (offset + more, error)


def _bilinear(original):
    """Interval products by midpoint and radius, without the terms for rounding."""

    def bilinear(operation, x, y, terms):
        run = operation.replace(
            preferred_element_type=working_dtype(), precision=lax.Precision.HIGHEST
        )
        (xm, xr), (ym, yr) = _split(x), _split(y)
        middle, radius = run(xm, ym), 0
        if xr is not None:
            radius = run(xr, jnp.abs(ym) if yr is None else jnp.abs(ym) + yr)
        if yr is not None:
            radius = radius + run(jnp.abs(xm), yr)
        return Interval(middle - radius, middle + radius)

    return bilinear


def _split(x):
    if not isinstance(x, Interval):
        return jnp.asarray(x, working_dtype()), None
    return (x.lo + x.hi) / 2, (x.hi - x.lo) / 2


STAND_INS = (
    ("domains.interval._rounding", "round_down", _identity),
    ("domains.interval._rounding", "round_up", _identity),
    ("domains.interval._contraction", "bilinear", _bilinear),
    ("domains.affine._sets", "minimum_over", _minimum),
    ("interpreters._steps", "row_dot", _no_error),
    ("interpreters._steps", "add", _sum_only),
)


def _hashable(value) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
