"""Examples of surfaces: a ball, and a torus as a network learned its distance.

The network is fitted to the distance from the torus, and never quite is one: |f| may
exceed the distance, so a sphere trace, which steps by |f|, may step through. What is
proved is of the surface of the network, whatever it learned.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax

from torchlean_jax.science._outcome import Outcome
from torchlean_jax.science._surface import Traced, free_cells, trace
from torchlean_jax.science._surface_document import surface_document

_ROUNDS, _WRITTEN = 15, 12  # 32 and 16 parts of each side
_SIDE = 32  # rays along each side of the picture
_EVERY = 8  # of them, along each side, is in a certificate
_MIDDLE = (slice(_EVERY // 2, None, _EVERY),) * 2
_FAR, _TOLERANCE = 4.0, 2.0**-8
_EYE = np.array([0.0, -1.75, 1.0])


def _ball(x):
    return jnp.sum(x * x) - 0.5625


def _torus(x):
    """Its distance from 0.75 turned about z, with a tube of 0.3."""
    ring = jnp.sqrt(x[0] ** 2 + x[1] ** 2) - 0.75
    return jnp.sqrt(ring**2 + x[2] ** 2) - 0.3


def learned(
    distance: Callable, *, seed: int = 0, steps: int = 3000, width: int = 16
) -> Callable:
    """A network f(x) of two layers of tanh, fitted to a distance on [-2, 2]^3, half of
    it within [-1.25, 1.25]^3. Its parameters are float32 numbers."""
    keys = jax.random.split(jax.random.key(seed), 4)
    weights = [
        (jax.random.normal(k, (n, m)) / np.sqrt(n), jnp.zeros(m))
        for k, (n, m) in zip(keys, pairwise((3, width, width, 1)), strict=False)
    ]
    optimiser = optax.adam(optax.cosine_decay_schedule(1e-2, steps))

    def off(weights, points):
        f = jax.vmap(_network(weights))
        return jnp.mean((f(points) - jax.vmap(distance)(points)) ** 2)

    def step(carry, key):
        weights, state = carry
        points = jax.random.uniform(key, (512, 3), minval=-2.0, maxval=2.0)
        points = points.at[:256].multiply(0.625)
        change, state = optimiser.update(jax.grad(off)(weights, points), state)
        return (optax.apply_updates(weights, change), state), None

    run = jax.jit(lambda start, keys: jax.lax.scan(step, start, keys)[0])
    start = weights, optimiser.init(weights)
    weights, _ = run(start, jax.random.split(keys[3], steps))
    return _network(weights)


def _network(weights) -> Callable:
    def f(x):
        for matrix, bias in weights[:-1]:
            x = jnp.tanh(x @ matrix + bias)
        matrix, bias = weights[-1]
        return (x @ matrix + bias)[0]

    return f


@dataclass(frozen=True)
class _Solid:
    make: Callable[[], Callable]
    said: str


SOLIDS = {
    "ball": _Solid(lambda: _ball, "|x|^2 = 9/16"),
    "torus": _Solid(
        lambda: learned(_torus), "a network that learned the distance from a torus"
    ),
}


def surrounded(name: str) -> Outcome:
    """Where the surface is not: cells of [-1.25, 1.25]^3, and rays from an eye."""
    start, solid = time.perf_counter(), SOLIDS[name]
    f = solid.make()
    lo, hi = np.full(3, -1.25), np.full(3, 1.25)
    found = free_cells(f, lo, hi, rounds=_ROUNDS)
    rays = _rays()
    traced = trace(f, _EYE, rays, _FAR, tolerance=_TOLERANCE)
    met = np.isfinite(traced.met)
    gaps = (traced.met - traced.clear)[met]
    figures = {
        "cells without a point of the surface": len(found.free),
        "rays": len(rays),
        "rays that meet it": int(met.sum()),
        "rays that provably do not": int((traced.clear >= _FAR).sum()),
        "longest part of a ray in which it is met": float(gaps.max(initial=0.0)),
        "rays on which steps by |f| pass through it": _through(f, rays, traced),
    }
    return Outcome(
        claim=(
            f"{solid.said}: no point of it in {len(found.free)} cells, "
            f"{found.volume:.4g} of [-1.25, 1.25]^3 by volume, nor on any of "
            f"{len(rays)} rays before the place at which it ends"
        ),
        status="proved",
        certified=found.volume,
        sampled=_one_sign(f, lo, hi, 2 ** (_ROUNDS // 3)),
        seconds=time.perf_counter() - start,
        figures=figures,
        draw=lambda axes: _draw(axes, traced),
        certificate=lambda: surface_document(
            *(f, lo, hi),
            rounds=_WRITTEN,
            origin=_EYE,
            directions=rays.reshape(_SIDE, _SIDE, 3)[_MIDDLE].reshape(-1, 3),
            far=_FAR,
        ),
        holds=(
            f"cells of {2 ** (_WRITTEN // 3)} parts along each side, free by the "
            f"checker's own bounds, and one ray in {_EVERY**2}"
        ),
    )


def _rays() -> np.ndarray:
    """Through the pixels of a picture, towards 0; numbers of 12 bits, of about length
    1."""
    ahead = -_EYE / np.linalg.norm(_EYE)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    side = (np.arange(_SIDE) + 0.5) / _SIDE * 1.5 - 0.75
    u, v = np.meshgrid(side, side[::-1])
    rays = ahead + u[..., None] * right + v[..., None] * up
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    return np.round(rays.reshape(-1, 3) * 4096) / 4096


def _one_sign(f, lo, hi, parts: int) -> float:
    """The share of equal cells on which f has one sign at 27 points: no bound of cells
    as small as these could call more of the box free."""
    sides = [np.linspace(a, b, 2 * parts + 1) for a, b in zip(lo, hi, strict=True)]
    points = np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, 3)
    with jax.enable_x64(True):
        run = jax.jit(lambda x: jax.lax.map(f, x, batch_size=4096))
        above = np.asarray(run(points)) > 0
    above = above.reshape([2 * parts + 1] * 3)
    shifts = np.ndindex(3, 3, 3)
    cells = [
        above[tuple(slice(s, s + 2 * parts - 1, 2) for s in shift)] for shift in shifts
    ]
    return float((np.all(cells, axis=0) | ~np.any(cells, axis=0)).mean())


def _through(f, rays, traced: Traced) -> int:
    """How many rays a sphere trace of 64 steps follows to beyond a place where the
    surface was met."""

    def stepped(ray):
        def step(_, t):
            return t + jnp.abs(f(_EYE + t * ray))

        return jax.lax.fori_loop(0, 64, step, 0.0)

    with jax.enable_x64(True):
        reached = np.asarray(jax.jit(jax.vmap(stepped))(rays))
    return int((reached > traced.met + _TOLERANCE).sum())


def _draw(axes, traced: Traced) -> None:
    """How far rays go: to the surface, or past it without meeting it."""
    depth = np.where(np.isfinite(traced.met), traced.clear, np.nan)
    shown = axes.imshow(depth.reshape(_SIDE, _SIDE), cmap="cividis")
    axes.figure.colorbar(shown, ax=axes, label="provably no surface before")
    axes.set(xticks=[], yticks=[], xlabel="white: not met")
