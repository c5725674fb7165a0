"""Neural controllers with neural Lyapunov functions, trained against counterexamples.

u = -limit tanh(...) and V = |q x|^2 + |network(x)|^2 have no biases, so that both
vanish at 0, V with its gradient, exactly. They start from the linear-quadratic
regulator. The loss asks that V fall wherever it is below 1, stand above 1 on the faces
of the box, and be small, so that the set is large; then `lyapunov` decides, and a point
that refutes it goes into the next round. What is claimed is what `lyapunov` proves;
nothing here has to be believed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.science._lyapunov import Stability, lyapunov

_POINTS, _FACES, _SEEN = 512, 128, 64


@dataclass(frozen=True)
class Regulator:
    """The linear-quadratic regulator at 0: u = -gain x, and the matrix of its cost."""

    gain: np.ndarray
    cost: np.ndarray


@dataclass(frozen=True)
class Synthesis:
    """A controller and a Lyapunov function, and what was proved of the two.

    controller: u of shape (m,) from x. V: a scalar of x. level: of the set. rounds: how
    many trainings there were, one more than counterexamples.
    """

    controller: Callable
    V: Callable
    level: float
    stability: Stability
    regulator: Regulator
    rounds: int
    seconds: float


def regulator(plant: Callable, states: int, controls: int) -> Regulator:
    """For x' = plant(x, u) linearised at 0, and the cost |x|^2 + |u|^2 (Riccati)."""
    from scipy.linalg import solve_continuous_are

    zero = jnp.zeros(states), jnp.zeros(controls)
    a, b = (np.asarray(jax.jacobian(plant, k)(*zero), np.float64) for k in (0, 1))
    try:
        cost = solve_continuous_are(a, b, np.eye(states), np.eye(controls))
    except (np.linalg.LinAlgError, ValueError) as error:
        raise InputError(f"no regulator stabilises the plant at 0: {error}") from error
    return Regulator(b.T @ cost, cost)


def synthesize(
    plant: Callable,
    lo: Any,
    hi: Any,
    *,
    limit: float,
    controls: int = 1,
    units: int = 12,
    steps: int = 4000,
    rounds: int = 3,
    seed: int = 0,
    seconds: float = 60.0,
) -> Synthesis:
    """Train a controller and V on a box, until {V <= level} is proved stable.

    plant: x' = plant(x, u), with plant(0, 0) = 0. limit: of each control, reached as a
    tanh. `.stability.status` is "proved", or the last round's verdict.

    Raises InputError where the linearised plant cannot be stabilised.
    """
    began = time.perf_counter()
    lo, hi = (np.asarray(end, np.float32) for end in (lo, hi))
    base = regulator(plant, len(lo), controls)
    weights = _start(base, limit, units, jax.random.key(seed))
    train = _trainer(plant, lo, hi, limit, steps)
    seen = np.zeros((0, len(lo)), np.float32)
    count = 0
    while True:
        count += 1
        weights = train(weights, _repeated(seen), jax.random.key(seed + count))
        controller, V = _functions(weights, limit)
        found = _decided(plant, controller, V, lo, hi, seconds)
        if found.status != "refuted" or count >= rounds:
            took = time.perf_counter() - began
            return Synthesis(controller, V, found.level, found, base, count, took)
        seen = np.concatenate([seen, np.asarray(found.witness, np.float32)[None]])


def _decided(plant, controller, V, lo, hi, seconds) -> Stability:
    def f(x):
        return plant(x, controller(x))

    level = float(np.float32(0.98 * largest_level(f, V, lo, hi)))
    if not level > 0:
        raise InputError("no set around 0 was found on which V falls")
    return lyapunov(f, V, lo, hi, level, seconds=seconds)


def _start(base: Regulator, limit, units, key):
    controls, states = base.gain.shape
    keys = jax.random.split(key, 4)
    gain = jnp.asarray(base.gain.T / limit, jnp.float32)
    square = jnp.asarray(np.linalg.cholesky(base.cost).T, jnp.float32)
    return {
        "hear": jnp.concatenate(
            [gain, 0.3 * jax.random.normal(keys[0], (states, units))], 1
        ),
        "act": jnp.concatenate(
            [jnp.eye(controls), 0.1 * jax.random.normal(keys[1], (units, controls))]
        ),
        "first": 0.4 * jax.random.normal(keys[2], (states, units)),
        "second": 0.4 * jax.random.normal(keys[3], (units, 4)),
        "square": 0.2 * square,
    }


