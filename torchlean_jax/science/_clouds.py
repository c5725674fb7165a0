"""A classifier of point clouds, and proofs that it sees the same solid at every angle.

The classifier is a small PointNet: one network for each point, the largest value of
each of its outputs over the points, and a linear map of those, so that the order of the
points does not matter. It is trained on points of four solids, turned at random. That
the class of a held-out cloud stays is then proved of rotation and classifier as one
function of the angles, by cutting the angles; nothing of the training is believed.

Source: Qi, Su, Mo and Guibas 2017 (arXiv:1612.00593).
"""

import itertools
import time
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

import torchlean_jax as tl
from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.science._outcome import Outcome
from torchlean_jax.science._rotations import rotated

SOLIDS = ("cube", "sphere", "cylinder", "cone")
FEATURES = 8
# The least float32 above pi: from minus to plus this is the whole turn.
HALF_TURN = float(np.float32(np.pi))


class PointNet(NamedTuple):
    """(n, 3) points -> a score for each class.

    each: (weights, biases) of the two layers that every point passes, with ReLUs.
    last: of the linear map of the largest values over the points.
    """

    each: list[tuple[Array, Array]]
    last: tuple[Array, Array]

    def __call__(self, points: Float[Array, "n 3"]) -> Float[Array, " classes"]:
        for weights, biases in self.each:
            points = jax.nn.relu(points @ weights + biases)
        weights, biases = self.last
        return points.max(axis=0) @ weights + biases


@dataclass(frozen=True)
class Example:
    """A claim: the cloud of `solid`, turned about `axes` by every angle up to `limits`,
    by a network that was trained with `turned` clouds or upright ones."""

    solid: str
    axes: str
    limits: tuple[float, ...]
    turned: bool
    said: str
    points: int = 24


EXAMPLES = {
    solid: Example(solid, "z", (HALF_TURN,), True, "turned about z by every angle")
    for solid in SOLIDS
} | {
    "tilted": Example(
        "cone",
        "zx",
        (HALF_TURN, 0.125),
        True,
        "turned about z by every angle, then tilted about x by at most 0.125",
    ),
    "upright": Example(
        "cube",
        "z",
        (HALF_TURN,),
        False,
        "turned about z by every angle (no cloud was turned in training)",
    ),
}


def cloud(solid: str, rng: np.random.Generator, count: int) -> np.ndarray:
    """`count` random points of the surface of a solid, float32[count, 3].

    The cube has the side 1.2, the sphere the radius 0.75; cylinder and cone stand
    along z, 0.45 wide and 1.8 high, and 0.7 wide and 1.4 high (from the axis, and from
    end to end).
    """
    if solid == "cube":
        points = rng.uniform(-0.6, 0.6, (count, 3))
        faces = rng.integers(0, 3, count)
        points[np.arange(count), faces] = rng.choice([-0.6, 0.6], count)
        return points.astype(np.float32)
    if solid == "sphere":
        points = rng.normal(size=(count, 3))
        points *= 0.75 / np.linalg.norm(points, axis=1, keepdims=True)
        return points.astype(np.float32)
    flat, share = rng.random(count) < 0.35, np.sqrt(rng.random(count))
    if solid == "cylinder":
        side = rng.uniform(-1, 1, count)
        radius, height = 0.45, 0.9 * np.where(flat, np.sign(side), side)
        share = np.where(flat, share, 1.0)
    else:
        radius, height = 0.7, np.where(flat, -0.7, 0.7 - 1.4 * share)
    angle = rng.uniform(-np.pi, np.pi, count)
    circle = radius * share * np.array([np.cos(angle), np.sin(angle)])
    return np.column_stack([*circle, height]).astype(np.float32)


