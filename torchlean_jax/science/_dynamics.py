"""The examples of `torchlean science ode`: solutions in corridors and in boxes."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._box import box
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science._corridor import corridor
from torchlean_jax.science._documents import trajectory_document
from torchlean_jax.science._outcome import Outcome
from torchlean_jax.science._trajectory import Trajectory, trajectory

# name -> ({(i, j): coefficient of t^i y^j}, start, end)
CORRIDORS = {
    "logistic": ({(0, 1): 1, (0, 2): -1}, ("1/10", "1/10"), 8),
    "logistic-set": ({(0, 1): 1, (0, 2): -1}, ("1/10", "1/5"), 8),
    "driven": ({(0, 3): -1, (1, 0): 1}, (0, "1/10"), 2),
}


def bounded(name: str) -> Outcome:
    """A corridor, which has a certificate."""
    field, start, end = CORRIDORS[name]
    found = corridor(field, start, end)
    widths = [float(found.upper(t) - found.lower(t)) for t in found.lower.knots]
    return Outcome(
        claim=found.claim or found.reason,
        status=found.status,
        certified=max(widths),
        sampled=widths[0],
        seconds=found.seconds,
        figures={"width at the end": widths[-1], "segments": len(found.lower.pieces)},
        draw=lambda axes: _draw_corridor(axes, found),
        certificate=lambda: found.document,
    )


def _draw_corridor(axes, found) -> None:
    times = np.linspace(float(found.lower.knots[0]), float(found.lower.knots[-1]), 401)
    low, high = ([float(s(t)) for t in times] for s in (found.lower, found.upper))
    axes.fill_between(times, low, high, color="#56B4E9", label="every solution")
    axes.plot(times, low, color="#0072B2", linewidth=0.8)
    axes.plot(times, high, color="#0072B2", linewidth=0.8)
    axes.set(xlabel="t", ylabel="y")
    axes.legend()


@dataclass(frozen=True)
class _System:
    """y' = field(t, y) from the box of this radius around the centre."""

    field: Callable
    said: str
    centre: tuple[float, ...]
    radius: float
    end: float


def _lorenz(t, y):
    a, b, c = y
    return jnp.stack([10.0 * (b - a), a * (28.0 - c) - b, a * b - (8.0 / 3.0) * c])


def _oscillator(t, y):
    return jnp.stack([y[1], -y[0]])


def _van_der_pol(t, y):
    return jnp.stack([y[1], (1.0 - y[0] ** 2) * y[1] - y[0]])


@functools.cache
def _weights():
    rng = np.random.default_rng(0)
    return [rng.normal(size=s).astype(np.float32) / 2 for s in ((2, 16), (16, 2))]


def _neural(t, y):
    """A turn, and a network of 16 units that bends it."""
    first, second = _weights()
    bent = jnp.tanh(y @ first) @ second
    return jnp.stack([y[1], -y[0]]) + 0.25 * bent


SYSTEMS = {
    "lorenz": _System(_lorenz, "Lorenz's equations", (1.0, 1.0, 1.0), 0.0, 1.0),
    "oscillator": _System(_oscillator, "y'' = -y", (1.0, 0.0), 0.1, 20.0),
    "van-der-pol": _System(
        _van_der_pol, "y'' = (1 - y^2) y' - y", (2.0, 0.0), 1e-3, 7.0
    ),
    "neural": _System(_neural, "a neural ODE of 16 units", (1.0, 0.0), 1e-3, 5.0),
}


def enclosed(name: str) -> Outcome:
    """A trajectory; the sampled figure is the spread of what corners end in."""
    system = SYSTEMS[name]
    centre = np.array(system.centre)
    start = box(centre, radius=system.radius) if system.radius else centre
    found = trajectory(system.field, start, system.end)
    lo, hi = (np.asarray(end) for end in (found.end.lo, found.end.hi))
    ended = _corners(system)
    return Outcome(
        claim=(
            f"every solution of {system.said} that starts within {system.radius:g} of "
            f"{list(system.centre)} is at t = {system.end:g} in the box from "
            f"{lo.tolist()} to {hi.tolist()}"
        ),
        status="proved",
        certified=found.width,
        sampled=float(np.ptp(ended, axis=0).max()),
        seconds=found.seconds,
        figures={
            "steps": len(found.times) - 1,
            "widest on the way": float((found.boxes.hi - found.boxes.lo).max()),
        },
        draw=lambda axes: _draw_tube(axes, found),
        certificate=lambda: trajectory_document(system.field, start, found),
    )


def _corners(system: _System, steps: int = 4000) -> np.ndarray:
    """Where Runge and Kutta's method takes the corners of the start."""
    with jax.enable_x64(True):
        size = len(system.centre)
        signs = np.stack(np.meshgrid(*[(-1.0, 1.0)] * size), -1).reshape(-1, size)
        y = jnp.asarray(np.array(system.centre) + system.radius * signs)
        h, rate = system.end / steps, jax.vmap(system.field, (None, 0))

        def step(k, y):
            t = k * h
            a = rate(t, y)
            b = rate(t + h / 2, y + h / 2 * a)
            c = rate(t + h / 2, y + h / 2 * b)
            return y + h / 6 * (a + 2 * b + 2 * c + rate(t + h, y + h * c))

        return np.asarray(jax.jit(lambda y: jax.lax.fori_loop(0, steps, step, y))(y))


def _draw_tube(axes, found: Trajectory) -> None:
    """Each coordinate over time; a box for each step."""
    tube: Interval = found.tube
    for k, color in zip(range(tube.shape[1]), ("#0072B2", "#D55E00", "#009E73"),
                        strict=False):  # fmt: skip
        for a, b, low, high in zip(found.times, found.times[1:], tube.lo[:, k],
                                   tube.hi[:, k], strict=False):  # fmt: skip
            axes.fill_between([a, b], [low] * 2, [high] * 2, color=color, linewidth=0)
        middle = (found.boxes.lo[:, k] + found.boxes.hi[:, k]) / 2
        axes.plot(found.times, middle, color=color, label=f"y[{k}]")
    axes.set(xlabel="t", ylabel="y")
    axes.legend()
