"""A witness over the reals: an input at which two programs provably differ."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_jaxpr

from torchlean_jax._interpret import interpret
from torchlean_jax._pure import equations
from torchlean_jax.domains._errors import TorchLeanError
from torchlean_jax.domains.real import Real, RealArray
from torchlean_jax.domains.real._flint import is_no_number
from torchlean_jax.equivalence._pair import Pair
from torchlean_jax.interpreters import _jaxpr
from torchlean_jax.interpreters._eager import is_float
from torchlean_jax.interpreters._once import Steps

# Differences below are not looked at: a mask of -1e9 is not one of -inf, but by less.
SMALL = 1e-30

# Scalars that a walk over the reals may compute: some microseconds each.
_MOST_SCALARS = 3_000_000

# 16 digits of every number, or a ball around 0 narrower than 10**-32
_REAL: Any = Real(digits=16)


@dataclass(frozen=True)
class Witness:
    """An input at which the programs return different real numbers.

    args, kwargs: the arguments; output, element: which number among the flattened
    outputs; values: what each program returns there, in decimal digits that are
    certain; difference: the distance, relative: over the larger of the two.
    """

    args: tuple
    kwargs: dict
    output: int
    element: tuple[int, ...]
    values: tuple[str, str]
    difference: float
    relative: float

    @property
    def input(self) -> str:
        """The arguments in one line, large ones by their ends."""
        return ", ".join(map(_shown, jax.tree.leaves((self.args, self.kwargs))))


def _shown(x) -> str:
    if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return str(x)
    text = np.array2string(
        np.asarray(x),
        separator=", ",
        threshold=12,
        edgeitems=2,
        formatter={"float_kind": lambda number: f"{number:.6g}"},
    )
    return " ".join(text.split())


def sample_points(pair: Pair, seed: int) -> list[list]:
    """Arguments to try: the example, and random ones of several sizes and with ties.

    The example alone where a loop may not end elsewhere.
    """
    rng = np.random.default_rng(seed)
    points = [list(pair.leaves)] if pair.is_concrete else []
    if pair.has_open_loops:
        return points
    draws = [
        rng.standard_normal,
        lambda shape: rng.integers(-2, 3, shape).astype(float),
        lambda shape: 8 * rng.standard_normal(shape),
        lambda shape: rng.uniform(0.05, 0.95, shape),
        np.zeros,
        lambda shape: 40 * rng.standard_normal(shape),
    ]
    for draw in draws:
        points.append([_drawn(x, draw) if is_float(x) else x for x in pair.leaves])
    return points


def suspicious_points(pair: Pair, seed: int) -> list[list]:
    """Of more random points a few at which floating-point runs look different."""
    run, found = runs(pair), []
    for attempt in range(_MORE_POINTS):
        for leaves in sample_points(pair, seed + 1 + attempt)[pair.is_concrete :]:
            if disagreeing(run, leaves)[0]:
                found.append(leaves)
        if len(found) >= _MOST_SUSPICIOUS:
            break
    return found[:_MOST_SUSPICIOUS]


_MORE_POINTS, _MOST_SUSPICIOUS = 10, 3


def _drawn(x, draw):
    value = draw(x.shape)
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        value = value + 1j * draw(x.shape)
    return np.asarray(value, x.dtype)


def runs(pair: Pair):
    """Both programs in floating point, by NumPy where it can: a few runs are over
    before XLA has compiled one."""
    steps = [Steps(t.jaxpr, t.consts) for t in pair.traces]

    def both(*leaves):
        with np.errstate(all="ignore"):
            return [each(leaves) for each in steps]

    return both


def disagreeing(run, leaves) -> tuple[bool, bool]:
    """(whether floating-point runs look different, whether both have a number).

    A hint where to look, never a verdict: runs round and overflow.
    """
    outputs = [list(map(np.asarray, ys)) for ys in run(*leaves)]
    looks_different, both_defined = False, not outputs[0]
    for a, b in zip(*outputs, strict=True):
        defined = np.isfinite(a) & np.isfinite(b) if a.dtype != bool else a == a
        both_defined |= bool(defined.any()) or not a.size
        gap = np.abs(np.where(defined, a, 0) * 1.0 - np.where(defined, b, 0))
        size = np.abs(np.where(defined, a, 0)).max(initial=1.0)
        looks_different |= bool((gap > 1e-3 * size).any())
        looks_different |= bool((np.isnan(a * 1.0) != np.isnan(b * 1.0)).any())
    return looks_different, both_defined


def is_too_large(pair: Pair) -> bool:
    return sum(_scalars(t.jaxpr) for t in pair.traces) > _MOST_SCALARS


def _scalars(jaxpr) -> float:
    """How many scalars a walk computes, terms of sums of products included."""
    total = 0.0
    for eqn in jaxpr.eqns:
        inner = [_scalars(_jaxpr.open_jaxpr(s)[0]) for s in _jaxpr.subjaxprs(eqn)]
        if inner:
            total += eqn.params.get("length", 1) * max(inner)
        size = sum(math.prod(v.aval.shape) for v in eqn.outvars)
        if eqn.primitive.name == "dot_general":
            (summed, _), _ = eqn.params["dimension_numbers"]
            size *= math.prod(eqn.invars[0].aval.shape[a] for a in summed) / 8
        if eqn.primitive.name == "conv_general_dilated":
            size *= math.prod(eqn.invars[1].aval.shape) / 8
        total += size
    return total


def witness_at(pair: Pair, leaves) -> Witness | None:
    """A proof that the programs differ at these arguments; None where they agree to
    within 1e-30.

    Raises what `tl.Real` raises where it cannot tell.
    """
    outputs = []
    for traced in pair.traces:
        function = _on_leaves(traced)
        outputs.append(interpret(function, domain=_REAL)(*leaves))
    args, kwargs = jax.tree.unflatten(pair.tree, leaves)
    best = None
    for number, (a, b) in enumerate(zip(*outputs, strict=True)):
        found = _largest_gap(a, b)
        if found is None:
            continue
        element, values, gap, relative = found
        witness = Witness(args, kwargs, number, element, values, gap, relative)
        if best is None or relative > best.relative:
            best = witness
    return best


def _on_leaves(traced):
    def run(*leaves):
        return eval_jaxpr(traced.jaxpr, traced.consts, *leaves)

    return run


def _largest_gap(a, b):
    if not isinstance(a, RealArray) or not isinstance(b, RealArray):
        a, b = np.asarray(a), np.asarray(b)
        different = np.argwhere(a != b)
        if not different.size:
            return None
        element = tuple(int(i) for i in different[0])
        return element, (str(a[element]), str(b[element])), math.inf, math.inf
    best = None
    for element in np.ndindex(a.shape):
        x, y = a.balls[element], b.balls[element]
        gap, relative = _gap(x, y)
        if gap > SMALL and (best is None or relative > best[3]):
            best = element, (_text(x), _text(y)), gap, relative
    return best


def _gap(x, y) -> tuple[float, float]:
    """(a lower bound of |x - y|, its share of the larger); 0 where the balls meet."""
    from torchlean_jax.domains.real._flint import flint

    nowhere = [is_no_number(v) for v in (x, y)]
    if any(nowhere):
        return (0.0, 0.0) if all(nowhere) else (math.inf, math.inf)
    if not (x.is_finite() and y.is_finite()):
        same = x == y
        return (0.0, 0.0) if same else (math.inf, math.inf)
    with flint().ctx.workprec(512):
        distance = abs(x - y)
        low = float(distance.lower()) if distance > SMALL else 0.0
        size = float(max(abs(x).mid(), abs(y).mid()))
    return low, low / size if size else 0.0


def _text(ball):
    return "no number" if is_no_number(ball) else ball.str(15, radius=False)


def find_witness(pair: Pair, points) -> tuple[Witness | None, int, str]:
    """(the first witness, number of points of agreement, why others say nothing)."""
    agreed, problem = 0, ""
    if is_too_large(pair):
        return None, 0, "too large to compute over the reals: compare at smaller shapes"
    for leaves in points:
        try:
            witness = witness_at(pair, leaves)
        except TorchLeanError as error:
            problem = str(error).strip().splitlines()[0]
            continue
        if witness is not None:
            return witness, agreed, ""
        agreed += 1
    return None, agreed, problem


def rounded_constants(pair: Pair) -> list[tuple[float, float]]:
    """Constants of the two programs that differ by a few units in the last place."""
    first, second = (_constants(t) for t in pair.traces)
    close = []
    for a in sorted(first - second):
        for b in sorted(second - first):
            if a != b and abs(a - b) <= 4 * 2.0**-24 * max(abs(a), abs(b)):
                close.append((a, b))
    return close


def _constants(traced) -> set[float]:
    found = {
        float(c)
        for c in map(np.asarray, traced.consts)
        if c.size == 1 and np.issubdtype(c.dtype, np.floating)
    }
    for eqn, _ in equations(traced.jaxpr):
        for var in eqn.invars:
            if _jaxpr.is_literal(var) and is_float(var.aval):
                found.add(float(_jaxpr.literal_value(var)))
    return {c for c in found if np.isfinite(c)}
