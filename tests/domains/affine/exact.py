"""Which intervals and points a rule is tried on, and whether a line holds exactly
there."""

import zlib
from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
import numpy as np

from tests.domains.affine.cases import ball
from torchlean_jax.domains.affine import relaxations
from torchlean_jax.domains.affine.relaxations import parameters
from torchlean_jax.domains.interval import Interval

PRECISIONS = {"float32": False, "float64": True}


def intervals(case, dtype, count, seed=0):
    """(lo, hi) in `dtype`: points, a few ulps, moderate, wide, and around special
    points."""
    rng = np.random.default_rng([seed, zlib.crc32(str(case).encode())])
    span = case.hi - case.lo
    near = np.array(case.special)[rng.integers(0, len(case.special), count)]
    anywhere = rng.uniform(case.lo, case.hi, count)
    # log-uniform where the domain is one-sided and wide
    if case.lo > 0:
        anywhere = np.exp(rng.uniform(np.log(case.lo), np.log(case.hi), count))
    kind = np.arange(count) % 8
    width = np.select(
        [kind == 0, kind == 1, kind == 2, kind == 3],
        [
            0 * span,
            np.abs(anywhere) * 4 * np.finfo(dtype).eps,
            1e-3 + 0 * anywhere,
            span,
        ],
        default=10.0 ** rng.uniform(-4, np.log10(span), count),
    ) * rng.uniform(0.3, 1, count)
    share = rng.uniform(0, 1, count)
    centre = np.where(kind < 5, anywhere, near)
    lo = np.clip(centre - share * width, case.lo, case.hi).astype(dtype)
    hi = np.clip(centre + (1 - share) * width, case.lo, case.hi).astype(dtype)
    return np.minimum(lo, hi), np.maximum(lo, hi)


def points(case, lo, hi, rng, count=7):
    """Floats in [lo, hi]: the ends, the middle, special points, and others."""
    dtype = lo.dtype
    lo, hi = np.float64(lo), np.float64(hi)
    shares = np.concatenate([rng.uniform(0, 1, count), [0, 1, 0.5, 0.01, 0.99]])
    between = (lo * (1 - shares) + hi * shares).astype(dtype)
    chosen = [lo, hi, *between, *np.asarray(case.special)]
    return sorted({float(np.clip(p, lo, hi)) for p in chosen})


LANES = 64  # one shape for all intervals: a rule is compiled once per precision


def lines_of(case, lo, hi, slope=None, jit=True):
    """(a, c, b, d) as float arrays: a x + c <= f(x) <= b x + d is claimed."""
    count = lo.size
    lo, hi = (np.resize(end, LANES) for end in (lo, hi))
    if slope is not None:
        slope = np.stack([np.resize(s, LANES) for s in np.atleast_2d(slope)])
        slope = slope[0] if parameters(case.name) == 1 else slope
    run = _compiled(str(case), case, lo.dtype.name) if jit else _run(case)
    with jax.enable_x64(PRECISIONS[lo.dtype.name]):
        slope = None if slope is None else jnp.asarray(slope)
        lines = run(jnp.asarray(lo), jnp.asarray(hi), slope)
        return [np.asarray(v)[:count] for v in lines]


def _run(case):
    rule = relaxations.find(case.name).function
    operation = {"floor": jnp.floor, "ceil": jnp.ceil, "round": jnp.round}.get(
        case.name, case.operation
    )

    def run(lo, hi, slope):
        lines = rule(operation, Interval(lo, hi), slope=slope)
        return lines.lower[0], lines.lower_offset, lines.upper[0], lines.upper_offset

    return run


_KEPT = {}


def _compiled(label, case, dtype):
    return _KEPT.setdefault((label, dtype), jax.jit(_run(case)))


def violations(case, lo, hi, lines, seed=0):
    """Every (interval, point) at which a finite line is on the wrong side of f."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(lo.size):
        a, c, b, d = (float(v[k]) for v in lines)
        for x in points(case, lo[k], hi[k], rng):
            below, above = (
                is_below(case, a, c, x),
                is_below(case, b, d, x, upside_down=True),
            )
            if not (below and above):
                found.append((lo[k], hi[k], x, below, above))
    return found


def is_below(case, a, c, x, upside_down=False):
    """Whether a x + c <= f(x) (>= if `upside_down`), decided exactly; an infinite c is
    nothing."""
    if c in (float("-inf"), float("inf")):
        return (c > 0) == upside_down
    line = Fraction(a) * Fraction(x) + Fraction(c)
    if case.rationally is not None:
        gap = case.rationally(Fraction(x)) - line
        return gap <= 0 if upside_down else gap >= 0
    gap = case.f(ball(x)) - flint.arb(flint.fmpq(line.numerator, line.denominator))
    return not bool(gap > 0) if upside_down else not bool(gap < 0)
