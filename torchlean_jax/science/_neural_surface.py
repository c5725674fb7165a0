"""A neural surface, by example: a network that learnt the distance to a torus."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from torchlean_jax.science._outcome import Outcome
from torchlean_jax.science._surface import trace

_SIDE, _FAR, _STEP = 32, 4.0, 2.0**-8
_EYE = np.array([0.0, -2.0, 1.5])


def torus(x):
    """Its distance: radius 0.6 around the third axis, tube 0.25."""
    around = jnp.sqrt(x[0] ** 2 + x[1] ** 2) - 0.6
    return jnp.sqrt(around**2 + x[2] ** 2) - 0.25


def train(*, seed: int = 0, steps: int = 1500, width: int = 24):
    """A network of two layers of softplus, on points of [-1.5, 2]^3, float32."""
    keys = jax.random.split(jax.random.key(seed), 4)
    sizes = (3, width, width, 1)
    weights = [
        (jax.random.normal(k, (n, m)) * np.sqrt(2 / n), jnp.zeros(m))
        for k, n, m in zip(keys, sizes, sizes[1:], strict=False)
    ]
    optimiser = optax.adam(optax.cosine_decay_schedule(1e-2, steps))

    def loss(weights, points):
        off = jax.vmap(lambda x: network(weights, x) - torus(x))(points)
        return jnp.mean(off**2)

    def step(carry, key):
        weights, state = carry
        points = jax.random.uniform(key, (512, 3), minval=-2.0, maxval=2.0)
        change, state = optimiser.update(jax.grad(loss)(weights, points), state)
        return (optax.apply_updates(weights, change), state), None

    start = weights, optimiser.init(weights)
    (weights, _), _ = jax.jit(
        lambda start: jax.lax.scan(step, start, jax.random.split(keys[3], steps))
    )(start)
    return lambda x: network(weights, x)


def network(weights, x):
    *hidden, (last, bias) = weights
    for matrix, shift in hidden:
        x = jax.nn.softplus(8.0 * (x @ matrix + shift)) / 8.0
    return (x @ last + bias)[0]


def rays() -> np.ndarray:
    """Directions from the eye, of a square picture that looks at 0."""
    forward = -_EYE / np.linalg.norm(_EYE)
    right = np.array([1.0, 0.0, 0.0])
    up = np.cross(right, forward)
    side = np.linspace(-0.45, 0.45, _SIDE)
    v, u = np.meshgrid(side[::-1], side, indexing="ij")
    return (forward + u[..., None] * right + v[..., None] * up).reshape(-1, 3)


def surface(name: str) -> Outcome:
    """Depths of the learnt torus in a picture: what is clear, and what is met."""
    began = time.perf_counter()
    f, directions = train(), rays()
    found = trace(f, _EYE, directions, _FAR, tolerance=_STEP)
    passed, met = found.clear >= _FAR, np.isfinite(found.met)
    gaps = np.where(met, found.met - found.clear, 0.0)
    undecided = int((~passed & ~met).sum())
    return Outcome(
        claim=(
            f"of {len(directions)} rays from {_EYE.tolist()}, {int(passed.sum())} meet "
            f"no zero of the network before t = {_FAR:g}, {int(met.sum())} meet one "
            f"first within known intervals of t, none wider than {gaps.max():.6g}, and "
            f"{undecided} are clear for as long as is known"
        ),
        status="proved",
        certified=float(gaps.max()),
        sampled=float(_marched(f, directions, found.clear, met)),
        seconds=time.perf_counter() - began,
        figures={"rays that meet nothing": int(passed.sum()),
                 "rays that meet the surface": int(met.sum()),
                 "rays of which the end is open": undecided},
        draw=lambda axes: _draw(axes, found),
    )  # fmt: skip


def _marched(f, directions, clear, met) -> float:
    """How far beyond what is clear marching finds another sign, at most."""
    with jax.enable_x64(True):
        t = jnp.asarray(clear)[:, None] + jnp.linspace(0.0, 0.25, 257)
        points = jnp.asarray(_EYE) + t[..., None] * jnp.asarray(directions)[:, None]
        inside = jax.vmap(jax.vmap(f))(points) < 0
    first = np.asarray(inside).argmax(1) * (0.25 / 256)
    return first[met & np.asarray(inside.any(1))].max(initial=0.0)


def _draw(axes, found) -> None:
    """What is clear of each ray."""
    depth = found.clear.reshape(_SIDE, _SIDE)
    shown = axes.imshow(depth, cmap="cividis")
    axes.figure.colorbar(shown, ax=axes, label="no surface before t")
    axes.set(xticks=[], yticks=[])
