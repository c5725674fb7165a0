"""Enclosures of the solutions of y' = f(t, y), a box for every time.

One step of length h, from a box Y at time t, in the way of Lohner:

1. A box B with Y + [0, h] f([t, t + h], B) inside B. By Schauder's theorem, and since f
   is smooth on B, each solution from Y exists up to t + h and stays in B.
2. By Taylor's theorem a solution from y0 ends in T(y0) + R, where T is its Taylor
   polynomial and R = h^(K+1) times the coefficient K+1 over B; and by the mean value
   theorem T(y0) lies in T(m) + J (y0 - m), J enclosing the derivative of T over Y.
3. The set is kept as m + C x + Q r: x ranges over the first box, C maps it, and what
   rounding, R and the width of J add goes into r, in coordinates Q that are nearly
   orthogonal and follow the flow, so that a turning box is not wrapped again and again.

Source: Lohner 1992; Nedialkov, Jackson and Corliss 1999. Coefficients come from
`_series`; steps whose B is not found are halved.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._interpret import interpret
from torchlean_jax.domains._errors import InputError, UndecidedError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.science import _sets
from torchlean_jax.science._series import Taylor, solution

_TRIES = 6  # lengths of a step that are tried at once, each half of the former


class EscapeError(UndecidedError):
    """Solutions that could not be followed to the end; `time` is how far they were."""

    def __init__(self, message: str, time: float):
        super().__init__(message)
        self.time = time


@dataclass(frozen=True)
class Trajectory:
    """Where every solution is, from the start to the end.

    times: float64[steps + 1]. boxes: of y at these times, Interval[steps + 1, n].
    tube: of y between one of them and the next, Interval[steps, n].
    """

    times: np.ndarray
    boxes: Interval
    tube: Interval
    seconds: float

    @property
    def end(self) -> Interval:
        """All that y can be at the last time."""
        return self.boxes[-1]

    @property
    def width(self) -> float:
        """The largest side of `end`."""
        return float(np.max(np.asarray(self.end.hi) - np.asarray(self.end.lo)))


def trajectory(
    field: Callable,
    start: Any,
    end: float,
    *,
    begin: float = 0.0,
    order: int = 16,
    tolerance: float = 1e-16,
    steps: int = 20_000,
) -> Trajectory:
    """Enclosures of every solution of y' = field(t, y) from a point or a box.

    field: a JAX function of a scalar and an array of shape (n,) that returns one, made
        of analytic primitives (`science/_series.py`), neural networks among them. Over
        the reals: a float32 weight is the number that it is.
    start: the point, exact in float64, or an Interval of shape (n,). Correlations
        between coordinates that the flow makes are kept, those of the start are none.
    order: of the Taylor polynomials. tolerance: the size of their last term that steps
        aim at, beside the size of y.

    The enclosures are of float64, and each rounding is in them.

    Raises InputError for what is no start or no field, MissingRuleError listing the
    primitives that have no series, and EscapeError when steps get too short to go on:
    the solutions escape to infinity, leave the domain of the field, or spread until
    their box says nothing.

    >>> import jax.numpy as jnp
    >>> turned = trajectory(lambda t, y: jnp.stack([y[1], -y[0]]), [1.0, 0.0], 1.0)
    >>> bool(turned.end.lo[0] <= 0.5403023058681398 <= turned.end.hi[0])
    True
    >>> turned.width < 1e-13
    True
    """
    began = time.perf_counter()
    with jax.enable_x64(True):
        box = _start(start)
        _require_question(begin, end, order, tolerance)
        _require_field(field, box)
        times, boxes, tubes = [float(begin)], [box], []
        tools = _tools(field, order, box.shape[0])
        state = _sets.begin(box)
        length = float(end) - times[0]
        while times[-1] < end:
            if len(tubes) == steps:
                raise _escape(times[-1], boxes[-1], f"{steps} steps were taken")
            at = times[-1]
            found = _step(tools, state, boxes[-1], at, float(end), length, tolerance)
            if found is None:
                raise _escape(at, boxes[-1], "no step, however short, can be enclosed")
            state, box, tube, now, length = found
            times.append(now)
            boxes.append(box)
            tubes.append(tube)
        seconds = time.perf_counter() - began
        return Trajectory(np.array(times), _joined(boxes), _joined(tubes), seconds)


def _joined(boxes) -> Interval:
    return jax.tree.map(lambda *ends: np.stack(ends), *boxes)


def _start(start) -> Interval:
    if not isinstance(start, Interval):
        point = jnp.asarray(np.asarray(start, np.float64))
        start = Interval(point, point)
    lo, hi = (np.asarray(e, np.float64) for e in (start.lo, start.hi))
    fine = lo.ndim == 1 and lo.size and np.isfinite(lo).all() and np.isfinite(hi).all()
    if not (fine and (lo <= hi).all()):
        raise InputError(
            f"a start is a finite point or box of shape (n,); got {start!r}"
        )
    return Interval.lift(Interval(jnp.asarray(lo), jnp.asarray(hi)))


def _require_question(begin, end, order, tolerance) -> None:
    if not (np.isfinite([begin, end]).all() and begin < end):
        raise InputError(f"times must be finite with begin < end; got {begin}, {end}")
    if not 2 <= order <= 40 or not tolerance > 0:
        raise InputError("order must be in 2 .. 40 and tolerance positive")


def _require_field(field, box: Interval) -> None:
    shape = jax.eval_shape(field, jnp.zeros(()), jnp.zeros(box.shape)).shape
    if shape != box.shape:
        raise InputError(f"the field has shape {shape} where y has {box.shape}")


def _escape(at, box, why) -> EscapeError:
    return EscapeError(
        f"no enclosure beyond t = {at!r}: {why}; y is then in {box!r}. Solutions may "
        "escape to infinity or leave the domain of the field; a smaller start helps if "
        "it is the box that has grown",
        at,
    )


@dataclass(frozen=True)
class _Tools:
    enclose: Callable  # (t, length, Y) -> whether, B for each of the lengths tried
    expand: Callable  # (t, span, m, Y, B) -> parts over each of the three
    advance: Callable  # the linear algebra of the third part


@functools.lru_cache(16)
def _tools(field, order: int, size: int) -> _Tools:
    rate = interpret(field, domain=Interval)
    domain = Taylor(order + 1, size)

    def enclose(t, length, y):
        lengths = length * 0.5 ** jnp.arange(_TRIES)
        return jax.vmap(lambda h: _picard(rate, t, h, y))(lengths)

    def expand(t, length, middle, y, around):
        now = Interval(t, t)
        span = Interval(t, round_up(t + length))
        starts = [(now, Interval(middle, middle)), (now, y), (span, around)]
        times, boxes = (
            jax.tree.map(lambda *e: jnp.stack(e), *v) for v in zip(*starts, strict=True)
        )
        return jax.vmap(lambda s, b: solution(domain, field, s, b))(times, boxes)

    return _Tools(jax.jit(enclose), jax.jit(expand), jax.jit(_advance))


_after = interpret(lambda y, h, f: y + h * f, domain=Interval)


def _picard(rate, t, h, y: Interval):
    """Whether a box that no solution leaves within h was found, and the box.

    Within a little more than h: the next time is t + h rounded, and a step is at least
    2^21 units in its last place (`_step`), so that it is off by less than h / 2^20.
    """
    while_ = Interval(jnp.zeros_like(h), round_up(h * (1 + 2.0**-20)))
    span = Interval(t, round_up(t + while_.hi))
    image = lambda box: _after(y, while_, rate(span, box))  # noqa: E731

    def wider(box: Interval) -> Interval:
        more = 0.1 * (box.hi - box.lo) + 1e-12 * jnp.abs(box.lo + box.hi) + 1e-200
        return Interval(box.lo - more, box.hi + more)

    def again(_, state):
        """Once a box holds its image, images of images only shrink."""
        done, box = state
        found = image(box)
        finite = jnp.isfinite(found.lo).all() & jnp.isfinite(found.hi).all()
        inside = finite & (box.lo <= found.lo).all() & (found.hi <= box.hi).all()
        union = Interval(jnp.minimum(box.lo, found.lo), jnp.maximum(box.hi, found.hi))
        larger = wider(union)
        keep = lambda new, old: jnp.where(done | inside, new, old)  # noqa: E731
        return done | inside, jax.tree.map(keep, _sets.common(found, box), larger)

    first = jnp.zeros((), bool), wider(image(y))
    return jax.lax.fori_loop(0, 6, again, first)


def _step(tools: _Tools, state, y: Interval, at, end, length, tolerance):
    """The state after one step, or None if there is none."""
    shortest = 2**21 * np.spacing(max(abs(at), abs(end)))
    length = min(length, end - at)
    while True:
        done, around = tools.enclose(at, length, y)
        tried = np.flatnonzero(np.asarray(done))
        if len(tried):
            length *= 0.5 ** int(tried[0])
            around = around[int(tried[0])]
            break
        length *= 0.5**_TRIES
        if not length > shortest:
            return None
    parts = tools.expand(at, length, state[0], y, around)
    wanted = _wanted(parts, y, tolerance)
    while length > wanted:  # B holds for any shorter step too
        length *= 0.5
    now = end if length >= end - at else at + length
    if not now > at or not length > shortest:
        return None
    state, box, tube = tools.advance(state, parts, around, at, now)
    if not bool(jnp.isfinite(box.lo).all() & jnp.isfinite(box.hi).all()):
        return None
    return state, box, tube, now, min(2 * length, wanted)


def _wanted(parts: Interval, y: Interval, tolerance) -> float:
    """The length at which the last terms at the middle have the size asked for."""
    terms = np.abs(np.asarray(parts.lo)[0, 0]).max(-1)
    size = tolerance * max(1.0, float(np.abs(np.asarray(y.lo)).max()))
    lengths = [
        (size / terms[k]) ** (1 / k)
        for k in (len(terms) - 3, len(terms) - 2)
        if terms[k] > 0
    ]
    return float(min(lengths, default=np.inf))


def _at(coefficients: Interval, h: Interval) -> Interval:
    """The polynomial at h, by Horner."""
    last = coefficients.shape[0] - 1

    def inward(k, value):
        return _after(jax.tree.map(lambda e: e[last - k], coefficients), h, value)

    return jax.lax.fori_loop(1, last + 1, inward, coefficients[-1])


def _advance(state, parts: Interval, around: Interval, at, now):
    """Steps two and three; also a box for the whole of the step."""
    h = Interval(round_down(now - at), round_up(now - at))
    middle, over, beyond = parts[0], parts[1], parts[2]
    landed = _at(_with_rest(middle[0], beyond[0]), h)
    without_last = jax.tree.map(lambda e: jnp.moveaxis(e, 0, 1)[:-1], over[1:])
    jacobian = jax.tree.map(jnp.transpose, _at(without_last, h))
    state, box = _sets.moved(state, landed, jacobian)
    while_ = Interval(jnp.zeros_like(h.lo), h.hi)
    tube = _at(_with_rest(over[0], beyond[0]), while_)
    # the mean value theorem needs the middle in the box
    m, box = state[0], _sets.common(box, around)
    box = Interval(jnp.minimum(box.lo, m), jnp.maximum(box.hi, m))
    return state, box, _sets.common(tube, around)


def _with_rest(coefficients: Interval, beyond: Interval) -> Interval:
    """Taylor's polynomial, the last coefficient taken over all that y may be."""
    return jax.tree.map(lambda c, b: c.at[-1].set(b[-1]), coefficients, beyond)
