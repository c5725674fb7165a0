"""Stability on a set, the origin included: Lyapunov functions proved on sub-level sets.

For x' = f(x) with f(0) = 0, a box D around 0, a function V and a level c, three facts
make {x in D: V(x) <= c} invariant and draw every solution in it to 0 (Khalil 2002,
theorem 4.1): V > c on the faces of D, V > 0 and W = grad V . f < 0 on the set except at
0. In discrete time, x+ = f(x), W(x) = V(f(x)) - V(x), and f has to map the set into D:
a solution that jumps need not cross the faces.

Away from 0 this is decided on cells. At 0 both vanish, with their gradients, and no
cell however small would do; but on a convex N around 0, by Taylor, W(x) = x^T H x / 2
with H an average of the Hessians over N. If all of those are negative definite, on each
of the cells on which they are enclosed, W < 0 on N without 0; that is decided by
elimination in rationals (`torchlean_check._definite`). Where N is the whole of D, no
cell is left, and V > c on the faces follows from V's Hessians as well. In more than
three dimensions that is what is tried first, in the checker's way (`_settled`), which
for a quadratic V asks less of f. That f(0), V(0) and their like are 0 exactly is
decided in ball arithmetic.
"""

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_check._definite import definite, reduced
from torchlean_check._stability import least_on_faces
from torchlean_jax._interpret import interpret
from torchlean_jax.domains._errors import InputError, UndecidedError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.real import Real
from torchlean_jax.science._settled import CUT, settled
from torchlean_jax.science._smooth import require_smooth
from torchlean_jax.science._system import System, system_of

_SHRINKS = 12  # a neighbourhood of 0 is at least 2^-this of the box
_CELLS = 64  # into which it is cut for its Hessians, at most


@dataclass(frozen=True)
class Stability:
    """Whether {x in the box: V(x) <= level} is drawn to 0.

    status: "proved"; "refuted", with a `witness` in the set (in ball arithmetic) at
    which W is not negative, or that is on a face of the box or mapped out of it; or
    "unknown", with the `cell` (lo, hi) that was left over.
    claim: what holds, or which inequality fails where; where the status is "unknown"
        it begins with "not decided", and says what was asked and what is open.
    neighbourhood: N is this share of the box. cells: how many were bounded.
    seconds: of all of it, compilation included.
    """

    status: str
    claim: str
    level: float
    neighbourhood: float
    cells: int
    seconds: float
    witness: np.ndarray | None = None
    cell: tuple[np.ndarray, np.ndarray] | None = None


def lyapunov(
    f: Callable,
    V: Callable,
    lo: Any,
    hi: Any,
    level: float,
    *,
    discrete: bool = False,
    seconds: float = 60.0,
    batch: int = 512,
) -> Stability:
    """Decide whether a sub-level set of V is invariant and drawn to the origin.

    f: x' = f(x), or x+ = f(x) if `discrete`; V: a scalar function; both JAX functions
        of an array of shape (n,), of smooth primitives (`science/_jets.py`). The
        controller is part of f.
    lo, hi: a box with 0 inside. level: of the set {x in the box: V(x) <= level}.
    seconds: after which cells are no longer cut, counted from where the first batch of
        them is bounded, so that compilation is not part of it.

    Raises InputError if 0 is not inside, if f(0), V(0) or the gradient of V at 0 is not
    exactly 0, MissingRuleError listing the primitives that are not smooth, and
    UndecidedError where neither V nor W has a finite bound.

    >>> import jax.numpy as jnp
    >>> from torchlean_jax.science import lyapunov
    >>> found = lyapunov(lambda x: -jnp.sin(x), lambda x: x @ x, [-2.0], [2.0], 3.0)
    >>> found.status
    'proved'
    """
    began = time.perf_counter()
    lo, hi = (np.asarray(end, np.float64) for end in (lo, hi))
    _require_box(lo, hi, level)
    _require_equilibrium(f, V, len(lo))
    many = len(lo) > CUT and not discrete
    found = settled(f, V, lo, hi, float(level)) if many else None
    if found is not None:
        said = proposition(lo, hi, float(level), "grad V . f")
        seconds = time.perf_counter() - began
        return Stability("proved", said, float(level), 1.0, found, seconds)
    with jax.enable_x64(True):
        system = system_of(f, V, len(lo), discrete)
        share, least = _neighbourhood(system, lo, hi)
        search = _Search(system, lo, hi, float(level), share, batch)
        walled = share == 1 and least > level
        status = "proved" if walled else search.run(seconds)
    figures = search.cells, time.perf_counter() - began
    return Stability(status, search.claim(status), float(level), share, *figures,
                     search.witness, search.cell)  # fmt: skip


