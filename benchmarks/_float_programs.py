"""Random small programs, each as JAX and as exact arithmetic, and every way to run one.

A program is a list of layers. Each layer is a function of JAX arrays in which the order
of sums is a parameter, and a function of object arrays of Arb balls: the oracle, which
shares no code with what it judges.
"""

from collections.abc import Callable
from dataclasses import dataclass

import flint
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

PRECISION = 160


def balls(array):
    """The floats of an array as exact Arb balls."""
    array = np.asarray(array)
    out = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        out[index] = flint.arb(float(array[index]))
    return out


def each(function):
    """A function of Arb balls on object arrays."""

    def apply(array):
        out = np.empty(array.shape, object)
        for index in np.ndindex(array.shape):
            out[index] = function(array[index])
        return out

    return apply


@dataclass(frozen=True)
class Order:
    """In which order a run sums: as written, permuted, or one after the other."""

    name: str
    seed: int = 0

    def product(self, x, w):
        """x[n] @ w[n, m]."""
        if self.name == "as written":
            return x @ w
        terms = self._turned(len(x))
        x, w = x[terms], w[terms]
        if self.name == "permuted":
            return x @ w
        first = jnp.zeros(w.shape[1], x.dtype)
        return lax.scan(lambda s, t: (s + t[0] * t[1], None), first, (x, w))[0]

    def sum(self, x):
        if self.name == "as written":
            return x.sum()
        x = x[self._turned(len(x))]
        if self.name == "permuted":
            return x.sum()
        return lax.scan(lambda s, t: (s + t, None), jnp.zeros((), x.dtype), x)[0]

    def _turned(self, n):
        return np.random.default_rng(self.seed).permutation(n)


AS_WRITTEN = Order("as written")


@dataclass(frozen=True)
class Layer:
    name: str
    run: Callable  # (order, float32[n]) -> float32[m]
    exact: Callable  # object[n] -> object[m]
    width: int


def dense(rng, n):
    m = int(rng.integers(4, 17))
    w = rng.normal(0, n**-0.5, (n, m)).astype(np.float32)
    b = rng.normal(0, 0.3, m).astype(np.float32)
    return Layer(
        "dense",
        lambda order, x: order.product(x, jnp.asarray(w)) + b,
        lambda x: x @ balls(w) + balls(b),
        m,
    )


def convolution(rng, n):
    k = rng.normal(0, 0.6, 3).astype(np.float32)

    def run(order, x):
        if order.name != "as written":
            windows = jnp.stack([x[i : n - 2 + i] for i in range(3)])
            return order.product(jnp.asarray(k), windows)
        return lax.conv_general_dilated(x[None, None], k[None, None], (1,), "VALID")[
            0, 0
        ]

    def exact(x):
        kernel = balls(k)
        return sum(kernel[i] * x[i : n - 2 + i] for i in range(3))

    return Layer("convolution", run, exact, n - 2)


def softmax(rng, n):
    def run(order, x):
        e = jnp.exp(x - x.max())
        return e / order.sum(e)

    def exact(x):
        e = each(lambda v: v.exp())(x)
        return e / sum(e)

    return Layer("softmax", run, exact, n)


def layer_norm(rng, n):
    gain = rng.uniform(0.5, 1.5, n).astype(np.float32)

    def run(order, x):
        centred = x - order.sum(x) / n
        variance = order.sum(centred * centred) / n
        return centred * lax.rsqrt(variance + 1e-3) * gain

    small = flint.arb(float(np.float32(1e-3)))

    def exact(x):
        centred = x - sum(x) / n
        variance = sum(centred * centred) / n
        return centred * (variance + small).rsqrt() * balls(gain)

    return Layer("layer norm", run, exact, n)


def recurrence(rng, n):
    w = rng.normal(0, n**-0.5, (n, n)).astype(np.float32)
    steps = int(rng.integers(2, 5))

    def run(order, x):
        def step(h, _):
            return jnp.tanh(order.product(h, jnp.asarray(w)) + x), None

        return lax.scan(step, jnp.zeros_like(x), None, length=steps)[0]

    def exact(x):
        h = balls(np.zeros(n))
        for _ in range(steps):
            h = each(lambda v: v.tanh())(h @ balls(w) + x)
        return h

    return Layer("scan", run, exact, n)


def _elementwise(name, f, g):
    return lambda rng, n: Layer(name, lambda order, x: f(x), each(g), n)


