"""The examples of `torchlean science control`: closed loops and Lyapunov functions."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.science._disturbed import escape
from torchlean_jax.science._documents import stability_document
from torchlean_jax.science._lyapunov import Stability, lyapunov
from torchlean_jax.science._outcome import Outcome
from torchlean_jax.science._trajectory import EscapeError, trajectory


@dataclass(frozen=True)
class _Loop:
    """x' = f(x), V(x) = x^T P x, and the level of the set that is claimed."""

    f: Callable
    said: str
    matrix: tuple[tuple[float, float], tuple[float, float]]
    lo: tuple[float, float]
    hi: tuple[float, float]
    level: float

    def V(self, x):
        return jnp.sum((x @ np.array(self.matrix, np.float32)) * x)


def _pendulum(gain: float) -> Callable:
    """Upright, damped a little; the torque saturates at 4, as a tanh."""

    def f(x):
        torque = -4.0 * jnp.tanh(gain * (2.5 * x[0] + 1.75 * x[1]) / 4.0)
        return jnp.stack([x[1], jnp.sin(x[0]) - 0.125 * x[1] + torque])

    return f


def _reversed_van_der_pol(x):
    return jnp.stack([-x[1], x[0] - (1.0 - x[0] ** 2) * x[1]])


_UPRIGHT = (1.296875, 0.328125), (0.328125, 0.4375)
LOOPS = {
    "pendulum": _Loop(
        *(_pendulum(1.0), "a pendulum held upright by a tanh unit", _UPRIGHT),
        *((-3.0, -4.0), (3.0, 4.0), 2.0),
    ),
    "van-der-pol": _Loop(
        *(_reversed_van_der_pol, "Van der Pol's oscillator, time reversed"),
        *(((1.5, -0.5), (-0.5, 1.0)), (-3.0, -3.0), (3.0, 3.0), 2.0),
    ),
    "weak": _Loop(
        *(_pendulum(0.25), "a pendulum with a quarter of the gain", _UPRIGHT),
        *((-3.0, -4.0), (3.0, 4.0), 2.0),
    ),
}


def stable(name: str) -> Outcome:
    loop = LOOPS[name]
    found = lyapunov(loop.f, loop.V, loop.lo, loop.hi, loop.level)
    said, left = _left(loop, found)
    return Outcome(
        claim=f"{loop.said}, V = x^T {loop.matrix} x: {found.claim}{said}",
        status=found.status,
        certified=loop.level if found.status == "proved" else 0.0,
        sampled=_limit(loop),
        seconds=found.seconds,
        figures={
            "share of the box around 0": found.neighbourhood,
            "cells": found.cells,
        }
        | left,
        draw=lambda axes: _draw(axes, loop, found, *left.values()),
        certificate=lambda: stability_document(
            loop.f, loop.V, loop.lo, loop.hi, loop.level
        ),
    )


def _left(loop: _Loop, found: Stability) -> tuple[str, dict[str, float]]:
    """Where the solution from the point that refutes V leaves the set, if it does."""
    if found.witness is None:
        return "", {}
    try:
        seen = escape(loop.f, loop.V, found.witness, loop.level)
    except EscapeError:
        seen = None
    if seen is None:
        return f"; not seen, whether the solution from there leaves {loop.level:g}", {}
    time, held = seen
    said = (
        f"; the solution from there is outside of the set at t = {time:.6g}, at "
        f"{held.lo.tolist()} .. {held.hi.tolist()}"
    )
    return said, {"time at which a solution has left the set": time}


def _grid(loop: _Loop):
    """V and its rate of change at 401 by 401 points, none of them 0."""
    sides = [np.linspace(a, b, 402) for a, b in zip(loop.lo, loop.hi, strict=True)]
    first, second = np.meshgrid(*sides, indexing="ij")
    points = jnp.asarray(np.stack([first, second], -1).reshape(-1, 2), jnp.float32)
    rate = jax.vmap(lambda x: jax.jvp(loop.V, (x,), (loop.f(x),)))
    value, slope = (np.asarray(v).reshape(first.shape) for v in rate(points))
    return first, second, value, slope


def _limit(loop: _Loop) -> float:
    """The least V at a point where it grows, or on the edge of the box."""
    _, _, value, slope = _grid(loop)
    edge = np.ones_like(value, bool)
    edge[1:-1, 1:-1] = False
    return float(value[edge | (slope >= 0)].min())


def _draw(axes, loop: _Loop, found: Stability, left: float | None = None) -> None:
    first, second, value, slope = _grid(loop)
    axes.contourf(first, second, slope, [0, np.inf], colors=["#E69F00"], alpha=0.4)
    axes.contour(first, second, value, [loop.level], colors=["#0072B2"])
    axes.plot([], color="#0072B2", label=f"V = {loop.level:g}")
    axes.fill([], [], color="#E69F00", alpha=0.4, label="V does not fall, at points")
    (a, b), (c, d) = (
        [found.neighbourhood * v for v in end] for end in (loop.lo, loop.hi)
    )
    axes.plot([a, c, c, a, a], [b, b, d, d, b], color="#009E73", label="N, around 0")
    if found.witness is not None:
        axes.plot(*found.witness, "x", color="#D55E00", label="refuted here")
    if left is not None:
        path = trajectory(lambda t, x: loop.f(x), found.witness, left).boxes
        axes.plot(*np.asarray(path.hi).T, color="#D55E00", label="its solution")
    axes.set(xlabel="x[0]", ylabel="x[1]")
    axes.legend()
