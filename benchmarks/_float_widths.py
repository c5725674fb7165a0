"""How close the FP32 bound of one layer is to what rounding can really do to it.

An input that loses much, and an order that loses it: after one large term come many
that are each just too small to change it.
"""

import flint
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from benchmarks._float_programs import (
    AS_WRITTEN,
    PRECISION,
    Layer,
    Order,
    balls,
    layer_norm,
    softmax,
)


class Backwards(Order):
    """One after the other in the order of the input: the worst that was found."""

    def _turned(self, n):
        return np.arange(n)


ONE_BY_ONE = Backwards("one by one")


def measure(kind, width):
    """The ratio of the bound to the deviation, the smallest over the inputs tried."""
    rng = np.random.default_rng(width)
    rows = {"random": [], "lossy": []}
    for seed in range(6):
        layer, x = _layer(kind, width, np.random.default_rng(seed))
        rows["random"].append(_ratio(layer, x, [AS_WRITTEN]))
    for x, layer in _lossy(kind, width, rng):
        rows["lossy"].append(_ratio(layer, x, [AS_WRITTEN, ONE_BY_ONE]))
    return {
        "kind": kind,
        "width": width,
        "ratio": min(r for group in rows.values() for r in group),
        "ratio_random": min(rows["random"]),
    }


def _layer(kind, width, rng):
    x = rng.normal(0, 1, width).astype(np.float32)
    if kind == "dot":
        return _dot(rng.normal(0, 1, (width, 1)).astype(np.float32)), x
    return (softmax if kind == "softmax" else layer_norm)(rng, width), x


def _dot(w):
    def exact(x):
        return np.asarray([sum((x * balls(w[:, 0])).tolist(), flint.arb(0))], object)

    return Layer("dot", lambda order, x: order.product(x, jnp.asarray(w)), exact, 1)


def _lossy(kind, width, rng):
    """Inputs whose sums start at 1 and then lose almost half an ulp at every step."""
    small = np.float32(2.0**-24 * 0.999)
    if kind == "dot":
        x = np.full(width, small, np.float32)
        x[0] = 1
        yield x, _dot(np.ones((width, 1), np.float32))
    elif kind == "softmax":
        x = np.full(width, np.log(np.float64(small)), np.float32)
        x[0] = 0
        yield x, softmax(rng, width)
    else:
        # the mean of squares: one large deviation, and many whose squares are lost
        for size in (1e3, 1e4):
            x = np.full(width, 1.0, np.float32) * np.float32(size) * small
            x[0] = size
            yield x.astype(np.float32), layer_norm(rng, width)
        # the mean: a large offset, so that each sum rounds at the scale of n times it
        offset = rng.uniform(100, 200, width).astype(np.float32)
        yield offset, layer_norm(rng, width)
        yield (
            np.float32(1e3) + np.arange(width, dtype=np.float32) / 64,
            layer_norm(rng, width),
        )


def _ratio(layer, x, orders):
    """max over outputs of the bound, over the largest deviation of the runs."""
    flint.ctx.prec = PRECISION
    exact = layer.exact(balls(x))
    bound = tl.float_error(lambda x: layer.run(AS_WRITTEN, x))(x).bound
    deviation = 0.0
    for order in orders:
        for compiled in (tl.faithful_jit, lambda f: f):
            run = compiled(lambda x, o=order: layer.run(o, x))(jnp.asarray(x))
            gaps = [
                float(abs(flint.arb(float(r)) - t).mid())
                for r, t in zip(np.asarray(run), exact, strict=True)
            ]
            deviation = max(deviation, *gaps)
    return float(np.max(bound)) / deviation if deviation else float("inf")