def _leaky(v):
    slope = flint.arb(float(np.float32(0.1)))
    return v if v > 0 else v * slope


KINDS = [
    dense,
    convolution,
    softmax,
    layer_norm,
    recurrence,
    _elementwise("relu", lambda x: jnp.maximum(x, 0), lambda v: v if v > 0 else v * 0),
    _elementwise("tanh", jnp.tanh, lambda v: v.tanh()),
    _elementwise("silu", jax.nn.silu, lambda v: v / (1 + (-v).exp())),
    _elementwise("leaky", lambda x: jnp.where(x > 0, x, x * jnp.float32(0.1)), _leaky),
    _elementwise("quotient", lambda x: x / (1 + x * x), lambda v: v / (1 + v * v)),
]


@dataclass(frozen=True)
class Program:
    """A program, the box of its inputs, and what it equals exactly."""

    layers: tuple[Layer, ...]
    lo: np.ndarray
    hi: np.ndarray

    @property
    def name(self):
        return " > ".join(layer.name for layer in self.layers)

    def run(self, x, order=AS_WRITTEN):
        for layer in self.layers:
            x = layer.run(order, x)
        return x

    def exact(self, x):
        """Arb balls of the result at the floats `x`."""
        flint.ctx.prec = PRECISION
        x = balls(x)
        for layer in self.layers:
            x = layer.exact(x)
        return x

    def inputs(self, rng, count):
        """Points of the box: corners, the middle, and floats between."""
        share = rng.random((count, len(self.lo))).astype(np.float32)
        inside = self.lo + (self.hi - self.lo) * share
        points = np.clip(inside, self.lo, self.hi)
        points[0], points[1] = self.lo, self.hi
        return points


def program(seed):
    """One of each kind in turn among its layers; three out of ten boxes are points."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 17))
    centre = rng.normal(0, 1.5, n).astype(np.float32)
    radius = np.float32(rng.choice([0.0, 1e-4, 1e-2], p=[0.3, 0.4, 0.3]))
    layers, width = [], n
    kinds = [KINDS[seed % len(KINDS)], *rng.choice(len(KINDS), rng.integers(1, 4))]
    for kind in kinds:
        make = kind if callable(kind) else KINDS[kind]
        if width < 5:
            make = dense
        layers.append(make(rng, width))
        width = layers[-1].width
    return Program(tuple(layers), centre - radius, centre + radius)


def executions(case, points, seed=0):
    """(how, results) of every way to run a program on the points: float32[p, m]."""
    import torchlean_jax as tl

    faithful = tl.faithful_jit(case.run)
    batched = tl.faithful_jit(jax.vmap(case.run))
    xs = jnp.asarray(points)
    eager = points[:: max(1, len(points) // 10)]
    yield "eager", eager, np.stack([case.run(jnp.asarray(x)) for x in eager])
    yield "faithful", points, np.stack([faithful(x) for x in points])
    yield "vmapped", points, np.asarray(batched(xs))
    wide = jnp.concatenate([xs, xs[::-1], xs])
    yield "batched", points, np.asarray(batched(wide))[: len(points)]
    scanned = tl.faithful_jit(lambda xs: lax.map(case.run, xs))
    yield "scanned", points, np.asarray(scanned(xs))
    for order in (Order("permuted", seed), Order("one by one", seed)):
        run = tl.faithful_jit(jax.vmap(lambda x, o=order: case.run(x, o)))
        yield order.name, points, np.asarray(run(xs))
    if tl.audit_compilation(jax.vmap(case.run))(xs).clean:
        yield "plain", points, np.asarray(jax.jit(jax.vmap(case.run))(xs))


def outside(value, results, exact):
    """(what a value excludes and happened, the largest share of the error used)."""
    found, used = [], 0.0
    error = np.asarray(value.error, np.float64)
    lo, hi = np.asarray(value.execution.lo), np.asarray(value.execution.hi)
    for result, truth in zip(results, exact, strict=True):
        for index in np.ndindex(truth.shape):
            run = float(result[index])
            gap = abs(flint.arb(run) - truth[index])
            if not lo[index] <= run <= hi[index]:
                found.append(f"{index}: {run!r} not in [{lo[index]}, {hi[index]}]")
            if gap > flint.arb(float(error[index])):
                found.append(
                    f"{index}: {run!r} is {gap.str(5)} off, not {error[index]}"
                )
            if 0 < error[index] < np.inf:
                used = max(used, float(gap.mid()) / float(error[index]))
    return found, used
