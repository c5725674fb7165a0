"""A Runge-Kutta step that takes its last slope at the wrong place."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(f, y, h):
    k1 = f(y)
    k2 = f(y + h / 2 * k1)
    k3 = f(y + h / 2 * k2)
    k4 = f(y + h * k2)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def fixed(f, y, h):
    k1 = f(y)
    k2 = f(y + h / 2 * k1)
    k3 = f(y + h / 2 * k2)
    k4 = f(y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def examine(step):
    def on_linear(rate, y, h):
        return step(lambda y: rate * y, y, h)

    def exponential_series(rate, y, h):
        z = rate * h
        return y * (1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24)

    return same_function(
        tl.equivalent(on_linear, exponential_series)(*map(jnp.float32, (-1, 2, 0.5)))
    )


CARD = Card(
    name="runge-kutta-stage",
    title="A fourth-order method of order three",
    family="science",
    story=(
        "The last of four slopes is taken after a step along the second, k2, in place "
        "of the third, k3: one character. The method is still consistent, of order "
        "three, and trajectories look the same. Simulations drift a little sooner, "
        "and an error estimate that counts on order four is wrong."
    ),
    contract="On y' = a y a step is the series of exp(a h) to the fourth power.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("f1tenth/f1tenth_gym#52", "GeomScale/volesti#375"),
    requires=("flint",),
)
