"""Error bounds of the binary32 functions before their rounding, in units of 2**-53.

The kernels of `domains/ieee32/_functions` are run on Numbers (`_tracked.py`), which
bound every rounding error with and without fused operations. What the code around a
kernel does (reductions, which are exact but for stated roundings) is stated here, as
the error of the kernel's arguments.
"""

from fractions import Fraction
from types import SimpleNamespace
from unittest import mock

import mpmath
import numpy as np
from _elementary_setting import (
    ONE,
    SMALLEST,
    both_sides,
    exact_product,
    relative,
    root,
    squares,
    tracked_table,
    with_relative,
    worst,
)
from _elementary_specifications import CENTRE
from _tracked import Model, Number, geometric, pieces

from torchlean_jax.domains.ieee32._functions import (
    _erf,
    _exp,
    _inverse,
    _log,
    _power,
    _reduction,
    _root,
    _sigmoid,
    _trig,
)

SAFETY = 1.001
TURNS = 152  # |k| in exp(x) = 2**k exp(r)
FAR = 3.0  # logarithms above this have a smaller bound


def prove_exp(t):
    """exp, exp2, expm1. The reduced argument errs by the rounding of k * ln2_low, of
    its subtraction, and by what ln2_high + ln2_low leave of ln 2.
    """
    u, low = Model.u, float(t.ln2_low.size())
    r = pieces(-0.3475, 0.3475, 600)
    err = TURNS * (t.ln2_low.err + u * low) + u * (r.size() + 2 * u * TURNS)
    r = Number(r.lo, r.hi, err)
    # k = 0: r is x itself.
    expm1 = [_exp.above_one(both_sides(0.3475, 0.3475), t).units()]
    for k in range(-TURNS, TURNS + 1):
        if k:
            # 2**k - 1 is exact for |k| <= 53, and errs by u of the result beyond.
            own = _exp.expm1_kernel(r, 2.0**k, t).units()
            expm1.append(own + (abs(k) > 53))
    return {
        "exp": _exp.exp_kernel(r, t).units(),
        "exp2": _exp.exp2_kernel(pieces(-0.5, 0.5, 600), t).units(),
        "expm1": max(expm1),
    }


def turns_and_pieces(count=400):
    """All e but 0, and pieces of f, as arrays of one shape."""
    e = np.array([k for k in range(-TURNS, TURNS + 1) if k], float)
    f = pieces(-0.2929, 0.41422, count)
    n = len(e)
    return np.repeat(e, count), Number(np.tile(f.lo, n), np.tile(f.hi, n))


def prove_log(t):
    """log, log2, log1p, and log1p of a float64 of 53 bits."""
    u = Model.u
    near = both_sides(0.41422, 0.2929)
    e, f = turns_and_pieces()
    turns = Number(e, e)
    # e = 0: the sum with e * ln2_high = 0 is exact.
    zero = Number(0.0, 0.0)
    first = _log.log_part(near, zero, t)
    log = worst(first, _log.log_kernel(f, turns, t))
    log2 = worst(_log.log2_part(near, t), _log.log2_kernel(f, turns, t))
    # 1 + x is exact up to x = 2**28; after that it errs by u, beside e >= 28.
    far = e >= 28
    rounded = Number(f.lo[far], f.hi[far], 1.42 * u)
    log1p = worst(_log.log_kernel(rounded, Number(e[far], e[far]), t))
    # For a float64 x it errs by u everywhere but in [-0.2928, 0.4142].
    rounded = Number(f.lo, f.hi, 1.42 * u)
    general = worst(_log.log_kernel(rounded, turns, t))
    edge = Number(*(a[[0, -1]] for a in (f.lo, f.hi)), 1.42 * u)
    general = max(general, worst(_log.log_part(edge, zero, t)), log)
    far = {
        "log": _far(_log.log_kernel(f, turns, t)),
        "log2": _far(_log.log2_kernel(f, turns, t)),
    }
    far["log1p"] = max(far["log"], log1p)
    return {"log": log, "log2": log2, "log1p": max(log, log1p)}, far, general


def _far(number):
    """The bound of the pieces that reach results of FAR and more."""
    beyond = number.size() >= FAR
    return worst(Number(*(a[beyond] for a in (number.lo, number.hi, number.err))))


