"""What the proofs share: kernels under tracked arithmetic, tables with error bounds,
pieces.

The kernels are the functions of `domains/interval/_functions` themselves; only `Pair`
and the functions that build or order pairs are replaced by tracked counterparts while a
proof runs.
"""

from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest import mock

import mpmath
import numpy as np
from _specifications import approximations, exact_pairs
from _tracked import (
    Model,
    Number,
    TrackedPair,
    TrackedPolynomial,
    pieces,
    total,
)

from torchlean_jax.domains.interval._functions import (
    _erf,
    _erf_inv,
    _exp,
    _gamma,
    _hyperbolic,
    _inverse_trig,
    _log,
    _power,
    _root,
    _sigmoid,
    _trig,
)

MODULES = (
    _erf,
    _erf_inv,
    _exp,
    _gamma,
    _hyperbolic,
    _inverse_trig,
    _log,
    _power,
    _root,
    _sigmoid,
    _trig,
)

# Errors relative to a result that vanishes with its argument are proved on pieces of
# equal ratio down to this; below, the terms that could differ are under 2**-100 of the
# result.
SMALLEST = 2.0**-100
ONE = Number(1.0, 1.0)


@contextmanager
def tracked_arithmetic():
    """Kernels compute with TrackedPair inside."""
    replacements = {
        "Pair": TrackedPair,
        "total": total,
        "one": lambda _: TrackedPair(1.0, 0.0),
    }
    with ExitStack() as stack:
        for module in MODULES:
            for name, value in replacements.items():
                if hasattr(module, name):
                    stack.enter_context(mock.patch.object(module, name, value))
        yield


def tracked_table(dtype, table, bounds):
    """The table of one format, with error bounds on polynomials and constants."""
    t = SimpleNamespace(**table["floats"])
    for name, a in approximations(dtype).items():
        low, high = (float(a.argument(mpmath.mpf(edge))) for edge in (a.low, a.high))
        low, high = (low, high) if a.power == 1 else (0.0, high**2)
        bound = 0.0 if a.whole else bounds[name]
        setattr(
            t, name, TrackedPolynomial(table["polynomials"][name], bound, low, high)
        )
    for name in ("lgamma", "digamma"):
        polynomial = TrackedPolynomial(
            table["polynomials"][name], bounds[name], 0.0, 1 / 60
        )
        setattr(t, name, polynomial)
    t.erf_inv_tail_error = bounds["erf_inv_tail"]
    with mpmath.workdps(120):
        for name, exact in exact_pairs(dtype).items():
            h, low = table["pairs"][name]
            error = float(abs(exact - mpmath.mpf(h) - mpmath.mpf(low)))
            value = Number(float(exact) * (1 - 1e-15), float(exact) * (1 + 1e-15))
            setattr(t, name, TrackedPair(value, err=error, low=abs(low)))
        t.ln2_error = float(
            abs(mpmath.log(2) - mpmath.mpf(t.ln2_high) - mpmath.mpf(t.ln2_low))
        )
    return t


def grid(a, b):
    """All combinations of the pieces of two Numbers."""
    i, j = (
        k.ravel()
        for k in np.meshgrid(range(a.lo.size), range(b.lo.size), indexing="ij")
    )
    return tuple(Number(n.lo[k], n.hi[k], n.err[k]) for n, k in ((a, i), (b, j)))


def join(a, b):
    """The pieces of both."""
    return Number(np.concatenate([a.lo, b.lo]), np.concatenate([a.hi, b.hi]))


class Relative:
    """The relative error and the relative size of the low part of a pair, over all its
    pieces.
    """

    def __init__(self, pair):
        least = pair.ideal.least()
        self.err = float(np.max(pair.err / least))
        self.low = float(np.max(pair.low / least))

    def on(self, number):
        """A pair with these properties and the ideal values of `number`."""
        size = number.size()
        return TrackedPair(number, err=self.err * size, low=self.low * size)


def squares(high):
    """z = x * x for |x| up to sqrt(high): one rounding."""
    z = pieces(0.0, high)
    return Number(z.lo, z.hi, Model.u * z.hi)


def worst(*pairs):
    return max(pair.value().units() for pair in pairs)
