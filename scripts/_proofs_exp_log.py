"""Error bounds of the exponential and the logarithm, on which the other functions are
built.
"""

import mpmath
import numpy as np
from _setting import ONE, SMALLEST, Relative, grid, join, worst
from _tracked import Model, Number, TrackedPair, geometric, pieces

from torchlean_jax.domains.interval._functions import _exp, _log

TURNS = {"float32": 151, "float64": 1077}  # |k| in exp(x) = 2**k exp(r)


def exp_of(t, turns, *, low=0.0, error=0.0):
    """exp(x + c) for a correction |c| <= `low`, the argument within `error`; as a
    Relative.

    The reduced argument is h + l with |h + l| < 0.3475 (half of ln 2, and what rounding
    can do to the choice of k); h is exact, l is rounded twice.
    """
    u, reach = Model.u, turns * t.ln2_low + low
    h, c = grid(pieces(-0.3475 - reach, 0.3475 + reach, 300), pieces(-reach, reach, 64))
    possible = (h.lo + c.lo <= 0.3475) & (h.hi + c.hi >= -0.3475)
    err = error + turns * t.ln2_error + u * (turns * t.ln2_low + reach)
    h = Number(h.lo[possible], h.hi[possible])
    c = Number(c.lo[possible], c.hi[possible], err)
    return _exp.exp_kernel(h, c, t)


def prove_exp(t, turns):
    """exp, exp2, expm1."""
    pair = exp_of(t, turns)
    e = Relative(pair)
    f = TrackedPair.of(pieces(-0.5, 0.5, 300))
    r = f.times(t.ln2)
    heads = Number(r.ideal.lo - r.low, r.ideal.hi + r.low)
    # The low part of r is what the head leaves: any number of its size, with the error
    # of r.
    low = Number(-r.low, r.low, r.err)
    second = _exp.exp_kernel(heads, low, t)
    # Scaled by x, which leaves the 1 and r/2 of its first factor.
    r = pieces(-0.751, 0.751)
    half = TrackedPair(Number(r.lo / 2, r.hi / 2), low=Model.cut * r.size() / 2)
    small = _exp.expm1_small(TrackedPair.of(ONE), half, r, t)
    above = _exp.minus_one(e.on(geometric(2.11, 2.0**100, 256)), 1.0)
    below = _exp.from_minus_one(e.on(geometric(SMALLEST, 0.473)), 1.0)
    return e, {
        "exp": pair.value().units(),
        "exp2": second.value().units(),
        "expm1": max(y.units() for y in (small, above, below)),
    }


def logarithm_of_m(t, f):
    """log(1 + f) as a pair for a pair f: what is left where e = 0."""
    return _log.log_kernel(f, TrackedPair(2.0, 0.0).plus(f), t)


def logarithm(t, error=0.0, relative=0.0):
    """e ln 2 + log(1 + f) as a pair, for every e but 0 and f on both sides of 0.

    `error` is the relative error of 1 + f, and with that the absolute error that the
    logarithm inherits; `relative` is inherited relatively.
    """
    near = logarithm_of_m(t, TrackedPair.of(both_sides_of_one(coarse=True)))
    n = near.ideal.lo.size
    edges = [(e, e) for e in range(1, 33)]
    while edges[-1][1] < 1100:
        edges.append((edges[-1][1], np.ceil(1.04 * edges[-1][1])))
    edges = np.array(edges, float)
    edges = np.concatenate([edges, -edges[:, ::-1]])
    repeat = np.repeat(edges, n, axis=0)
    tile = len(edges)
    y = TrackedPair(
        Number(np.tile(near.ideal.lo, tile), np.tile(near.ideal.hi, tile)),
        err=np.tile(near.err, tile) + 1.01 * error,
        low=np.tile(near.low, tile),
    )
    largest = abs(repeat).max(axis=1)
    ln2 = float(mpmath.log(2))
    multiple = TrackedPair(
        Number(repeat[:, 0] * ln2, repeat[:, 1] * ln2),
        err=largest * (t.ln2_error + Model.u * t.ln2_low),
        low=largest * t.ln2_low,
    )
    far = multiple.plus(y)
    far.err = far.err + 1.01 * relative * far.ideal.size()
    return far


def both_sides_of_one(coarse=False):
    """f = m - 1 for m in [sqrt(1/2), sqrt(2)); coarse pieces do where f is added to
    something.
    """
    fine = 2.0**-16 if coarse else SMALLEST
    sides = [geometric(fine, 0.4150), geometric(fine, 0.2935)]
    if coarse:
        sides = [join(geometric(SMALLEST, fine, 1), side) for side in sides]
    return join(sides[0], Number(-sides[1].hi, -sides[1].lo))


def prove_log(t):
    """log, log2, log1p; the logarithm near and away from 1 as Relatives."""
    exact = logarithm_of_m(t, TrackedPair.of(both_sides_of_one())), logarithm(t)
    near, far = (Relative(pair) for pair in exact)
    # 1 + x as a pair: exact for x <= -1/2 (multiples of u below 1), else 8 u k.
    one_plus = exact[0], logarithm(t, 12 * Model.u * Model.cut)
    scaled = [pair.times(t.log2_e_pair) for pair in exact]
    errors = {"log": worst(*exact), "log2": worst(*scaled), "log1p": worst(*one_plus)}
    return near, far, errors


def log1p_of(t, f):
    """log(1 + f) for a pair f > 0 given as a Relative: the two cases of `log1p_pair`.

    For e != 0 the relative error r of f gives r f / (1 + f) <= r log(1 + f) in the
    logarithm.
    """
    near = logarithm_of_m(t, f.on(geometric(SMALLEST, 0.4150)))
    return near, logarithm(t, 12 * Model.u * Model.cut, f.err)


def log_of(x, log):
    """The logarithm of a pair x > 1 as a pair, given the Relative of the kernel."""
    ideal = Number(np.log(x.ideal.lo) - 1e-14, np.log(x.ideal.hi) + 1e-14)
    y = log.on(ideal)
    y.err = y.err + 1.01 * x.err / x.ideal.least() + 12 * Model.u * Model.cut
    return y
