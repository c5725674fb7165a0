"""The side of a line on which a point lies, compiled and not."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(u, v):
    return jnp.sign(u[0] * v[1] - u[1] * v[0])


def fixed(u, v):
    left, right = u[0] * v[1], u[1] * v[0]
    return jnp.where(left > right, 1.0, jnp.where(left < right, -1.0, 0.0))


def examine(side):
    u = jnp.array([[0.1, 0.3, 0.7], [0.3, 0.9, 0.1]], jnp.float32)
    report = tl.replay(side)(u, u)
    eager, compiled = side(u, u), jax.jit(side)(u, u)
    said = f"of three vectors and themselves: eager {eager}, under jit {compiled}"
    return Finding(report.agree, f"{said}\n{report}")


CARD = Card(
    name="jit-differs-from-eager",
    title="Another answer under jit",
    family="float",
    story=(
        "A product and the difference that uses it are compiled into one operation "
        "that rounds once. Of two equal products one is then rounded and the other "
        "not: their difference is the rounding error, and its sign a coin toss. "
        "Parallel vectors are told apart, a root of a negative discriminant is NaN, "
        "but only under jit: the debugger shows 0. Comparing the products has nothing "
        "to fuse."
    ),
    contract="The same bits one operation at a time and under jit.",
    check="tl.replay",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("jax-ml/jax#18507", "jax-ml/jax#26147", "openxla/xla#41579"),
    library="jax",
)
