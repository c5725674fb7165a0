"""Rules for gamma functions and their relatives.

At a pole a function has no value, except log |gamma|, which is +inf there.
"""

from torchlean_jax.domains.real._apply import define, elementwise
from torchlean_jax.domains.real._flint import flint, infinity, is_infinite, unknown
from torchlean_jax.domains.real._value import rules


def _is_pole(x):
    return x.is_exact() and x.is_integer() and x <= 0


def _is_lowest(x):
    """Toward -inf there are poles and zeros without end: no limit."""
    return not x.is_finite() and x < 0


def _lgamma(x):
    """log |gamma(x)|; left of 0 by reflection: gamma(x) gamma(1 - x) = pi/sin(pi x)."""
    if is_infinite(x) or _is_pole(x):
        return infinity()  # x = -inf is excluded
    if x > 0:
        return x.lgamma()
    if x.contains_integer() and not x > 0:
        return unknown()
    return (flint().arb.pi() / abs(x.sin_pi())).log() - (1 - x).lgamma()


def _digamma(x):
    return x if is_infinite(x) else x.digamma()


def _has_no_digamma(x):
    return _is_pole(x) or _is_lowest(x)


define("lgamma", _lgamma, undefined=_is_lowest)
define("digamma", _digamma, undefined=_has_no_digamma)


def _polygamma(n, x):
    """The n-th derivative of digamma, for a whole number n."""
    if not (n.is_exact() and n.is_integer() and n >= 0):
        return unknown()
    if is_infinite(x):
        return infinity() if n.is_zero() else flint().arb(0)
    return flint().acb(x).polygamma(flint().acb(n)).real


def _is_no_order(n, x):
    whole = n.is_exact() and n.is_integer() and n >= 0
    return (not whole and n.is_exact()) or _has_no_digamma(x)


def _zeta(s, q):
    """Hurwitz: the sum over k of (q + k)**-s, for s > 1 and q > 0."""
    if not (s > 1 and q > 0 and s.is_finite()):
        return unknown()
    return flint().arb(0) if is_infinite(q) else s.zeta(q)


def _has_no_zeta(s, q):
    return bool(s <= 1 or q <= 0)


def _lower_gamma(a, x):
    """The share of gamma(a) below x; Arb would continue it to any a and x."""
    if not (a > 0 and x >= 0 and a.is_finite()):
        return unknown()
    return flint().arb(1) if is_infinite(x) else x.gamma_lower(a, 1)


def _upper_gamma(a, x):
    if not (a > 0 and x >= 0 and a.is_finite()):
        return unknown()
    return flint().arb(0) if is_infinite(x) else x.gamma_upper(a, 1)


def _has_no_share(a, x):
    return bool(a <= 0 or x < 0)


@rules.define("polygamma")
def _polygamma_rule(n, x):
    return elementwise(_polygamma, n, x, undefined=_is_no_order)


define("zeta", _zeta, undefined=_has_no_zeta)
define("igamma", _lower_gamma, undefined=_has_no_share)
define("igammac", _upper_gamma, undefined=_has_no_share)


@rules.define("regularized_incomplete_beta")
def _incomplete_beta(a, b, x):
    return elementwise(_lower_beta, a, b, x, undefined=_has_no_beta)


def _lower_beta(a, b, x):
    inside = a > 0 and b > 0 and x >= 0 and x <= 1
    return x.beta_lower(a, b, 1) if inside else unknown()


def _has_no_beta(a, b, x):
    return bool(a <= 0 or b <= 0 or x < 0 or x > 1)


def _define_bessel(name, order):
    """exp(-|x|) times the modified Bessel function of the first kind."""

    def scaled(x):
        if is_infinite(x):
            return flint().arb(0)
        return (-abs(x)).exp() * x.bessel_i(order)

    define(name, scaled)


_define_bessel("bessel_i0e", 0)
_define_bessel("bessel_i1e", 1)
rules.refuse(
    "igamma_grad_a",
    because="no library of ours has the derivative in the order of this function",
)
