"""Enclosures of log, log2, log1p, and the logarithm of a pair that others build on.

x = 2**e m with sqrt(1/2) <= m < sqrt(2), taken apart in the integer bits (subnormal
inputs too), and log(m) = 2 artanh(s) with s = f / (2 + f), f = m - 1 exact. When e = 0
nothing is added to the series, so the relative error stays small next to log(1) = 0.
"""

import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._exp import scale
from torchlean_jax.domains.interval._functions._pair import (
    Pair,
    bits_of,
    from_bits,
    select,
    total,
)
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)


def normalise(x):
    """`(m, e)`: x = m 2**e with m in [sqrt(1/2), sqrt(2)), for any finite x > 0."""
    kind = jnp.finfo(x.dtype)
    bits = bits_of(x)
    lowest = 1 << kind.nmant
    # A subnormal number is its own bit pattern, read as an integer, times the smallest
    # one.
    subnormal = bits < lowest
    bits = jnp.where(subnormal, bits_of(bits.astype(x.dtype)), bits)
    root = bits_of(jnp.asarray(0.5**0.5, x.dtype))
    e = (bits - root) >> kind.nmant
    m = from_bits(bits - (e << kind.nmant), x.dtype)
    e = jnp.where(subnormal, e + (kind.minexp - kind.nmant), e)
    return m, e.astype(jnp.int32)


def is_zero(x):
    """Whether x is 0 or -0, and not a subnormal number that the hardware reads as 0.

    Told from the exponent that `normalise` finds. The obvious test, all bits but the
    sign are 0, does not survive compilation: LLVM turns it into the comparison x ==
    0.0, which is true of 1e-39 when subnormals are flushed; that made log(1e-39) come
    out as -inf under jit.
    """
    kind = jnp.finfo(x.dtype)
    _, e = normalise(jnp.abs(x))
    return e < kind.minexp - kind.nmant - 2


def log_kernel(f, g, t):
    """log(1 + f) as a pair, where g = 2 + f and -0.3 < f < 0.42."""
    return series(f.over(g), t)


def series(s, t):
    """2 artanh(s) as a pair, |s| < 0.173: 2 s + s**3 (2/3 + s**2 p(s**2))."""
    z = s.times(s)
    w = z.value()
    return s.scaled(2.0).plus(s.times(z).times(t.two_thirds.plus(w * t.artanh(w))))


def assemble(f, e, t):
    """e ln 2 + log(1 + f) as a pair."""
    exponent = e.astype(f.h.dtype)
    # exponent * ln2_high is exact, not cut, and at least twice the series; where e = 0
    # both parts are 0 and the sum returns the series.
    multiple = Pair(exponent * t.ln2_high, exponent * t.ln2_low)
    return multiple.plus(log_kernel(f, Pair(2.0, 0.0).plus(f), t))


def log_array(x):
    """log(x) as a pair, for finite x > 0."""
    m, e = normalise(x)
    return assemble(Pair.of(m - 1), e, table(x.dtype))


def log_pair(x):
    """log(x) as a pair for a pair x > 0; relative error only away from x = 1."""
    m, e = normalise(x.h)
    return assemble(Pair(m - 1, scale(x.l, -e)).tidy(), e, table(x.h.dtype))


def log1p_pair(f):
    """log(1 + f) as a pair for a pair f > -1, with a small relative error near f = 0
    too.
    """
    one = Pair(jnp.ones_like(f.h), jnp.zeros_like(f.h))
    # Next to f = -1 the parts of 1 + f cancel (exactly: f is an array there); separate
    # them again.
    x = total(f, one).tidy()
    m, e = normalise(x.h)
    reduced = Pair(m - 1, scale(x.l, -e)).tidy()
    return assemble(select(e == 0, f, reduced), e, table(f.h.dtype))


def limits(x, y, zero):
    """`y` with log's values where the formula has none: `zero` marks the pole."""
    y = jnp.where(jnp.isinf(x), x, y)
    y = jnp.where(zero, -jnp.inf, y)
    # Compared as bits: a negative subnormal number is negative, though the hardware
    # reads 0.
    return jnp.where((bits_of(x) < 0) & ~zero | jnp.isnan(x), jnp.nan, y)


@differentiable(jnp.log)
def log_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= log(x) <= hi; -inf at 0, NaN for negative x."""
    y = limits(x, log_array(x).value(), is_zero(x))
    return widen(y, table(x.dtype).error["log"])


@differentiable(jnp.log2)
def log2_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= log2(x) <= hi."""
    t = table(x.dtype)
    y = limits(x, log_array(x).times(t.log2_e_pair).value(), is_zero(x))
    return widen(y, t.error["log2"])


@differentiable(jnp.log1p)
def log1p_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= log(1 + x) <= hi; -inf at -1, NaN below."""
    y = log1p_pair(Pair.of(x)).value()
    y = jnp.where(jnp.isinf(x), x, jnp.where(x == -1, -jnp.inf, y))
    y = jnp.where((x < -1) | jnp.isnan(x), jnp.nan, y)
    return widen(y, table(x.dtype).error["log1p"])