def prove_sigmoid(t, errors, log1p):
    """tanh, logistic, sinh, cosh, atanh."""
    exp = errors["exp"]
    e = with_relative(geometric(2.718, 2.0**29), exp)
    tanh = worst(_sigmoid.tanh_small(ONE, squares(0.25), t), _sigmoid.tanh_large(e))
    e = with_relative(geometric(2.0**-151, 1.0), exp)
    logistic = worst(*(_sigmoid.logistic_kernel(n, e) for n in (ONE, e)))
    e = with_relative(geometric(2.718, 2.0**130), exp)
    small = _sigmoid.sinh_small(ONE, squares(1.0), t)
    sinh = worst(small, _sigmoid.sinh_large(e))
    cosh = worst(_sigmoid.cosh_kernel(with_relative(geometric(1.0, 2.0**130), exp)))
    # log(1 + w) inherits at most the relative error of w.
    rest = geometric(2.0**-26, 0.5)
    ends = geometric(SMALLEST, 0.5), Number(1 - rest.hi, 1 - rest.lo)
    argument = worst(*(_sigmoid.atanh_argument(x) for x in ends))
    return {
        "tanh": tanh,
        "logistic": logistic,
        "sinh": sinh,
        "cosh": cosh,
        "atanh": log1p + 1.0001 * argument,
    }


def prove_erf(t, errors):
    """erf, erfc."""
    near = _erf.erf_small(ONE, squares(1.0), t)
    erf = worst(near, _erf.erf_large(pieces(1 - CENTRE, 3.95 - CENTRE), t))
    x = pieces(-1.0, 0.5)
    middle = _erf.complement(_erf.erf_small(x, x * x, t), t)
    left = _erf.below_two(pieces(1 - CENTRE, 3.95 - CENTRE), t)
    x = pieces(0.5, 10.125, 8192)
    e = Number(np.exp(-(x.hi**2)) * (1 - 1e-12), np.exp(-(x.lo**2)) * (1 + 1e-12))
    right = _erf.erfc_tail(with_relative(e, errors["exp"]), x, t)
    return {"erf": erf, "erfc": worst(middle, left, right)}


def prove_root(t, cbrt_seed):
    """rsqrt and cbrt; sqrt is exact reasoning and has no error to round."""
    u = Model.u
    # h is cut from a reciprocal root good to 2**-21, so |e| < 2**-20; h e rounds once.
    e = Number(-(2.0**-20), 2.0**-20, u * (1 + 2.0**-18))
    rsqrt = _root.rsqrt_kernel(ONE, e).units() + 0.32 * 2.0**-60 / u
    # The seed is good to `guess`, one step of Halley to its cube and a dozen roundings.
    guess = cbrt_seed + 4 * u
    h = 2.0**-25 + guess**3 + 16 * u
    assert 3.1 * h < 2.0**-23
    w = Number(-(2.0**-23), 2.0**-23, u * (1 + 2.0**-18))
    with mock.patch.object(_root, "T", t):
        cbrt = _root.cbrt_kernel(ONE, w).units() + 0.2 * 2.0**-69 / u
    return {"sqrt": 0.0, "rsqrt": rsqrt, "cbrt": cbrt}


def closest(exponents):
    """The least |m 2**e 2/pi - n| for integers n, 0 < m < 2**24 and e of `exponents`.

    Among all m below the next convergent's denominator, that of a convergent of 2**e
    2/pi comes closest to an integer (Khinchin, Continued fractions, theorem 17).
    """
    with mpmath.workprec(600):
        scale = 2**560
        two_over_pi = Fraction(int(mpmath.floor(2 / mpmath.pi * scale)), scale)
        least = Fraction(1)
        for e in exponents:
            alpha = two_over_pi * Fraction(2) ** e
            alpha -= alpha.numerator // alpha.denominator
            rest, old, denominator = alpha, 0, 1
            while rest:
                inverse = 1 / rest
                digit = inverse.numerator // inverse.denominator
                old, denominator = denominator, digit * denominator + old
                rest = inverse - digit
                if denominator >= 2**24:
                    break
            distance = alpha * old
            distance = abs(distance - round(distance))
            least = min(least, distance)
    return float(least) * (1 - 1e-9)


