"""The examples of `torchlean science control` that are trained, rounded, disturbed."""

import math
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.science._barrier_document import barrier_document
from torchlean_jax.science._disturbed import as_executed, barrier, executed_reach
from torchlean_jax.science._documents import stability_document
from torchlean_jax.science._outcome import Outcome
from torchlean_jax.science._synthesis import (
    Synthesis,
    largest_level,
    regulator,
    share_below,
    synthesize,
)


def pendulum(x, u):
    """Upright, damped a little."""
    return jnp.stack([x[1], jnp.sin(x[0]) - 0.125 * x[1] + u[0]])


def path(x, u):
    """Distance from a straight path and angle to it, at speed 2; u turns."""
    return jnp.stack([2.0 * jnp.sin(x[1]), u[0]])


def quadrotor(x, u):
    """A planar one of mass 1/2: (x, y, angle) and their rates, at rest where it is; u
    are the two thrusts less those that hover."""
    lift, turn = 2.0 * (u[0] + u[1]) + 9.8125, 16.0 * (u[0] - u[1])
    rates = [-lift * jnp.sin(x[2]), lift * jnp.cos(x[2]) - 9.8125, turn]
    return jnp.concatenate([x[3:], jnp.stack(rates)])


def cart_pole(x, u):
    """A pole of length 1 on a cart of mass 1, a quarter at its top: (position, angle
    from upright) and their rates; u pushes the cart."""
    sine, cosine, rate = jnp.sin(x[1]), jnp.cos(x[1]), x[3]
    push = u[0] + 0.25 * sine * (rate * rate - 9.8125 * cosine)
    along = push / (1.0 + 0.25 * sine * sine)
    return jnp.concatenate([x[2:], jnp.stack([along, 9.8125 * sine - along * cosine])])


# name -> (plant, lo, hi, limit of the control, as the claim says it)
PLANTS = {
    "neural": (pendulum, (-3.0, -4.0), (3.0, 4.0), 4.0, "a pendulum held upright"),
    "path": (path, (-2.0, -1.5), (2.0, 1.5), 2.0, "a vehicle on a straight path"),
}


def neural(name: str) -> Outcome:
    """Controller and V trained; the area proved, beside the regulator's ellipse."""
    plant, lo, hi, limit, said = PLANTS[name]
    found = synthesize(plant, lo, hi, limit=limit, seconds=120.0)
    area = math.prod(b - a for a, b in zip(lo, hi, strict=True))
    proved = found.stability.status == "proved"
    ours = area * share_below(found.V, found.level, lo, hi) if proved else 0.0
    ellipse = regulator_area(plant, found, lo, hi, limit)
    return Outcome(
        claim=f"{said} by a network of 13 units, V a network: {found.stability.claim}",
        status=found.stability.status,
        certified=ours,
        sampled=ellipse,
        seconds=found.seconds,
        figures={
            "area, over the largest ellipse of the regulator": ours / ellipse,
            "level": found.level,
            "trainings": found.rounds,
            "share of the box around 0": found.stability.neighbourhood,
            "cells": found.stability.cells,
            "seconds of the proof": found.stability.seconds,
        },
        draw=lambda axes: _draw(axes, found, lo, hi, plant, limit),
        certificate=lambda: stability_document(
            lambda x: plant(x, found.controller(x)), found.V, lo, hi, found.level
        ),
    )


def regulated(gain, limit) -> Callable:
    """The regulator, saturated as the networks are."""
    gain = np.asarray(gain, np.float32)
    return lambda x: -limit * jnp.tanh(gain @ x / limit)


def regulator_area(plant, found: Synthesis, lo, hi, limit) -> float:
    """Of {x^T P x <= c}, with the largest c that samples do not forbid: an upper bound
    of what anyone could prove of it."""
    cost = np.asarray(found.regulator.cost, np.float32)
    control = regulated(found.regulator.gain, limit)
    level = largest_level(
        lambda x: plant(x, control(x)), lambda x: jnp.sum((x @ cost) * x), lo, hi
    )
    return math.pi * level / math.sqrt(np.linalg.det(found.regulator.cost))


def executed(name: str) -> Outcome:
    """The pendulum's network as float32 runs it; training is not counted."""
    plant, lo, hi, limit, said = PLANTS["neural"]
    trained = synthesize(plant, lo, hi, limit=limit)
    inner = float(np.float32(trained.level / 64))
    found = as_executed(plant, trained.controller, trained.V, lo, hi, trained.level,
                        inner=inner)  # fmt: skip
    reach = executed_reach(trained.controller, np.array(lo), np.array(hi))
    return Outcome(
        claim=f"{said} by a network in float32, as executed: {found.claim}",
        status=found.status,
        certified=found.level if found.status == "proved" else 0.0,
        sampled=trained.level,
        seconds=found.seconds,
        figures={
            "inner level": inner,
            "error of the control": float(reach[-1]),
            "cells": found.cells,
            "seconds of training, apart": trained.seconds,
        },
        draw=lambda axes: _draw(axes, trained, lo, hi, plant, limit),
    )


