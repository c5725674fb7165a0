"""Error bounds of all functions: their kernels, run on numbers that track rounding
errors.

What surrounds a kernel (taking an argument apart, choosing a branch) is exact, and
stated here as the domain of a proof.
"""

import numpy as np
from _proofs_exp_log import (
    TURNS,
    exp_of,
    log1p_of,
    log_of,
    logarithm,
    prove_exp,
    prove_log,
)
from _setting import (
    ONE,
    SMALLEST,
    Relative,
    grid,
    squares,
    tracked_arithmetic,
    tracked_table,
    worst,
)
from _specifications import ERF_RANGE
from _tracked import Model, Number, TrackedPair, geometric, pieces, total

from torchlean_jax.domains.interval._functions import (
    _erf,
    _erf_inv,
    _exp,
    _gamma,
    _hyperbolic,
    _inverse_trig,
    _power,
    _root,
    _sigmoid,
    _trig,
)

# The slack that every bound gets: second-order terms that the operations leave out.
SAFETY = 1.02


def prove_sigmoid(t, e):
    """logistic, tanh, softplus, from the Relative of the exponential."""
    decay = e.on(geometric(SMALLEST, 1.0))
    positive = _sigmoid.logistic_kernel(TrackedPair(1.0, 0.0), decay)
    # e / (1 + e) passes a relative error of e on, divided by 1 + e: not twice, as
    # independent operands.
    exact = TrackedPair(decay.ideal, err=0.0, low=decay.low)
    negative = _sigmoid.logistic_kernel(exact, exact)
    negative.err = negative.err + 1.01 * e.err * negative.size()
    logistic = positive, negative
    small = _sigmoid.tanh_small(ONE, squares(0.25), t)
    large = _sigmoid.tanh_large(e.on(geometric(SMALLEST, 0.3680)))
    near, far = log1p_of(t, e)
    logarithm_error = max(Relative(near).err, Relative(far).err)
    x = geometric(SMALLEST, 64.0)
    y = Number(
        np.log1p(np.exp(-x.hi)) * (1 - 1e-12), np.log1p(np.exp(-x.lo)) * (1 + 1e-12)
    )
    y = TrackedPair(y, err=logarithm_error * y.size(), low=Model.cut * y.size())
    positive = _sigmoid.softplus_kernel(TrackedPair.of(x), y)
    return {
        "logistic": max(y.units() for y in logistic),
        "tanh": max(small.units(), large.units()),
        "softplus": max(positive.units(), worst(near, far)),
    }


def prove_root(t, polynomial_error):
    """sqrt, rsqrt, cbrt, divide."""
    m = TrackedPair.of(pieces(0.7, 2.83))
    quotient = _root.quotient_kernel(
        *map(TrackedPair.of, grid(*[pieces(0.7, 1.42, 64)] * 2))
    )
    # cbrt, with c >= 0.887 and d = |y - c| / c for the cut value y of the polynomial: y
    # + residual / (3 y**2) is c up to 1.2 d**2, so the correction (at most d c) has a
    # relative error of 2.4 d**2 and a dozen roundings and a division; then one final
    # rounding.
    value = t.cbrt(pieces(0.7, 5.66))
    d = 1.01 * (Model.cut + float(np.max(value.err)) / 0.887)
    cube = d * (2.4 * d**2 + 20 * Model.u) / Model.u + 1
    return {
        "sqrt": m.sqrt().value().units(),
        "rsqrt": _root.rsqrt_kernel(m).units(),
        "cbrt": cube,
        "divide": quotient.units(),
    }


def prove_trig(t):
    """sin (and cos), tan."""
    r = geometric(SMALLEST, 0.79)
    # Errors of the reduction that are relative to r; the others are `reduction` of the
    # table.
    r = TrackedPair(
        r, err=16 * Model.u * Model.cut * r.size(), low=1.1 * Model.cut * r.size()
    )
    sine, cosine = _trig.sin_kernel(r, t), _trig.cos_kernel(r, t)
    quotients = _trig.tan_kernel(sine, cosine), _trig.tan_kernel(cosine, sine)
    return {"sin": worst(sine, cosine), "tan": max(y.units() for y in quotients)}