def prove_trig(t):
    """sin, cos, tan, and the closest that an argument comes to a multiple of pi/2."""
    u, limit = Model.u, _reduction.LIMIT
    turns = limit * 0.64
    first, second, third = t.half_pi_pieces
    assert turns * first < 2.0**52 * 2.0**-29 and turns * second < 2.0**52 * 2.0**-60
    with mpmath.workdps(60):
        missing = float(abs(mpmath.pi / 2 - first - second - third))
    least = 1.57 * closest(range(-24, -1))
    absolute = turns * (missing + 2 * u * third)
    moderate = 2 * u + (absolute + u * turns * third) / least
    # Huge arguments: see `fraction_kernel`. Where `first` is 0 the outer sum is exact;
    # else the inner one errs by u 2**-30 at most. The bits left out are below 2**-93.
    represent = float(t.half_pi.err / t.half_pi.least())
    nearest = closest(range(-2, 105))
    huge = 3 * u + represent + 4 * u * u + 2.0**-93 / nearest
    r = geometric(2.0**-40, 0.7855)
    r = Number(r.lo, r.hi, max(moderate, huge) * r.size())
    z = r * r
    s, c = _trig.sin_kernel(r, z, t), _trig.cos_kernel(z, t)
    tan = worst(_trig.tan_kernel(s, c), _trig.tan_kernel(c, s))
    return {"sin": worst(s, c), "cos": worst(s, c), "tan": tan}, min(least, nearest)


def prove_inverse(t, errors, far, log1p):
    """asin, acos, atan, atan2, asinh, acosh."""
    z = geometric(2.0**-26, 0.25)
    half = _inverse.asin_small(root(z), z, t) * 2.0
    x = pieces(-0.5, 0.5)
    inner = _inverse.asin_small(x, x * x, t)
    own = SimpleNamespace(**vars(t))
    own.half_pi = t.half_pi_exact
    asin = worst(
        _inverse.asin_small(ONE, squares(0.25), t),
        _inverse.from_half_pi(1.0, half, own),
    )
    acos = worst(
        half,
        _inverse.from_half_pi(2.0, half, own),
        _inverse.from_half_pi(1.0, inner, own),
    )
    quotient = with_relative(ONE, 4)
    z = squares(0.1716)
    z = Number(z.lo, z.hi, z.err + 8.01 * Model.u * z.hi)
    atan2 = [_inverse.atan_small(quotient, z, t)]
    q = with_relative(pieces(-0.4143, 0.4143), 4)
    for eighths in (1.0, 2.0, 3.0, 4.0):
        low = t.quarter_pi_low * eighths
        head = eighths * t.quarter_pi_high
        atan2.append(_inverse.atan_kernel(head, low, q, q * q, t))
    atan = [_inverse.atan_small(ONE, squares(0.1716), t), *atan2[1:]]
    x = geometric(0.5, 2.0**129)
    argument = _inverse.asinh_argument(x, x * x, root)
    small = _inverse.asinh_small(ONE, squares(0.25), t).units()
    inherited = relative(argument) / np.log(argument.least())
    asinh = errors["log"] + 1.0001 * float(np.max(inherited))
    beyond = np.log(argument.size()) >= FAR
    asinh_far = far["log"] + 1.0001 * float(np.max(inherited[beyond]))
    # x - 1 errs by u where x is above 2**53.
    above = with_relative(geometric(2.0**-23, 2.0**129), 1)
    argument = _inverse.acosh_argument(above, root)
    acosh = log1p + 1.0001 * argument.units()
    # log(1 + w) inherits the relative error of w, divided by log(1 + w).
    inherited = (argument.units() + 1) / FAR
    far |= {"asinh": asinh_far, "acosh": far["log"] + 1.0001 * inherited}
    return {
        "asin": asin,
        "acos": acos,
        "atan": worst(*atan),
        "atan2": worst(*atan2),
        "asinh": max(small, asinh),
        "acosh": acosh,
    }


def prove_pow(errors):
    """pow: the exponent is below 152 in magnitude before the result saturates."""
    exponent = _power.exponent(ONE, with_relative(ONE, errors["log2"])).units()
    return {"pow": errors["exp2"] + 0.6932 * 152 * exponent}


def prove_all(polynomials, bounds, specifications, constants):
    """Relative error bounds, in units of 2**-53, rounded up to two decimals: of all
    results, of results above FAR in magnitude, and `closest`.
    """
    Model.set("float64")
    t = tracked_table(polynomials, bounds, specifications, constants)
    with (
        mock.patch.object(_log, "exact_product", exact_product),
        np.errstate(divide="ignore", invalid="ignore"),
    ):
        errors = prove_exp(t)
        log, far, log1p = prove_log(t)
        errors |= log
        errors |= prove_sigmoid(t, errors, log1p)
        errors |= prove_erf(t, errors)
        errors |= prove_root(t, bounds["cbrt"])
        trig, nearest = prove_trig(t)
        errors |= trig | prove_inverse(t, errors, far, log1p)
        errors |= prove_pow(errors)
    return _upwards(errors), _upwards(far), nearest


def _upwards(errors):
    return {n: float(np.ceil(SAFETY * e * 100) / 100) for n, e in errors.items()}
