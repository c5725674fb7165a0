"""The examples of `torchlean science`, by topic and name: each ends in one Outcome."""

import math
import time
from collections.abc import Callable
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.science import _clouds, _solids, _views, pinn
from torchlean_jax.science._approximate import Approximation, approximate
from torchlean_jax.science._control import LOOPS, stable
from torchlean_jax.science._documents import approximation_document
from torchlean_jax.science._dynamics import CORRIDORS, SYSTEMS, bounded, enclosed
from torchlean_jax.science._neural_control import EXAMPLES
from torchlean_jax.science._outcome import Outcome
from torchlean_jax.science._pictures import CAMERAS, picture
from torchlean_jax.science._spline import Spline, exact


def _bump(x):
    return jnp.exp(-jnp.sum(x * x))


def _wave(x):
    return jnp.sin(x[0]) * x[1] + x[2] ** 2


# name -> (function, lo, hi, eps, as the claim says it)
FUNCTIONS = {
    "sin": (jnp.sin, 0.0, 2 * math.pi, 1e-3, "sin on [0, 2 pi]"),
    "bump": (_bump, [-2.0] * 2, [2.0] * 2, 1e-2, "exp(-|x|^2) on [-2, 2]^2"),
    "wave": (_wave, [0.0] * 3, [1.0] * 3, 2e-2, "sin(x) y + z^2 on [0, 1]^3"),
}


def approximation(name: str) -> Outcome:
    f, lo, hi, eps, said = FUNCTIONS[name]
    found = approximate(f, lo, hi, eps)
    figures = {
        "nodes": int(np.prod(found.network.values.shape)),
        "approximation": found.approximation,
        "parameter rounding": found.parameters,
        "execution rounding (float32)": found.execution,
        "every float32 execution": found.bound,
    }
    if found.half is not None:
        figures["every float16 input, as run here"] = found.half
    return Outcome(
        claim=f"sup |f - N| <= {eps:g} over the reals for a ReLU network N and {said}",
        status="proved" if found.real <= eps else "unknown",
        certified=found.real,
        sampled=found.sampled,
        seconds=found.seconds,
        figures=figures,
        draw=lambda axes: _draw_approximation(axes, f, found),
        certificate=lambda: approximation_document(f, found),
    )


def _draw_approximation(axes, f, found: Approximation) -> None:
    """f - N along the box, or along its diagonal."""
    s = np.linspace(0, 1, 4001, dtype=np.float32)
    points = found.lo + np.multiply.outer(s, found.hi - found.lo)
    points = jnp.asarray(points, jnp.float32)
    off = jax.lax.map(lambda x: f(x) - found.network(x), points)
    axes.plot(s, off, color="#0072B2", linewidth=0.8, label="f - N, at points")
    for sign in (-1, 1):
        axes.axhline(
            sign * found.real, color="#D55E00", label="proved" if sign > 0 else ""
        )
    axes.set(xlabel="from the lower to the upper corner", ylabel="f - N")
    axes.legend()


def _logistic_data():
    x = list(range(-6, 7, 2))
    return x, [1 / (1 + math.exp(-v)) for v in x]


def _natural() -> tuple[Spline, dict]:
    x, y = _logistic_data()
    claims = {"continuous": 2, "interpolates": (x, y), "between": (0.002, 0.998)}
    return Spline.natural(x, y), claims | {"near": (jax.lax.logistic, 0.015)}


def _monotone() -> tuple[Spline, dict]:
    x, y = _logistic_data()
    claims = {"continuous": 1, "interpolates": (x, y), "shape": "increasing"}
    return Spline.monotone(x, y), claims | {
        "between": (0, 1),
        "near": (jax.lax.logistic, 0.018),
    }


def _edge() -> tuple[Spline, dict]:
    """An edge of a Kolmogorov-Arnold network whose coefficients increase."""
    knots = [k / 4 for k in range(-7, 8)]
    weights = np.cumsum(np.random.default_rng(0).uniform(0, 0.3, 11))
    spline = Spline.bspline(knots, weights.tolist(), 3)
    return spline, {"continuous": 2, "shape": "increasing", "near": (_line, 0.15)}


def _line(x):
    return 0.8125 + 0.6875 * x


SPLINES = {"natural": _natural, "monotone": _monotone, "kan-edge": _edge}


def spline(name: str, near: tuple[Callable, Fraction] | None = None) -> Outcome:
    """The claims of an example, with the distance to another function if one is given.

    The figures are that distance, and how far it is at points.
    """
    start = time.perf_counter()
    found, claims = SPLINES[name]()
    claims |= {} if near is None else {"near": near}
    claim, (other, distance) = found.prove(**claims), claims["near"]
    points = np.linspace(float(found.knots[0]), float(found.knots[-1]), 2001)
    values = np.array([float(found(x)) for x in points])
    with jax.enable_x64(True):
        others = np.asarray(jax.lax.map(other, jnp.asarray(points)))
    return Outcome(
        claim=claim.claim or claim.reason,
        status=claim.status,
        certified=float(distance) if claim.status == "proved" else math.inf,
        sampled=float(np.abs(values - others).max()),
        seconds=time.perf_counter() - start,
        figures={"pieces": len(found.pieces)} | _exact_figures(found, claims),
        draw=lambda axes: _draw_spline(axes, found, points, values, others),
        certificate=lambda: claim.document,
    )