def prove_erf(t, dtype, turns):
    """erf and erfc."""
    tails = []
    for low, high in ((0.5, 1.0), (1.0, 2.0), (2.0, 5.0), (5.0, ERF_RANGE[dtype])):
        square = _erf.square_of(TrackedPair.of(Number(high, high)))
        e = Relative(exp_of(t, turns, low=float(square.low), error=float(square.err)))
        tails.append(_erf.tail_kernel(e.on(ONE), geometric(low, high, 256), t))
    relatives = [Relative(tail) for tail in tails]
    small = _erf.erf_small(TrackedPair.of(ONE), squares(1.0), t)
    far = max(relatives, key=lambda r: r.err).on(geometric(SMALLEST, 0.4797))
    beyond_one = max(relatives[1:], key=lambda r: r.err).on(geometric(SMALLEST, 0.1574))
    from_one = _erf.complement(TrackedPair(1.0, 0.0), beyond_one)
    from_two = _erf.complement(TrackedPair(2.0, 0.0), far)
    x = pieces(-0.5, 0.5)
    middle = _erf.erf_small(TrackedPair.of(x), x * x, t)
    middle = _erf.complement(TrackedPair(1.0, 0.0), middle)
    return {
        "erf": max(small.value().units(), from_one.units()),
        "erfc": max(far.value().units(), from_two.units(), middle.units()),
    }


def prove_hyperbolic(t, e, log_near, log_far):
    """sinh, cosh, asinh, acosh, atanh."""
    large, all_sizes = geometric(1.359, 2.0**100), geometric(0.5, 2.0**100)

    def sides(n):
        return e.on(n), e.on(Number(0.25 / n.hi, 0.25 / n.lo))

    sinh = _hyperbolic.sinh_large(*sides(large))
    cosh = _hyperbolic.cosh_kernel(*sides(all_sizes))
    argument = Relative(_hyperbolic.asinh_argument(geometric(0.5, 2.0**31)))
    asinh = logarithm(t, argument.err)
    double = log_far.on(geometric(20.0, 800.0)).plus(t.ln2)
    above = TrackedPair.of(geometric(SMALLEST, 2.0**31))
    acosh = log1p_of(
        t, Relative(_hyperbolic.acosh_argument(above, TrackedPair(2.0, 0.0)))
    )
    x = TrackedPair.of(geometric(SMALLEST, 0.5))
    arguments = [_hyperbolic.atanh_argument(x, TrackedPair(1.0, 0.0).minus(x))]
    rest = geometric(2.0**-54, 0.5)
    x = TrackedPair.of(Number(1 - rest.hi, 1 - rest.lo))
    arguments.append(_hyperbolic.atanh_argument(x, TrackedPair.of(rest)))
    atanh = [y for a in arguments for y in log1p_of(t, Relative(a))]
    # log(2 x) instead of asinh(x) or acosh(x): 2**-62 of at least 20.
    approximate = worst(double) + 2.0**-66 / Model.u
    return {
        "sinh": max(_hyperbolic.sinh_small(ONE, squares(1.0), t).units(), sinh.units()),
        "cosh": cosh.units(),
        "asinh": max(
            _hyperbolic.asinh_small(ONE, squares(0.25), t).units(),
            worst(asinh),
            approximate,
        ),
        # x - 1 rounds from 2**24 on: u beside a logarithm of 17 or more.
        "acosh": max(worst(*acosh) + 1 / 17, approximate),
        "atanh": worst(*atanh),
    }


def prove_inverse_trig(t):
    """asin, acos, atan, atan2."""
    unit = TrackedPair.of(ONE)
    small = _inverse_trig.asin_kernel(unit, squares(0.25), t)
    z = geometric(2.0**-60, 0.25)
    half = _inverse_trig.asin_kernel(TrackedPair.of(z).sqrt(), z, t)
    angle = half.scaled(2.0)
    x = pieces(-0.5, 0.5)
    middle = t.half_pi.minus(_inverse_trig.asin_kernel(TrackedPair.of(x), x * x, t))
    straight = t.half_pi.scaled(2.0)
    # Quotients: of pairs in [0.7, 1.42], scaled; z is the square of a rounded value.
    quotient = TrackedPair.of(pieces(0.7, 1.42, 64)).over(TrackedPair.of(ONE))
    quotient = Relative(quotient)
    ratio, steep = (
        quotient.on(geometric(SMALLEST, 0.4147)),
        quotient.on(pieces(0.4141, 1.0005)),
    )
    value = ratio.value()
    near = _inverse_trig.atan_kernel(ratio, value * value, t)
    turned = _inverse_trig.turned_back(steep)
    value = turned.value()
    turned = _inverse_trig.atan_kernel(turned, value * value, t)
    atan = [near, t.half_pi.scaled(0.5).plus(turned)]
    steep = [t.half_pi.minus(y) for y in atan]
    backward = [straight.minus(y) for y in atan + steep]
    return {
        "asin": worst(small, t.half_pi.minus(angle)),
        "acos": worst(angle, middle, straight.minus(angle)),
        "atan": worst(*atan, *steep),
        "atan2": worst(*atan, *steep, *backward),
    }


