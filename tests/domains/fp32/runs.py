"""Whether an FP32 value holds what really runs and what is exactly true.

The cases are those of the interval domain: a program, boxes with everything awkward in
them, and an oracle in exact numbers (rationals and Arb). No code of ours decides here.
"""

from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from tests.domains.interval import exact
from tests.domains.interval.exact import ball
from torchlean_jax.domains.fp32 import FP32Value


def points(rng, lo, hi):
    """Numbers of the program's own format in the box: ends, and floats between."""
    if not np.issubdtype(lo.dtype, np.floating):
        return np.where(rng.random(lo.shape) < 0.5, lo, hi)
    share = rng.random(lo.shape).astype(lo.dtype)
    with np.errstate(all="ignore"):
        inside = lo + (hi - lo) * share
    inside = np.clip(np.where(np.isfinite(inside), inside, lo), lo, hi)
    return np.choose(rng.choice(3, lo.shape), [lo, hi, inside]).astype(lo.dtype)


def executions(f, point):
    """(name, result) of every way to run `f` that the domain speaks of."""
    arrays = [jnp.asarray(x) for x in point]
    yield "eager", f(*arrays)
    yield "faithful", tl.faithful_jit(f)(*arrays)


def leaves_of(value):
    return jax.tree.leaves(value, is_leaf=lambda x: isinstance(x, FP32Value))


def violations(value, run, exactly):
    """Everything that `value` excludes and that happened, as messages."""
    found = []
    pairs = zip(leaves_of(value), jax.tree.leaves(run), strict=True)
    columns = list(exactly) if isinstance(exactly, tuple | list) else [exactly]
    for (leaf, result), truth in zip(pairs, columns, strict=True):
        truth = np.asarray(truth, object)
        parts = _parts(leaf)
        result = np.asarray(result)
        assert parts[0].shape == result.shape == truth.shape
        for index in np.ndindex(truth.shape):
            own = [p[index] for p in parts]
            why = _excluded(own, result[index], truth[index])
            found += [f"{index}: {w}" for w in why]
    return found


def _parts(leaf):
    """(real lo, real hi, error, execution lo, execution hi); a settled array is its
    own enclosure."""
    if not isinstance(leaf, FP32Value):
        leaf = tl.FP32.lift(leaf)
    real, run = leaf.real, leaf.execution
    return [np.asarray(e) for e in (real.lo, real.hi, leaf.error, run.lo, run.hi)]


def _excluded(parts, run, truth):
    lo, hi, error, run_lo, run_hi = parts
    if isinstance(lo, np.bool_) or np.issubdtype(lo.dtype, np.integer):
        yield from _excluded_integer(parts, run, truth)
        return
    run, error = float(run), float(error)
    why = exact.outside(lo, hi, truth)
    if why:
        yield f"real: {why}"
    if np.isnan(run_lo) or np.isnan(run_hi):
        return
    if np.isnan(run) or not run_lo <= run <= run_hi:
        yield f"run {run!r} not in [{run_lo!r}, {run_hi!r}]"
    if np.isinf(error):
        return
    if truth is None:
        yield f"an error of {error} of what is no number"
    elif np.isnan(run) or distance_exceeds(run, truth, error):
        yield f"run {run!r} is farther than {error!r} from {exact.describe(truth)}"


def distance_exceeds(run, truth, error) -> bool:
    """Whether |run - truth| is certainly larger than `error`."""
    if isinstance(truth, float) and np.isinf(truth):
        return run != truth
    if np.isinf(run):
        return True
    if isinstance(truth, flint.arb):
        return bool(abs(ball(run) - truth) > ball(error))
    return abs(Fraction(run) - Fraction(truth)) > Fraction(error)


def _excluded_integer(parts, run, truth):
    lo, hi, error, run_lo, run_hi = parts
    if truth is not None and not lo <= truth <= hi:
        yield f"real {truth} not in [{lo}, {hi}]"
    if not run_lo <= run <= run_hi:
        yield f"run {run} not in [{run_lo}, {run_hi}]"
    if truth is not None and abs(int(run) - int(truth)) > error:
        yield f"run {run} is farther than {error} from {truth}"


def excluded_by(value, f, point, exactly):
    """The violations of every execution of `f` at `point`."""
    return [
        f"{how} {why}"
        for how, run in executions(f, point)
        for why in violations(value, run, exactly)
    ]