def _exact_figures(found: Spline, claims: dict) -> dict[str, float]:
    """What the claims are about, as it is: rounded outward to 2^-20, if at all."""
    figures = {}
    for order in range(claims.get("continuous", -1) + 1):
        figures[f"largest jump of derivative {order}"] = found.jump(order)
    if "interpolates" in claims:
        pairs = zip(*claims["interpolates"], strict=True)
        misses = [abs(found(x) - exact(y)) for x, y in pairs]
        figures["largest distance from the data"] = max(misses)
    if claims.get("shape") == "increasing":
        figures["least slope"] = found.derivative().extent()[0]
    figures["least value"], figures["largest value"] = found.extent()
    return {name: float(figure) for name, figure in figures.items()}


def _draw_spline(axes, found, points, values, others) -> None:
    axes.plot(points, others, color="#E69F00", label="the function")
    axes.plot(points, values, color="#0072B2", label="the spline")
    at = [float(x) for x in found.knots]
    axes.plot(at, [float(found(x)) for x in found.knots], "o", color="#D55E00",
              label="knots")  # fmt: skip
    axes.set(xlabel="x", ylabel="s(x)")
    axes.legend()


def residual(name: str) -> Outcome:
    """Train a network and bound its residual everywhere."""
    problem = pinn.PROBLEMS[name]
    start = time.perf_counter()
    u = pinn.train(problem)
    trained = time.perf_counter() - start
    found = pinn.certify(problem, u, tolerance=0.2)
    lo, hi = found.residual.cell
    sampled = pinn.sampled(problem, u)
    figures = {
        "above the largest of 10^6 random points, relative": found.bound / sampled - 1,
        "largest at a grid and middles of cells": found.residual.sampled,
        "cells": found.residual.cells,
        "seconds of training": trained,
    }
    figures |= {f"misfit {k}": c.bound for k, c in found.conditions.items()}
    if found.error is not None:
        figures["distance to the solution, at most"] = found.error
    return Outcome(
        claim=(
            f"|residual| <= {found.bound:.6g} at every point, for {problem.equation}; "
            f"most on the cell from {lo.tolist()} to {hi.tolist()}"
        ),
        status="proved" if found.residual.finished else "unknown",
        certified=found.bound,
        sampled=sampled,
        seconds=time.perf_counter() - start,
        figures=figures,
        draw=lambda axes: _draw_residual(axes, problem, u, found),
        certificate=lambda: pinn.residual_document(problem, u, found),
    )


def _draw_residual(axes, problem, u, found) -> None:
    """|residual| at points, the largest of its fields', and the cell with the largest
    bound."""
    sides = [
        np.linspace(a, b, 201) for a, b in zip(problem.lo, problem.hi, strict=True)
    ]
    first, second = np.meshgrid(*sides, indexing="ij")
    points = jnp.asarray(np.stack([first, second], -1).reshape(-1, 2))
    values = np.abs(jax.vmap(pinn.residual_of(problem, u))(points))
    values = values.reshape(201, 201, -1).max(axis=-1)
    shown = axes.pcolormesh(first, second, values, cmap="cividis", shading="gouraud")
    axes.figure.colorbar(shown, ax=axes, label="|residual|, at points")
    (a, b), (c, d) = found.residual.cell
    axes.plot([a, c, c, a, a], [b, b, d, d, b], color="#D55E00")
    axes.set(xlabel="first input", ylabel="second input")


def _followed(name: str) -> Outcome:
    return bounded(name) if name in CORRIDORS else enclosed(name)


def _controlled(name: str) -> Outcome:
    return stable(name) if name in LOOPS else EXAMPLES[name](name)


# topic -> (names, what runs one)
TOPICS: dict[str, tuple[tuple[str, ...], Callable[..., Outcome]]] = {
    "approximate": (tuple(FUNCTIONS), approximation),
    "spline": (tuple(SPLINES), spline),
    "camera": (tuple(CAMERAS), picture),
    "visible": (tuple(CAMERAS), _views.seen),
    "cloud": (tuple(_clouds.EXAMPLES), _clouds.same_at_every_angle),
    "surface": (tuple(_solids.SOLIDS), _solids.surrounded),
    "ode": ((*CORRIDORS, *SYSTEMS), _followed),
    "pinn": (tuple(pinn.PROBLEMS), residual),
    "control": ((*LOOPS, *EXAMPLES), _controlled),
}