def avoiding(name: str) -> Outcome:
    """A damped pendulum that hangs, pushed by a wind, never comes to the top."""

    def f(x, wind):
        swing = -jnp.sin(x[0]) - x[1] + wind[0]
        return jnp.stack([x[1], swing])

    def B(x):
        return 1.5 * x[0] ** 2 + x[0] * x[1] + x[1] ** 2

    asked = {
        "level": 1.5,
        "disturbance": [0.125],
        "start": ([-0.5, -0.5], [0.5, 0.5]),
        "avoid": ([1.5, -1.0], [2.5, 1.0]),
    }
    box = [-3.0, -3.0], [3.0, 3.0]
    found = barrier(f, B, *box, **asked)
    return Outcome(
        claim=f"a hanging pendulum in a wind of up to 1/8: {found.claim}",
        status=found.status,
        certified=found.level,
        sampled=found.level,
        seconds=found.seconds,
        figures={"cells": found.cells},
        draw=lambda axes: _levels(axes, B, found.level, (-3.0, -3.0), (3.0, 3.0)),
        certificate=lambda: barrier_document(f, B, *box, **asked),
    )


# name -> (plant, states, controls, as the claim says it)
REGULATED = {
    "cart-pole": (cart_pole, 4, 1, "a cart with a pole upright"),
    "quadrotor": (quadrotor, 6, 2, "a planar quadrotor"),
}


def ellipsoid(name: str) -> Outcome:
    """A plant under its regulator: a large ellipsoid of its states, by the checker.

    V is quadratic and all of the box a neighbourhood of 0, so what proves the level is
    the certificate. Levels double until one is not proved; what follows is between the
    largest that was and the least that was not, while the next should end in time.
    """
    plant, states, controls, what = REGULATED[name]
    base = regulator(plant, states, controls)
    cost, gain = (np.asarray(a, np.float32) for a in (base.cost, base.gain))

    def f(x):
        return plant(x, -(gain @ x))

    def V(x):
        return jnp.sum((x @ cost) * x)

    reach = _half(cost, 8.0)
    limit = largest_level(f, V, -reach, reach)
    began, took, proved, level, failed = time.process_time(), 0.0, 0.0, 2.0**-6, limit
    said, blob = "", b""
    while failed > 1.03 * proved and time.process_time() - began + 3 * took < 60:
        start, half = time.process_time(), _half(cost, level)
        try:
            blob = stability_document(f, V, -half, half, level)
            proved, took = level, time.process_time() - start
        except CertificateWriteError as error:
            said, failed = str(error), level
        between = math.sqrt(proved * failed) if blob else failed / 2
        level = float(np.float32(min(2 * proved, between) if blob else between))
    if not blob:
        said = f"not decided: {said}"
    if blob:
        said = f"every solution that starts in {{V <= {proved!r}}} tends to 0"
    return Outcome(
        claim=f"{what} under its linear-quadratic regulator: {said}",
        status="proved" if blob else "unknown",
        certified=proved,
        sampled=limit,
        seconds=time.process_time() - began,
        figures={"bytes of the certificate": len(blob)},
        draw=lambda axes: _slice(axes, V, cost, proved, limit),
        certificate=lambda: blob,
    )


def _half(cost, level: float) -> np.ndarray:
    """Half the sides of a box that holds {x^T P x <= level}, with a hundredth more."""
    inverse = np.linalg.inv(np.asarray(cost, np.float64))
    return 1.01 * np.sqrt(level * np.diagonal(inverse))


EXAMPLES: dict[str, Callable[[str], Outcome]] = {
    "neural": neural,
    "path": neural,
    "executed": executed,
    "barrier": avoiding,
    "cart-pole": ellipsoid,
    "quadrotor": ellipsoid,
}


def _slice(axes, V, cost, level: float, limit: float) -> None:
    """The set where all states but the first two are 0, and the largest it could be."""
    half = _half(cost[:2, :2], 1.1 * limit)

    def within(x):
        return V(jnp.zeros(len(cost)).at[:2].set(x))

    _levels(axes, within, level, -half, half, said=f"proved: V = {level:.4g}")
    _levels(axes, within, limit, -half, half, color="#E69F00",
            said=f"a sampled point forbids more than V = {limit:.4g}")  # fmt: skip
    axes.set(xlabel="x[0]; x[2:] = 0")
    axes.legend()


def _levels(axes, V, level: float, lo, hi, *, said="V = level", color="#0072B2"):
    sides = [np.linspace(a, b, 201) for a, b in zip(lo, hi, strict=True)]
    first, second = np.meshgrid(*sides, indexing="ij")
    points = jnp.asarray(np.stack([first, second], -1).reshape(-1, 2), jnp.float32)
    values = np.asarray(jax.vmap(V)(points)).reshape(first.shape)
    axes.contour(first, second, values, [level], colors=[color])
    axes.plot([], color=color, label=said)
    axes.set(xlabel="x[0]", ylabel="x[1]")


def _draw(axes, found: Synthesis, lo, hi, plant, limit) -> None:
    """The set, and the regulator's ellipse."""
    _levels(axes, found.V, found.level, lo, hi)
    cost = found.regulator.cost
    area = regulator_area(plant, found, lo, hi, limit)
    level = area * math.sqrt(np.linalg.det(cost)) / math.pi
    turn = np.linspace(0, 2 * math.pi, 201)
    round_ = np.stack([np.cos(turn), np.sin(turn)]) * math.sqrt(level)
    edge = np.linalg.solve(np.linalg.cholesky(cost).T, round_)
    axes.plot(*edge, color="#D55E00", label="the regulator's ellipse, at most")
    axes.legend()