def clouds(seed: int, each: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """`each` clouds of every solid, and which solids they are."""
    rng = np.random.default_rng(seed)
    drawn = [cloud(solid, rng, points) for solid in SOLIDS for _ in range(each)]
    return np.stack(drawn), np.repeat(np.arange(len(SOLIDS)), each)


def train(
    points: int, turned: bool, *, steps: int = 800, each: int = 96, seed: int = 0
) -> PointNet:
    """By Adam, on `each` clouds a solid: `turned` about z by any angle and tilted about
    x by at most 0.2, anew in each step, or as they stand."""
    drawn, solids = clouds(seed, each, points)
    rng = np.random.default_rng(seed)
    limits = jnp.array([np.pi, 0.2]) * turned
    sizes = (3, FEATURES, FEATURES, len(SOLIDS))
    layers = [
        (
            jnp.asarray(rng.normal(0, np.sqrt(2 / a), (a, b)), jnp.float32),
            jnp.zeros(b, jnp.float32),
        )
        for a, b in itertools.pairwise(sizes)
    ]
    network = PointNet(layers[:-1], layers[-1])
    optimiser = optax.adam(optax.cosine_decay_schedule(1e-2, steps))

    def turn(points, angles):
        c, s = jnp.cos(angles), jnp.sin(angles)
        about_z = jnp.array([[c[0], -s[0], 0], [s[0], c[0], 0], [0, 0, 1]])
        about_x = jnp.array([[1, 0, 0], [0, c[1], -s[1]], [0, s[1], c[1]]])
        return points @ (about_x @ about_z).T

    def loss(network, angles):
        scores = jax.vmap(network)(jax.vmap(turn)(jnp.asarray(drawn), angles))
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, solids)
        return losses.mean()

    def step(carry, key):
        network, state = carry
        angles = jax.random.uniform(key, (len(drawn), 2), minval=-limits, maxval=limits)
        gradient = jax.grad(loss)(network, angles)
        change, state = optimiser.update(gradient, state)
        return (optax.apply_updates(network, change), state), None

    keys = jax.random.split(jax.random.key(seed), steps)
    run = jax.jit(lambda carry: jax.lax.scan(step, carry, keys)[0])
    return run((network, optimiser.init(network)))[0]


def margins(network, points, solid: int, axes: str, angles) -> np.ndarray:
    """The score of a solid above the best other one, at each row of angles."""
    turned = rotated(points, axes)
    scores = np.asarray(jax.jit(jax.vmap(lambda a: network(turned(a))))(angles))
    return scores[:, solid] - np.delete(scores, solid, axis=1).max(axis=1)


def same_at_every_angle(name: str) -> Outcome:
    """Train, take the first held-out cloud, and decide its claim."""
    asked, start = EXAMPLES[name], time.perf_counter()
    network = train(asked.points, asked.turned)
    trained = time.perf_counter() - start
    solid = SOLIDS.index(asked.solid)
    held_out, solids = clouds(1, 50, asked.points)
    points = held_out[solids == solid][0]
    turned = rotated(points, asked.axes)
    limits = np.array(asked.limits, np.float32)
    # Forward bounds cut somewhat finer than back-substitution would, which leaves room
    # for the relaxations that the checker derives by itself.
    verdict = tl.verify(
        lambda angles: network(turned(angles)),
        tl.box(-limits, limits),
        tl.spec.margin(solid),
        method="forward",
        split=True,
        timeout=300,
    )
    angles = _grid(limits)
    sampled = margins(network, points, solid, asked.axes, angles)
    scores = np.asarray(jax.vmap(network)(jnp.asarray(held_out)))
    right = np.mean(scores.argmax(axis=1) == solids)
    figures = {
        "held-out clouds classified, as they stand": right,
        "parts of the angles": verdict.parts,
        "seconds of training": trained,
    }
    if verdict.status == "refuted":
        shown = zip(asked.axes, np.asarray(verdict.counterexample), strict=True)
        figures |= {f"refuted at the angle about {axis}": float(a) for axis, a in shown}
    return Outcome(
        claim=f"a cloud of {asked.points} points of a {asked.solid}, {asked.said}, is "
        f"classified as a {asked.solid}, over the reals",
        status=verdict.status,
        certified=verdict.margin,
        sampled=float(sampled.min()),
        seconds=time.perf_counter() - start,
        figures={name: float(figure) for name, figure in figures.items()},
        draw=lambda axes: _draw(axes, asked, angles, sampled, verdict),
        certificate=lambda: _certificate(verdict),
    )


def _certificate(verdict) -> bytes:
    if verdict.certificate is None:
        raise CertificateWriteError(f"no certificate: {verdict.why_no_certificate}")
    return verdict.certificate.bytes


def _grid(limits) -> np.ndarray:
    """Rows of angles: the first varies most slowly."""
    sides = [np.linspace(-limits[0], limits[0], 721)]
    sides += [np.linspace(-limit, limit, 21) for limit in limits[1:]]
    return np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, len(limits))


def _draw(axes, asked, angles, sampled, verdict) -> None:
    """The margin against the first angle, at the worst of the others."""
    count = len(sampled) // 721
    worst = sampled.reshape(721, count).min(axis=1)
    axes.plot(angles[::count, 0], worst, color="#0072B2", label="margin, at points")
    if verdict.status == "refuted":
        at = float(np.asarray(verdict.counterexample)[0])
        axes.plot(at, verdict.margin, "x", color="#D55E00", label="refuted here")
    else:
        axes.axhline(verdict.margin, color="#D55E00", label="proved")
    axes.set(xlabel=f"angle about {asked.axes[0]}", ylabel="margin of the class")
    axes.legend()
