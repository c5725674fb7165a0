"""Sets that no disturbance makes a loop leave: barriers, and controllers as executed.

For x' in {f(x, w): |w_k| <= r_k}, whatever w does over time, two facts make the set {x
in D: V(x) <= c} invariant: V > c on the faces of the box D, and W(x, w) = grad V . f(x,
w) < 0 for all w wherever V(x) = c. Where W < 0 for all x with i <= V(x) <= c, it is at
most some -m < 0 there, since that set is compact, so every solution comes to {V <= i}
within the time (c - i) / m, and stays. Nothing is asked inside of {V <= i}, where a
rounded controller may do what it likes.

A float32 controller is one with a disturbance: what it computes from the state, rounded
to float32, is off by no more than what `float_error` bounds.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._box import box
from torchlean_jax._float_error import float_error
from torchlean_jax._interpret import interpret
from torchlean_jax.domains._errors import InputError, UndecidedError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science import _lyapunov
from torchlean_jax.science._lyapunov import Stability
from torchlean_jax.science._smooth import require_smooth
from torchlean_jax.science._system import System
from torchlean_jax.science._trajectory import trajectory

_HALF = 2.0**-24  # of a float32 number, how far the nearest one is, relatively
_TINY = 2.0**-125  # more than any float32 number that may be read as 0


def attracted(
    f: Callable,
    V: Callable,
    lo: Any,
    hi: Any,
    level: float,
    *,
    inner: float | None = None,
    disturbance: Any = (),
    seconds: float = 60.0,
    batch: int = 512,
) -> Stability:
    """Decide whether {V <= level} is invariant, and drawn into {V <= inner}.

    f: x' = f(x, w) for a state of shape (n,) and a disturbance of shape (m,),
        measurable in time and bounded by `disturbance`, element by element; V: a scalar
        function; both smooth.
    inner: below level; without it, only that the set is invariant is decided, which is
        what a barrier has to show.

    A witness is a state at which V does not fall although nothing disturbs. Without
    `inner` none is looked for: no point that is tried has V(x) = level exactly.

    Raises InputError for a box without 0 inside or levels out of order,
    MissingRuleError and UndecidedError as `lyapunov` does.

    >>> from torchlean_jax.science import attracted
    >>> pushed = lambda x, w: -x + w
    >>> attracted(pushed, lambda x: x @ x, [-2.0], [2.0], 3.0, inner=0.0625,
    ...           disturbance=[0.125]).status
    'proved'
    """
    began = time.perf_counter()
    lo, hi = (np.asarray(end, np.float64) for end in (lo, hi))
    _lyapunov._require_box(lo, hi, level)
    inner = float(level) if inner is None else float(inner)
    reach = np.asarray(disturbance, np.float64).reshape(-1)
    if not (0 < inner <= level and (reach >= 0).all() and np.isfinite(reach).all()):
        raise InputError(
            "inner must be in (0, level], a disturbance finite and 0 or more; got "
            f"{inner} of {level}, and {reach.tolist()}"
        )
    require_smooth(V, np.zeros(len(lo), np.float32), instead="V has to be smooth")
    with jax.enable_x64(True):
        system = _Disturbed(f, V, len(lo), reach)
        search = _lyapunov._Search(
            system, lo, hi, float(level), 0.0, batch, inner=inner
        )
        status = search.run(seconds)
    took = time.perf_counter() - began
    figures = float(level), 0.0, search.cells, took
    return Stability(
        status, search.claim(status), *figures, search.witness, search.cell
    )


class _Disturbed:
    """V and W over boxes of states, for all disturbances at once."""

    discrete = False

    def __init__(self, f, V, size: int, reach: np.ndarray):
        self.V, self.reach = V, reach
        self.f = lambda x: f(x, jnp.zeros(len(reach), x.dtype))
        self.joint = System(lambda z: f(z[:size], z[size:]), lambda z: V(z[:size]),
                            size + len(reach), False, states=size)  # fmt: skip

    def enclose(self, lo, hi):
        ends = np.broadcast_to(self.reach, (len(lo), len(self.reach)))
        return self.joint.enclose(
            jnp.concatenate([lo, -ends], 1), jnp.concatenate([hi, ends], 1)
        )

    def decrease(self, x):
        return jax.jvp(self.V, (x,), (self.f(x),))[1]


def as_executed(
    plant: Callable,
    controller: Callable,
    V: Callable,
    lo: Any,
    hi: Any,
    level: float,
    *,
    inner: float,
    seconds: float = 60.0,
) -> Stability:
    """`attracted` for a controller that runs in float32 on the rounded state.

    plant: x' = plant(x, u) over the reals; controller: u from x, a float32 function.
    The control is what any binary32 execution of `controller` may return (any order of
    summation, products fused or not, subnormals flushed, library functions within the
    ulps of `float_error`'s model) for the state rounded to the nearest float32, at
    every instant; both errors are bounded over the whole box.

    The claim is about an inner set {V <= inner}, not the origin: near it a rounded
    control need not even vanish.
    """
    lo, hi = (np.asarray(end, np.float64) for end in (lo, hi))
    reach = executed_reach(controller, lo, hi)
    size = len(lo)

    def f(x, w):
        # literals are those of the float32 program, whatever the precision around it
        u = controller((x + w[:size]).astype(jnp.float32)).astype(x.dtype)
        return plant(x, u + w[size:].reshape(u.shape))

    return attracted(f, V, lo, hi, level, inner=inner, disturbance=reach,
                     seconds=seconds)  # fmt: skip


def executed_reach(controller: Callable, lo, hi) -> np.ndarray:
    """How far the rounded state is from the state, and the control from the controller
    at that: n numbers, then m."""
    largest = np.maximum(np.abs(lo), np.abs(hi))
    reading = largest * (_HALF * (1 + 2**-20)) + _TINY
    found = float_error(controller)(box(lo - reading, hi + reading))
    error = np.asarray(found.bound, np.float64).reshape(-1)
    if not np.isfinite(error).all():
        raise UndecidedError("an execution of the controller may overflow on the box")
    return np.concatenate([reading, error])


def barrier(
    f: Callable,
    B: Callable,
    lo: Any,
    hi: Any,
    *,
    start: tuple[Any, Any],
    avoid: tuple[Any, Any],
    level: float,
    disturbance: Any = (),
    seconds: float = 60.0,
) -> Stability:
    """Decide whether no solution from the box `start` ever meets the box `avoid`.

    By B: {B <= level} is invariant (`attracted`), holds `start`, and does not meet
    `avoid`. Boxes are (lo, hi); `refuted` has a point of one of them on the wrong side
    as its witness, or one where B does not fall.

    >>> from torchlean_jax.science import barrier
    >>> found = barrier(lambda x, w: -x, lambda x: x @ x, [-2.0], [2.0], level=1.0,
    ...                 start=([-0.5], [0.5]), avoid=([1.5], [1.75]))
    >>> found.status
    'proved'
    """
    began = time.perf_counter()
    for (low, high), inside in ((start, True), (avoid, False)):
        point = _wrong_side(B, low, high, level, inside)
        if point is not None:
            said = "start reaches beyond" if inside else "avoid meets"
            claim = f"{said} {{B <= {level!r}}} at {point.tolist()}"
            figures = float(level), 0.0, 0, time.perf_counter() - began
            return Stability("refuted", claim, *figures, point)
    found = attracted(f, B, lo, hi, level, disturbance=disturbance, seconds=seconds)
    if found.status != "proved":
        return found
    claim = (
        f"no solution that starts in the box from {list(start[0])} to {list(start[1])} "
        f"ever meets that from {list(avoid[0])} to {list(avoid[1])}: {found.claim}"
    )
    took = time.perf_counter() - began
    return Stability("proved", claim, float(level), 0.0, found.cells, took)


def _wrong_side(B, low, high, level, inside: bool) -> np.ndarray | None:
    """A point of the box where B is not on its side of the level, or None if none is.

    Raises UndecidedError where neither can be shown.
    """
    low, high = (np.asarray(end, np.float64) for end in (low, high))
    if low.shape != high.shape or not (low <= high).all():
        raise InputError(f"a box needs lo <= hi; got {low} and {high}")
    with jax.enable_x64(True):
        bounds = jax.jit(interpret(B, domain=Interval))
        cells = [(low, high)]
        for _ in range(4000):
            if not cells:
                return None
            # the oldest: the newest would dive along the boundary
            low, high = cells.pop(0)
            value = bounds(Interval(jnp.asarray(low), jnp.asarray(high)))
            if float(value.hi) <= level if inside else float(value.lo) > level:
                continue
            middle = low + (high - low) / 2
            point = bounds(Interval(jnp.asarray(middle), jnp.asarray(middle)))
            if float(point.lo) > level if inside else float(point.hi) <= level:
                return middle
            axis = int((high - low).argmax())
            upper, lower = low.copy(), high.copy()
            upper[axis] = lower[axis] = middle[axis]
            cells += [(low, lower), (upper, high)]
    raise UndecidedError(f"B is too close to {level} on a box to tell")


def escape(
    f: Callable, V: Callable, start: Any, level: float, *, end: float = 10.0
) -> tuple[float, Interval] | None:
    """A time at which the solution of x' = f(x) from `start` has provably left
    {V <= level}, and a box that holds it then; None if that is not seen until `end`.

    This refutes that the set is invariant, whatever V: the solution is enclosed.
    """
    box, begin, field = np.asarray(start, np.float64), 0.0, lambda t, y: f(y)
    with jax.enable_x64(True):
        values = jax.jit(jax.vmap(interpret(V, domain=Interval)))
    for k in range(1, 17):  # in parts: what has left may go to infinity soon after
        found = trajectory(field, box, end * k / 16, begin=begin)
        with jax.enable_x64(True):
            least = np.asarray(values(found.boxes).lo)
        left = np.flatnonzero(least > level)
        if len(left):
            at = int(left[0])
            ends = found.boxes.lo[at], found.boxes.hi[at]
            return float(found.times[at]), Interval(*ends)
        box, begin = found.end, float(found.times[-1])
    return None
