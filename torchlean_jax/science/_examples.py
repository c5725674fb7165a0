"""The examples of `torchlean science`, by topic and name: each ends in one Outcome."""

import math
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.domains._errors import InputError
from torchlean_jax.science import _clouds, _solids, _views, pinn
from torchlean_jax.science._approximate import Approximation, approximate
from torchlean_jax.science._control import LOOPS, stable
from torchlean_jax.science._dynamics import CORRIDORS, SYSTEMS, bounded, enclosed
from torchlean_jax.science._neural_control import EXAMPLES
from torchlean_jax.science._outcome import Outcome
from torchlean_jax.science._pictures import CAMERAS, picture
from torchlean_jax.science._spline import Spline, SplineClaim


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
        certificate=lambda: _certified(f, found),
    )


def _certified(f, found: Approximation) -> bytes:
    """Of |f - N| <= eps, leaf by leaf of a search: for one input."""
    if found.lo.ndim:
        raise InputError(
            "a certificate of an approximation is written for one input; for more, the "
            "graph of the difference has too many nodes for the checker"
        )
    network, eps = found.network, found.eps
    spec = tl.spec.linear([[1.0], [-1.0]], [-eps, -eps])
    box = tl.box(np.float32(found.lo), np.float32(found.hi))
    verdict = tl.verify(lambda x: f(x) - network(x), box, spec, split=True, timeout=300)
    if verdict.certificate is None:
        raise tl.CertificateWriteError(f"no certificate: {verdict}")
    return verdict.certificate.bytes


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


def _natural() -> tuple[Spline, SplineClaim]:
    x, y = _logistic_data()
    spline = Spline.natural(x, y)
    return spline, spline.prove(
        continuous=2, interpolates=(x, y), between=(-0.02, 1.02)
    )


def _monotone() -> tuple[Spline, SplineClaim]:
    x, y = _logistic_data()
    spline = Spline.monotone(x, y)
    claim = spline.prove(
        continuous=1, interpolates=(x, y), shape="increasing", between=(0, 1)
    )
    return spline, claim


def _edge() -> tuple[Spline, SplineClaim]:
    """An edge of a Kolmogorov-Arnold network whose coefficients increase."""
    knots = [k / 4 for k in range(-7, 8)]
    weights = np.cumsum(np.random.default_rng(0).uniform(0, 0.3, 11))
    spline = Spline.bspline(knots, weights.tolist(), 3)
    claim = spline.prove(
        continuous=2, shape="increasing", between=(weights[0], weights[-1])
    )
    return spline, claim


SPLINES = {"natural": _natural, "monotone": _monotone, "kan-edge": _edge}


def spline(name: str) -> Outcome:
    start = time.perf_counter()
    found, claim = SPLINES[name]()
    points = np.linspace(float(found.knots[0]), float(found.knots[-1]), 2001)
    values = [
        float(found(min(max(x, found.knots[0]), found.knots[-1]))) for x in points
    ]
    return Outcome(
        claim=claim.claim or claim.reason,
        status=claim.status,
        certified=0.0 if claim.status == "proved" else math.inf,
        sampled=0.0,
        seconds=time.perf_counter() - start,
        figures={
            "pieces": len(found.pieces),
            "least": min(values),
            "most": max(values),
        },
        draw=lambda axes: _draw_spline(axes, found, points, values),
        certificate=lambda: claim.document,
    )


def _draw_spline(axes, found, points, values) -> None:
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
