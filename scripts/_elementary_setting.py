"""What the proofs of the binary32 functions share."""

from types import SimpleNamespace

import mpmath
import numpy as np
from _tracked import Model, Number, TrackedPolynomial, geometric, pieces

# Errors relative to a result that vanishes with its argument are proved on pieces of
# equal ratio down to this; below, the terms that could differ are under 2**-100 of the
# result.
SMALLEST = 2.0**-100
ONE = Number(1.0, 1.0)


def exact_product(a, b):
    """The tracked counterpart: no rounding, so no new error."""
    a, b = Number.of(a), Number.of(b)
    full = a * b
    err = a.size() * b.err + b.size() * a.err + a.err * b.err
    return Number(full.lo, full.hi, err)


def root(z):
    """The tracked counterpart of `_root.root`.

    h is within 2**-24 of sqrt(z), z - h**2 is exact (below 30 bits), and the divisor
    is good to 2**-40: the correction errs by 2**-64 of the root, and the sum by u.
    """
    least = z.least() - z.err
    lo, hi = np.sqrt(z.lo) * (1 - 2.0**-40), np.sqrt(z.hi) * (1 + 2.0**-40)
    inherited = z.err / (2 * np.sqrt(least)) * (1 + 2.0**-20)
    return Number(lo, hi, inherited + (Model.u + 2.0**-63) * (hi + inherited))


def tracked_table(polynomials, bounds, specifications, constants):
    """The table of the kernels, with the errors of polynomials and constants."""
    t = SimpleNamespace(**constants)
    for name, a in specifications.items():
        high = a.high**2 if a.power == 2 else a.high
        low = 0.0 if a.power == 2 else a.low
        tracked = TrackedPolynomial(polynomials[name], bounds[name], low, high)
        setattr(t, name, tracked)
    with mpmath.workdps(120):
        pi, ln2, third = mpmath.pi, mpmath.log(2), 1 / mpmath.mpf(3)
        for name, exact in (
            ("ln2_low", ln2 - t.ln2_high),
            ("log2_e", 1 / ln2),
            ("log2_e_low", 1 / ln2 - t.log2_e_high),
            ("half_pi", pi / 2),
            ("quarter_pi_low", pi / 4 - t.quarter_pi_high),
            ("third", third),
            ("two_ninths", 2 * third * third),
        ):
            setattr(t, name, _constant(constants[name], exact))
        # Some kernels subtract from the float and add the rest: there it is exact.
        t.half_pi_exact = constants["half_pi"]
        exact = pi / 2 - t.half_pi_exact
        t.half_pi_low = _constant(constants["half_pi_low"], exact)
    return t


def _constant(value, exact):
    """A float that stands for an exact mpmath number."""
    middle, error = float(exact), float(abs(exact - value))
    return Number(*_outward(middle), error * 1.0001)


def _outward(x):
    return x - abs(x) * 2.0**-50, x + abs(x) * 2.0**-50


def squares(high):
    """z = x * x for |x| up to sqrt(high): one rounding."""
    z = pieces(0.0, high)
    return Number(z.lo, z.hi, Model.u * z.hi)


def with_relative(number, units):
    """The ideal values of `number`, computed within `units` u of their size."""
    return Number(number.lo, number.hi, units * Model.u * number.size())


def worst(*numbers):
    return max(number.units() for number in numbers)


def relative(number):
    """The relative error of each piece, in units of u."""
    return number.err / number.least() / Model.u


def both_sides(above, below):
    """[-below, above] without 0, in pieces of equal ratio."""
    a, b = geometric(SMALLEST, above), geometric(SMALLEST, below)
    return Number(np.concatenate([a.lo, -b.hi]), np.concatenate([a.hi, -b.lo]))
