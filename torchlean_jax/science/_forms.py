"""Affine forms in few variables, many at once: an array of them is one JAX array.

A form is middle + sum_k slope_k e_k +- rest over all e in [-1, 1]^d. An array of forms
of shape S is stored as [d + 2, *S]: the middle, the d slopes, the rest. All of it is
computed in float64. A formula of at most twelve roundings whose exact terms have
magnitudes that sum to M is off by at most SLACK * M + TINY, in any order and with
products fused into sums or not; that goes into the rest. (16 units of roundoff against
the 12 that gamma_12 needs; TINY for results that the hardware flushes to 0.)

What a form is a form *of* is not known here.
"""

import jax.numpy as jnp

from torchlean_jax.domains.interval import Interval

SLACK = 2.0**-49
TINY = 1e-290


def of_box(lo, hi):
    """The coordinates of a box, float64[d], as d forms: form k moves with e_k."""
    middle = lo + (hi - lo) * 0.5
    radius = jnp.maximum(hi - middle, middle - lo) * (1 + SLACK) + TINY
    slopes = jnp.diag(radius)
    return jnp.concatenate([middle[None], slopes, jnp.zeros_like(middle)[None]])


def constant(x, variables: int):
    """The form of a number that does not depend on the variables."""
    none = jnp.zeros((variables + 1, *jnp.shape(x)))
    return jnp.concatenate([jnp.asarray(x, jnp.float64)[None], none])


def around(x: Interval, variables: int):
    """The form of a number about which only an enclosure is known."""
    form = constant(x.lo + (x.hi - x.lo) * 0.5, variables)
    return form.at[-1].set(_radius(x))


def _radius(x: Interval):
    middle = x.lo + (x.hi - x.lo) * 0.5
    return jnp.maximum(x.hi - middle, middle - x.lo) * (1 + SLACK) + TINY


def reach(form):
    """How far the form gets from its middle, rounded up."""
    return jnp.abs(form[1:]).sum(0) * (1 + SLACK)


def enclosure(form) -> Interval:
    far = reach(form)
    far = far + SLACK * (jnp.abs(form[0]) + far) + TINY
    return Interval(form[0] - far, form[0] + far)


def _rounded(form, magnitude):
    """`form` with the roundings of a formula of that magnitude in its rest."""
    rest = form[-1] * (1 + SLACK) + SLACK * magnitude + TINY
    return form.at[-1].set(rest)


def plus(f, g, sign=1):
    total = (f + sign * g).at[-1].set(f[-1] + g[-1])
    return _rounded(total, jnp.abs(f).sum(0) + jnp.abs(g).sum(0))


def scaled(f, factor):
    """A form times a known number."""
    product = (f * factor).at[-1].set(f[-1] * jnp.abs(factor))
    return _rounded(product, jnp.abs(f).sum(0) * jnp.abs(factor))


def times(f, g):
    """The product around both middles: what both deviate by multiplies into the rest.

    m n + sum_k (m t_k + n s_k) e_k +- (|m| q + |n| r + reach(f) reach(g)).
    """
    m, n, far, wide = f[0], g[0], reach(f), reach(g)
    product = (m * g + n * f).at[0].set(m * n)
    rest = jnp.abs(m) * g[-1] + jnp.abs(n) * f[-1] + far * wide
    magnitude = (jnp.abs(m) + far) * (jnp.abs(n) + wide)
    return _rounded(product.at[-1].set(rest), magnitude)


def image(form, at_middle: Interval, slope: Interval, bend: Interval, whole: Interval):
    """The form of a function of a form, by Taylor's theorem around its middle c:

        g(x) = g(c) + g'(c) (x - c) + g''(y) (x - c)^2 / 2.

    at_middle, slope: enclosures of g(c) and g'(c); bend, whole: of g'' and g over all
    that the form reaches. Where g itself ranges over less than Taylor's rest, the form
    is a constant.
    """
    far, variables = reach(form), form.shape[0] - 2
    s = slope.lo + (slope.hi - slope.lo) * 0.5
    half = far * far * 0.5 * (1 + SLACK) + TINY
    bent = Interval(jnp.minimum(bend.lo, 0) * half, jnp.maximum(bend.hi, 0) * half)
    bent_middle = bent.lo + (bent.hi - bent.lo) * 0.5
    value = at_middle.lo + (at_middle.hi - at_middle.lo) * 0.5
    rest = _radius(at_middle) + _radius(slope) * far + _radius(bent)
    linear = (form * s).at[0].set(value + bent_middle)
    linear = linear.at[-1].set(jnp.abs(s) * form[-1] + rest)
    magnitude = jnp.abs(value) + jnp.abs(bent_middle) + jnp.abs(s) * far + rest
    linear = _rounded(linear, magnitude)
    flat = around(whole, variables)
    narrow = ~(linear[-1] <= flat[-1])  # also where a part of the rest is no number
    return jnp.where(narrow, flat, linear)
