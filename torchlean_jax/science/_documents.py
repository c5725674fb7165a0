"""Approximations, stable sets, trajectories: documents that `torchlean_check` reads.

The evidence is looked for with the checker's own exact steps, so that what is written
is accepted; the checker is run on every document all the same.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import numpy as np

import torchlean_check
from torchlean_check import _trajectories
from torchlean_check._container import canonical_json
from torchlean_check._errors import NotProved
from torchlean_check._fixed import ONE, Fixed, fixed
from torchlean_check._loops import Loop
from torchlean_check._nearby import require_near
from torchlean_check._programs import read_program
from torchlean_jax.domains._errors import CertificateWriteError, InputError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science._approximate import Approximation
from torchlean_jax.science._program import written
from torchlean_jax.science._settled import CUT, MANY, loop_of, programs
from torchlean_jax.science._trajectory import Trajectory

_GRID = 2**50  # boxes are written in units of 1 / _GRID
_FRAME = 2**20  # and frames, which may be any, in those of 1 / _FRAME
_SHRINKS, _WIDENINGS, _HALVINGS = 14, 12, 8
_CELLS = 128  # into which a box around 0 is cut while it is looked for


def stability_document(
    f: Callable, V: Callable, lo: Any, hi: Any, level: float
) -> bytes:
    """A certificate of what `lyapunov(f, V, lo, hi, level)` proves, in continuous time.

    f and V: as there; of exp, log, tanh, logistic, sin, cos, sums, products and
    quotients. The box around 0 is the largest share of D that will do.

    Raises CertificateWriteError if the checker does not follow, MissingRuleError
    listing the primitives that have no step in its programs.
    """
    box = _pairs(lo, hi)
    size = len(box)
    field, function = programs(f, V, size)
    loop = loop_of(field, function, size)
    exact = Fraction(level)
    inner = _inner(loop, box, exact)
    return _accepted({
        "format": "torchlean-stability", "version": 2, "size": size,
        "field": field, "function": function,
        "box": _text(box), "inner": _text(inner), "level": str(exact),
    })  # fmt: skip


def _inner(loop: Loop, box, level: Fraction):
    """The largest share of the box that a few cells settle, grown from a small one; in
    many dimensions all of it or nothing, for the rest cannot be cut."""
    found, reason = None, None
    shares, most = range(_SHRINKS, -1, -1), _CELLS
    if len(box) > CUT:
        shares, most = [0], MANY
    for k in shares:
        tried = _scaled(box, Fraction(1, 2**k))
        try:
            require_near(loop, tried, level, most)
        except NotProved as error:
            reason = error
            break
        found = tried
    if found is None:
        raise CertificateWriteError(f"no certificate: {reason}")
    return found


def _scaled(box, share: Fraction):
    return [(lo * share, hi * share) for lo, hi in box]


def trajectory_document(
    field: Callable, start: Any, found: Trajectory, *, order: int = 20
) -> bytes:
    """A certificate of where `found`, from `trajectory(field, start, ...)`, ends.

    The steps are those of `found`, halved where the checker needs it; the boxes are
    derived anew, to 96 bits, so that the one at the end is usually narrower.

    Raises as `stability_document` does.
    """
    ends = (start.lo, start.hi) if isinstance(start, Interval) else (start, start)
    box = _pairs(*ends)
    with jax.enable_x64(True):
        entry = written(field, [(), (len(box),)])
    program = read_program(entry, "field", 1 + len(box), len(box))
    state = _trajectories.begin([fixed(*x) for x in box])
    waiting = [Fraction(float(t)) for t in found.times[:0:-1]]
    now = begin = Fraction(float(found.times[0]))
    steps, halved = [], 0
    while waiting:
        moved = _moved(program, order, state, now, waiting[-1])
        if moved is None:
            if halved == _HALVINGS:
                raise CertificateWriteError(
                    f"no certificate: no box is found for a step from t = {float(now)}"
                )
            waiting.append((now + waiting[-1]) / 2)
            halved += 1
            continue
        now, halved = waiting.pop(), 0
        state, entry_of_step = moved
        steps.append(entry_of_step)
    return _accepted({
        "format": "torchlean-trajectory", "version": 1, "field": entry,
        "begin": str(begin), "start": _text(box), "order": order, "steps": steps,
        "end": _fixed_text([_rounded(x) for x in state.box]),
    })  # fmt: skip


def approximation_document(f: Callable, found: Approximation) -> bytes:
    """A certificate of |f(x) - N(x)| <= eps on [lo, hi], from `approximate(f, ...)`.

    f: as there; of exp, log, tanh, logistic, sin, cos, sums, products and quotients. N
    is the network over the reals: what executions add is not part of the claim.

    Raises as `stability_document` does.
    """
    network, shape = found.network, found.network.values.shape
    with jax.enable_x64(True):
        entry = written(lambda x: f(x.reshape(found.lo.shape)), [(len(shape),)])
    return _accepted({
        "format": "torchlean-interpolant", "version": 1, "function": entry,
        "box": _text(_pairs(np.ravel(found.lo), np.ravel(found.hi))),
        "scale": _numbers(network.scale), "shift": _numbers(network.shift),
        "shape": list(shape), "values": _numbers(network.values),
        "eps": str(Fraction(found.eps)),
    })  # fmt: skip


def _numbers(array) -> list[str]:
    return [str(Fraction(v)) for v in np.ravel(array).tolist()]


def _moved(program, order: int, state, now: Fraction, until: Fraction):
    """The state at the end of a step, and the step as it is written; or None."""
    around, frame = _held(program, state, now, until), []
    if around is None:
        return None

    def chosen(turned):
        frame.extend(_frame(turned, state.rest))
        return [[(x * (ONE // _FRAME),) * 2 for x in row] for row in frame]

    try:
        after = _trajectories.step(program, order, state, now, until, around, chosen)
    except NotProved:
        return None
    shown = [[str(Fraction(x, _FRAME)) for x in row] for row in frame]
    return after, {"until": str(until), "frame": shown} | _fixed_text(around)


def _held(program, state, now: Fraction, until: Fraction) -> list[Fixed] | None:
    """A box that no solution leaves within the step, wide enough to be written."""
    h, span = fixed(until - now), fixed(now, until)
    around = [_rounded(x) for x in state.box]
    for _ in range(_WIDENINGS):
        try:
            image = _trajectories.image(program, state.box, span, h, around)
        except NotProved:
            return None
        if all(b[0] <= x[0] and x[1] <= b[1]
               for x, b in zip(image, around, strict=True)):  # fmt: skip
            return around
        union = [
            (min(x[0], b[0]), max(x[1], b[1]))
            for x, b in zip(image, around, strict=True)
        ]
        around = [_rounded((a - (b - a) // 8, b + (b - a) // 8)) for a, b in union]
    return None


def _rounded(x: Fixed) -> Fixed:
    """Outward, to units of 1 / _GRID."""
    unit = ONE // _GRID
    return x[0] // unit * unit, -(-x[1] // unit) * unit


def _frame(turned, rest) -> list[list[int]]:
    """Nearly orthogonal, along the longest sides of the moved rest first."""
    middle = np.array([[(x[0] + x[1]) / 2 / ONE for x in row] for row in turned])
    sides = np.array([(x[1] - x[0]) / ONE for x in rest]) + 1e-300
    scaled = middle * (sides / sides.max())
    order = np.argsort(-(scaled**2).sum(0), kind="stable")
    q, _ = np.linalg.qr(scaled[:, order] / np.abs(scaled).max())
    q = np.round(q * _FRAME).astype(int)
    if np.isfinite(q).all() and abs(np.linalg.det(q / _FRAME)) > 0.5:
        return q.tolist()
    return (np.eye(len(q), dtype=int) * _FRAME).tolist()


def _accepted(document: dict) -> bytes:
    blob = canonical_json(document)
    report = torchlean_check.check(blob)
    if not report.accepted:
        raise CertificateWriteError(f"no certificate: {report.reason}")
    return blob


def _pairs(lo, hi) -> list[tuple[Fraction, Fraction]]:
    lo, hi = (np.asarray(end, np.float64) for end in (lo, hi))
    if lo.ndim != 1 or lo.shape != hi.shape or not np.isfinite([lo, hi]).all():
        raise InputError(f"a finite box of shape (n,) is needed; got {lo} and {hi}")
    return [
        (Fraction(a), Fraction(b))
        for a, b in zip(lo.tolist(), hi.tolist(), strict=True)
    ]


def _text(box) -> dict:
    return {k: [str(x[i]) for x in box] for i, k in enumerate(("lo", "hi"))}


def _fixed_text(box: list[Fixed]) -> dict:
    return _text([tuple(Fraction(e, ONE) for e in x) for x in box])