def _require_box(lo, hi, level) -> None:
    if lo.ndim != 1 or lo.shape != hi.shape or not lo.size:
        raise InputError(f"a box of shape (n,) is needed; got {lo.shape}, {hi.shape}")
    if not (np.isfinite([*lo, *hi]).all() and (lo < 0).all() and (hi > 0).all()):
        raise InputError(f"the box must be finite with 0 inside; got {lo} and {hi}")
    if not (np.isfinite(level) and level > 0):
        raise InputError(f"level must be positive; got {level}")


def _require_equilibrium(f, V, size: int) -> None:
    """That f, V and the gradient of V are 0 at 0, as balls without radius.

    JAX's own gradient, which is that of V since V has no derivative rules of its own.
    """
    zero = np.zeros(size, np.float32)
    require_smooth(V, zero, instead="a Lyapunov function has to be smooth")
    for name, g in {
        "f(0)": f,
        "V(0)": V,
        "the gradient of V at 0": jax.grad(V),
    }.items():
        value = _balls(g, zero)
        if any(not ball == 0 for ball in value.balls.ravel()):
            raise InputError(
                f"{name} must be exactly 0; it is {value}. Subtract the value at 0, "
                "or leave out biases"
            )


def _balls(g, x):
    real = Real(digits=30)
    return interpret(g, domain=real)(real.lift(x))


def _neighbourhood(system: System, lo, hi) -> tuple[float, Fraction]:
    """The largest share of the box on which W is concave and V convex, or 0; and for
    the whole box what V is at least on its faces, as far as convexity tells."""
    size = len(lo)
    parts = max(1, min(4, int(_CELLS ** (1 / size) + 1e-9)))
    edges = np.linspace(lo, hi, parts + 1)  # the last is hi exactly
    places, axes = np.argwhere(np.ones((parts,) * size, bool)), np.arange(size)
    for k in range(_SHRINKS + 1):
        share = 0.5**k
        low, high = share * edges[places, axes], share * edges[places + 1, axes]
        v, w = system.curve(jnp.asarray(low), jnp.asarray(high))
        if _definite(v, 1) and _definite(w, -1):
            return share, _least_on_faces(v, lo, hi) if share == 1 else Fraction(0)
    return 0.0, Fraction(0)


def _definite(hessians: Interval, sign: int) -> bool:
    """Whether sign A is positive definite for each symmetric A in each of a batch.

    Of each by itself: the Hessian that Taylor's theorem asks for is an average of those
    on the way from 0, and averages of definite matrices are definite.
    """
    lo, hi = np.asarray(hessians.lo), np.asarray(hessians.hi)
    if not (np.isfinite(lo).all() and np.isfinite(hi).all()):
        return False
    if sign < 0:
        lo, hi = -hi, -lo
    return all(
        definite(reduced(*map(_exact, ends))) for ends in zip(lo, hi, strict=True)
    )


def _exact(matrix) -> list[list[Fraction]]:
    return [[Fraction(x) for x in row] for row in matrix.tolist()]


def _least_on_faces(v: Interval, lo, hi) -> Fraction:
    """Of x^T A x / 2 with A below all of the Hessians, which V is not below."""
    hull = (_exact(np.asarray(v.lo).min(0)), _exact(np.asarray(v.hi).max(0)))
    box = [
        (Fraction(a), Fraction(b))
        for a, b in zip(lo.tolist(), hi.tolist(), strict=True)
    ]
    return least_on_faces(reduced(*hull), box)