def _functions(weights, limit) -> tuple[Callable, Callable]:
    def controller(x):
        return -limit * jnp.tanh(jnp.tanh(x @ weights["hear"]) @ weights["act"])

    def V(x):
        bent = jnp.tanh(x @ weights["first"]) @ weights["second"]
        straight = x @ weights["square"].T
        return jnp.sum(bent * bent) + jnp.sum(straight * straight)

    return controller, V


def _rate(plant, controller, V):
    return lambda x: jax.jvp(V, (x,), (plant(x, controller(x)),))[1]


def _trainer(plant, lo, hi, limit, steps):
    optimiser = optax.adam(optax.cosine_decay_schedule(1e-2, steps))

    def loss(weights, points, faces):
        controller, V = _functions(weights, limit)
        values = jax.vmap(V)(points)
        rates = jax.vmap(_rate(plant, controller, V))(points)
        within = jax.nn.sigmoid(20 * (1.05 - values))
        rising = jnp.mean(within * jax.nn.relu(rates / (values + 1e-3) + 0.1))
        low = jnp.mean(jax.nn.relu(1.1 - jax.vmap(V)(faces)))
        return 10 * rising + 10 * low + 0.3 * jnp.mean(jnp.minimum(values, 3.0))

    def step(carry, key, seen):
        weights, state = carry
        points, faces = _samples(key, lo, hi)
        points = jnp.concatenate([points, seen])
        change, state = optimiser.update(jax.grad(loss)(weights, points, faces), state)
        return (optax.apply_updates(weights, change), state), None

    @jax.jit
    def train(weights, seen, key):
        def one(carry, key):
            return step(carry, key, seen)

        start = weights, optimiser.init(weights)
        return jax.lax.scan(one, start, jax.random.split(key, steps))[0][0]

    return train


def _samples(key, lo, hi):
    """Points of the box, a quarter of them drawn to 0, and points of its faces."""
    keys = jax.random.split(key, 5)
    points = jax.random.uniform(keys[0], (_POINTS, len(lo)), minval=lo, maxval=hi)
    shrink = jax.random.uniform(keys[1], (_POINTS, 1))
    near = jnp.arange(_POINTS)[:, None] < _POINTS // 4
    points = jnp.where(near, shrink * points, points)
    faces = jax.random.uniform(keys[2], (_FACES, len(lo)), minval=lo, maxval=hi)
    axis = jax.random.randint(keys[3], (_FACES,), 0, len(lo))
    top = jax.random.bernoulli(keys[4], 0.5, (_FACES,))
    ends = jnp.where(top, jnp.asarray(hi)[axis], jnp.asarray(lo)[axis])
    return points, faces.at[jnp.arange(_FACES), axis].set(ends)


def _repeated(seen: np.ndarray) -> jax.Array:
    """Counterexamples, often; points at 0 while there are none, for one shape."""
    if not len(seen):
        return jnp.zeros((_SEEN, seen.shape[1]))
    return jnp.asarray(np.resize(seen, (_SEEN, seen.shape[1])))


def largest_level(f, V, lo, hi, count: int = 20_000) -> float:
    """The least V at a sampled point where it does not fall, or on a face: no larger
    level can be proved."""
    rng = np.random.default_rng(0)
    points = rng.uniform(lo, hi, (count, len(lo))).astype(np.float32)
    points[: count // 4] *= rng.uniform(size=(count // 4, 1)).astype(np.float32)
    rise = jax.vmap(lambda x: jax.jvp(V, (x,), (f(x),))[1])
    values, rates = np.asarray(jax.vmap(V)(points)), np.asarray(rise(points))
    found = [values[rates >= 0]]
    for k in range(len(lo)):
        for end in (lo[k], hi[k]):
            face = points.copy()
            face[:, k] = end
            found.append(np.asarray(jax.vmap(V)(face)))
    return float(np.concatenate(found).min())


def share_below(V: Callable, level: float, lo: Any, hi: Any, *, cells: int = 256):
    """A part of the box on which V <= level for certain: the share of `cells` per side
    on which an enclosure of V says so."""
    from torchlean_jax._interpret import interpret
    from torchlean_jax.domains.interval import Interval

    lo, hi = (np.asarray(end, np.float64) for end in (lo, hi))
    edges, axes = np.linspace(lo, hi, cells + 1), np.arange(len(lo))
    places = np.argwhere(np.ones((cells,) * len(lo), bool))
    with jax.enable_x64(True):
        ends = (jnp.asarray(edges[places + k, axes]) for k in (0, 1))
        bounds = jax.jit(jax.vmap(interpret(V, domain=Interval)))(Interval(*ends))
    return float((np.asarray(bounds.hi) <= level).mean())
