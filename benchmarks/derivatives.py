"""Bounds of derivatives by each method, beside what they range over at points.

    python benchmarks/derivatives.py two|five [METHOD ...] [--json FILE]

A function of two inputs, on a box: a tanh times a sine, or the same with a softplus, a
swish and a cube added. The `taylor` methods walk it once over jets; the others bound
the program that JAX makes of a derivative, each kind compiled by itself. Figures: the
width of the bound by that of the range at 2000 points, the largest over the elements,
and seconds of the processor, compilation included. The exit code is 1 if a point lies
outside of a bound.
"""

import argparse
import sys
import time
from pathlib import Path

import _paired
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import jet

import torchlean_jax as tl
from torchlean_jax.interpreters._crown import METHODS
from torchlean_jax.science import derivative_bounds
from torchlean_jax.science._taylor import TAYLOR

UNITS = [[0.75, -1.125, 0.375, 0.5, -0.25], [0.3125, 0.75, -0.875, 1.25, 0.5]]
LO, HI = np.array([0.125, -0.375]), np.array([0.1875, -0.25])
FIRST, SECOND = [(0,), (1,)], [(0, 0), (0, 1), (1, 1)]


def two(x, softplus):
    a, b, *_ = x @ jnp.asarray(UNITS)
    return jnp.tanh(a) * jnp.sin(b)


def five(x, softplus):
    _, _, c, d, e = x @ jnp.asarray(UNITS)
    return two(x, softplus) + softplus(c) + jax.nn.swish(d) + e**3


FUNCTIONS = {"two": two, "five": five}


def along(x):
    return jnp.zeros_like(x).at[0].set(1)


def programs(function):
    net = lambda x: function(x, jax.nn.softplus)  # noqa: E731
    # jet does not enter jax.nn.softplus
    plain = lambda x: function(x, lambda c: jnp.log1p(jnp.exp(c)))  # noqa: E731
    return {
        "grad": jax.grad(net),
        "jvp": lambda x: jax.jvp(net, (x,), (along(x),))[1],
        "jet": lambda x: jet.jet(plain, (x,), ((along(x), 0 * x),))[1][1],
        "Hessian": jax.hessian(net),
        "Laplacian": lambda x: jnp.trace(jax.hessian(net)(x)),
    }


# what a Taylor method is asked for: orders, and an expression in them
ORDERS = {
    "grad": (FIRST, None),
    "jvp": (FIRST[:1], None),
    "jet": (SECOND[:1], None),
    "Hessian": (SECOND, None),
    "Laplacian": ([(0, 0), (1, 1)], lambda x, d: d[0, 0] + d[1, 1]),
}


def main():
    parser = argparse.ArgumentParser(description="see the top of this file")
    known = (*TAYLOR, *METHODS)
    parser.add_argument("function", choices=FUNCTIONS)
    parser.add_argument("methods", nargs="*", default=list(known), metavar="METHOD")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    unknown = sorted(set(options.methods) - set(known))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    result = _paired.circumstances("torchlean-jax", "jax", "jaxlib")
    result["function"], result["methods"], held = options.function, {}, True
    made = programs(FUNCTIONS[options.function])
    points = at_points(made)
    for method in options.methods:
        result["methods"][method] = {}
        for kind in made:
            began = time.process_time()
            found = bounded(method, kind, FUNCTIONS[options.function])
            took = time.process_time() - began
            low, high = points[kind]
            share = float(np.max((found.hi - found.lo) / (high - low)))
            inside = bool((found.lo <= low).all() and (high <= found.hi).all())
            result["methods"][method][kind] = {
                "width": share, "seconds": took, "holds the points": inside
            }  # fmt: skip
            held &= inside
            print(f"{method:16} {kind:10} {share:7.3f} {took:6.1f} s", flush=True)
    _paired.write(options.json or "derivatives", result)
    return not held


def at_points(made):
    """The least and the largest value of each at points, in float64, moved inward by
    what that may be off."""
    draws = np.random.default_rng(0).uniform(LO, HI, (2000, 2))
    with jax.enable_x64(True):
        found = {k: np.asarray(jax.jit(jax.vmap(f))(draws)) for k, f in made.items()}
    ends = {k: (v.min(0), v.max(0)) for k, v in found.items()}
    # as orders name its elements
    ends["Hessian"] = tuple(h.reshape(4)[[0, 1, 3]] for h in ends["Hessian"])
    return {k: (lo + 1e-12, hi - 1e-12) for k, (lo, hi) in ends.items()}


def bounded(method, kind, function):
    box = tl.box(LO, HI)
    if method in TAYLOR:
        orders, of = ORDERS[kind]
        net = lambda x: function(x, jax.nn.softplus)  # noqa: E731
        found = derivative_bounds(net, orders, of=of, method=method)(box).bounds
        return found if kind not in ("jvp", "jet") else jax.tree.map(np.squeeze, found)
    with jax.enable_x64(True):
        found = jax.jit(tl.bounds(programs(function)[kind], method=method))(box)
    found = jax.tree.map(np.asarray, found)
    if kind == "Hessian":
        return jax.tree.map(lambda end: end.reshape(4)[[0, 1, 3]], found)
    return found


if __name__ == "__main__":
    sys.exit(main())