class _Search:
    """Cells of the box, and of its faces, that are not yet decided."""

    def __init__(self, system, lo, hi, level, share, batch, inner=None):
        self.system, self.level, self.batch, self.inner = system, level, batch, inner
        self.lo, self.hi, self.share = lo, hi, share
        boxes = [(lo, hi, False)]
        for k, end in itertools.product(range(len(lo)), (lo, hi)):
            low, high = lo.copy(), hi.copy()
            low[k] = high[k] = end[k]
            boxes.append((low, high, True))
        self.lows, self.highs, self.faces = map(np.array, zip(*boxes, strict=True))
        self.cells, self.witness, self.cell, self.on_face = 0, None, None, False

    def run(self, seconds: float) -> str:
        deadline = math.inf  # until all that a batch needs has been compiled
        while len(self.lows):
            low, high = self.lows[: self.batch], self.highs[: self.batch]
            face = self.faces[: self.batch]
            self.lows, self.highs, self.faces = (
                a[self.batch :] for a in (self.lows, self.highs, self.faces)
            )
            left = ~self._decided(low, high, face)
            if self._refuted(low[left], high[left], face[left]):
                return "refuted"
            self._cut(low[left], high[left], face[left])
            now = time.perf_counter()
            deadline = min(deadline, now + seconds)
            if now >= deadline and len(self.lows):
                self.cell = self.lows[0], self.highs[0]
                return "unknown"
        return "proved"

    def _decided(self, low, high, face):
        filled = np.resize(np.arange(len(low)), self.batch)  # one shape only
        v, w = self.system.enclose(jnp.asarray(low[filled]), jnp.asarray(high[filled]))
        v_lo, v_hi, w_hi = (np.asarray(end)[: len(low)] for end in (v.lo, v.hi, w.hi))
        self.cells += len(low)
        if not (np.isfinite(v_lo).any() and np.isfinite(w_hi).any()):
            raise UndecidedError(
                f"neither V nor W has a finite bound on any of {len(low)} cells, such "
                f"as from {low[0].tolist()} to {high[0].tolist()}: a pole there, or a "
                "primitive without a bound of its derivatives"
            )
        near = ((self.share * self.lo <= low) & (high <= self.share * self.hi)).all(1)
        inside = (v_lo > 0) & (w_hi < 0) | (near & (self.share > 0))
        if self.inner is not None:
            inside = (w_hi < 0) | (v_hi < self.inner)
        if self.system.discrete:
            inside &= self._lands(low[filled], high[filled])[: len(low)]
        return (v_lo > self.level) | (inside & ~face)

    def _lands(self, low, high):
        """Whether f maps each cell into the box."""
        image = self.system.image(Interval(jnp.asarray(low), jnp.asarray(high)))
        lo, hi = np.asarray(image.lo), np.asarray(image.hi)
        return ((self.lo <= lo) & (hi <= self.hi)).all(1)

    def _refuted(self, low, high, face) -> bool:
        """A middle at which an inequality fails, in balls."""
        points = (low + (high - low) / 2).astype(np.float32).astype(np.float64)
        points = np.where(low == high, low, points)
        if not len(points):
            return False
        count = np.resize(np.arange(len(points)), self.batch)
        v = np.asarray(jax.vmap(self.system.V)(points[count]))[: len(points)]
        w = np.asarray(jax.vmap(self.system.decrease)(points[count]))[: len(points)]
        bad = face | (w >= 0) | (v <= 0)
        if self.inner is not None:
            bad = face | ((w >= 0) & (v >= self.inner))
        if self.system.discrete:
            bad |= ~self._lands(points[count], points[count])[: len(points)]
        within = ((self.lo <= points) & (points <= self.hi)).all(1)
        bad &= (v <= self.level) & points.any(1) & within
        for k in np.flatnonzero(bad)[:4]:
            if self._confirmed(points[k], face[k]):
                self.witness, self.on_face = points[k], bool(face[k])
                return True
        return False

    def _confirmed(self, x, face) -> bool:
        value = _balls(self.system.V, x).balls.item()
        if not value <= self.level:
            return False
        rises = _balls(self.system.decrease, x).balls.item() >= 0
        if self.inner is not None:
            return bool(face or (rises and value >= self.inner))
        if face or value <= 0 or rises:
            return True
        return self.system.discrete and self._leaves(x)

    def _leaves(self, x) -> bool:
        image = _balls(self.system.f, x).balls
        ends = zip(image, self.lo.tolist(), self.hi.tolist(), strict=True)
        return any(y < low or y > high for y, low, high in ends)

    def _cut(self, low, high, face):
        """Into halves across the side that is longest beside the box's."""
        axis = ((high - low) / (self.hi - self.lo)).argmax(1)
        row = np.arange(len(low))
        middle = (low + (high - low) / 2)[row, axis]
        first, second = high.copy(), low.copy()
        first[row, axis], second[row, axis] = middle, middle
        self.lows = np.concatenate([self.lows, low, second])
        self.highs = np.concatenate([self.highs, first, high])
        self.faces = np.concatenate([self.faces, face, face])

    def claim(self, status: str) -> str:
        box = _named(self.lo, self.hi)
        moved = "V(f(x)) - V(x)" if self.system.discrete else "grad V . f"
        if status == "refuted":
            x = self.witness
            assert x is not None
            failed = f"V > 0 > {moved} fails"
            if self.inner is not None:
                failed = f"{moved} < 0 fails"
            if self.on_face:
                failed = "V <= level on a face"
            elif self.system.discrete and self._leaves(x):
                failed = "f leads out"
            return f"{failed} of {box} at {x.tolist()}"
        said = proposition(self.lo, self.hi, self.level, moved, self.inner)
        if status == "proved":
            return said
        assert self.cell is not None
        low, high = (end.tolist() for end in self.cell)
        return (
            f"not decided, after {self.cells} cells, whether {said}; {len(self.lows)} "
            f"cells are open, such as from {low} to {high}"
        )


def _named(lo, hi) -> str:
    return f"the box from {lo.tolist()} to {hi.tolist()}"


def proposition(lo, hi, level: float, moved: str, inner: float | None = None) -> str:
    """What is asked of a set, and holds where it is proved."""
    box = _named(lo, hi)
    stays = f"every solution that starts in {{V <= {level!r}}} within {box} stays"
    if inner is None:
        return f"{stays} there and tends to 0: V > 0 > {moved} on it except at 0"
    if inner == level:
        return f"{stays} there: {moved} < 0 wherever V is {level!r}"
    return (
        f"{stays} there, and comes to {{V <= {inner!r}}} and stays there: "
        f"{moved} < 0 between the two"
    )