def prove_pow(dtype, t, log):
    """pow: an error for the kernel, and one to be multiplied by the exponent |y log x|.

    The exponent goes up to 140 (binary64: 761) before the result saturates.
    """
    product = Relative(_power.exponent(TrackedPair.of(ONE), log.on(ONE)))
    largest = max(abs(edge) for edge in _exp.RANGE[dtype]) + 50
    e = exp_of(t, TURNS[dtype], low=product.low * largest)
    return {"pow": e.value().units(), "pow_exponent": 1.01 * product.err / Model.u}


def prove_erf_inv(t, log):
    """erf_inv."""
    middle = _erf_inv.middle_kernel(TrackedPair.of(ONE), squares(0.5625), t)
    smallest = {2.0**-24: 4.08, 2.0**-53: 6.07}[Model.u]
    s = geometric(1.1774, smallest, 256)
    s = log.on(Number(s.lo**2, s.hi**2)).sqrt()
    slow = _erf_inv.slow_factor(s.value(), t)
    d = t.erf_inv_tail_error
    slow = TrackedPair(
        Number(slow.ideal.lo - d, slow.ideal.hi + d), err=slow.err + d, low=slow.low
    )
    return {"erf_inv": max(middle.units(), _erf_inv.tail_kernel(s, slow).units())}


def prove_gamma(t, log):
    """lgamma and digamma: relative errors from 8 on, absolute ones (beside half a u)
    below.
    """
    inverse = Relative(_gamma.inverse_of(TrackedPair.of(pieces(0.7, 1.42))))
    largest = {2.0**-24: 2.0**122, 2.0**-53: 2.0**1000}[Model.u]
    x = geometric(8.0, largest, 64)
    large, small = _gamma_at(
        t, log, TrackedPair.of(x), inverse.on(Number(1 / x.hi, 1 / x.lo))
    )
    errors = {"lgamma": max(worst(large), 1.55), "digamma": max(worst(small), 1.55)}
    x = geometric(1 / largest, 8.0, 64)
    above = _gamma.steps(TrackedPair.of(x))
    gamma, psi = _gamma_at(t, log, above[-1], _gamma.inverse_of(above[-1]))
    logarithm = log.on(Number(np.log(x.lo) - 1e-14, np.log(x.hi) + 1e-14))
    between = log_of(_gamma.product(above[:-1]), log)
    gamma = total(gamma, -total(logarithm, between))
    own = inverse.on(Number(1 / x.hi, 1 / x.lo))
    psi = total(psi, -total(own, _gamma.harmonic(above[:-1])))
    for name, y in (("lgamma", gamma), ("digamma", psi)):
        beyond = y.err / Model.u - 0.5 * y.ideal.least()
        errors[name + "_absolute"] = float(np.max(np.maximum(beyond, 0.0)))
    return errors


def _gamma_at(t, log, x, inverse):
    logarithm = log_of(x, log)
    return (
        _gamma.lgamma_stirling(x, logarithm, inverse, t),
        _gamma.digamma_stirling(logarithm, inverse, t),
    )


def prove_all(dtype, table, bounds):
    """Relative error bounds of all functions, in units of u, rounded up to three
    decimals.
    """
    Model.set(dtype)
    t = tracked_table(dtype, table, bounds)
    turns = TURNS[dtype]
    with tracked_arithmetic(), np.errstate(divide="ignore", invalid="ignore"):
        e, errors = prove_exp(t, turns)
        log_near, log_far, more = prove_log(t)
        errors |= more
        errors |= prove_sigmoid(t, e)
        errors |= prove_root(t, bounds["cbrt"])
        errors |= prove_trig(t)
        errors |= prove_erf(t, dtype, turns)
        errors |= prove_hyperbolic(t, e, log_near, log_far)
        errors |= prove_inverse_trig(t)
        log = max(log_near, log_far, key=lambda r: r.err)
        errors |= prove_pow(dtype, t, log)
        errors |= prove_erf_inv(t, log_far)
        errors |= prove_gamma(t, log)
    return {
        name: float(np.ceil(SAFETY * bound * 1000) / 1000)
        for name, bound in errors.items()
    }
