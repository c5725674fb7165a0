"""What is claimed of the fitted network: its edges are splines, and it is close to the
function everywhere, not only where it was looked at."""

import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.kan.data import target
from torchlean_jax.zoo.kan.model import NETWORK, PARTS, REACH, STEP, basis, edges

DIGITS = 30


def edges_are_smooth(trained: Trained) -> Answer:
    """The spline of every edge is twice continuously differentiable and stays between
    its least and its greatest coefficient, decided in exact arithmetic."""
    right, total, first = 0, 0, ""
    for name, array in sorted(trained.variables.params.items()):
        if not name.endswith("splines"):
            continue
        flat = np.moveaxis(np.asarray(array, float), 1, -1)
        rows = flat.reshape(-1, flat.shape[-1])
        for row, spline in zip(rows, edges(array), strict=True):
            claim = spline.prove(continuous=2, between=(row.min(), row.max()))
            right, total = right + (claim.status == "proved"), total + 1
            first = first or claim.reason
    return counted(right, total, "edges", first)


def edges_are_those_splines(trained: Trained) -> Answer:
    """What the network computes on an edge is that spline: the same polynomial on every
    piece, since both are cubics and agree at four points of it."""
    array = trained.variables.params["layers.0.splines"]
    offsets = STEP * np.arange(4) / 4
    x = (-REACH + STEP * np.arange(PARTS)[:, None] + offsets).reshape(-1)

    def sixfold(x):
        return 6 * jnp.einsum("xg,igo->iox", basis(x), array)

    values = tl.interpret(sixfold, domain=tl.Real(digits=DIGITS))(x)
    # six times a piece has short coefficients: floats hold its values exactly
    exact = [[6 * spline(v) for v in x] for spline in edges(array)]
    held = np.array(exact, float)
    assert (held == np.array(exact)).all()
    apart = values.distance(held.reshape(values.shape)).max(-1).reshape(-1)
    right = int((apart <= 10.0**-DIGITS).sum())
    return counted(right, len(exact), f"edges, to {DIGITS} digits")


def gradient_is_the_derivative(trained: Trained):
    """What `jax.grad` makes of the network in its inputs is its derivative."""

    @tl.claims.gradient()
    @tl.claims.example(jnp.array([0.3, -0.6]))
    def value(point):
        return NETWORK.apply(trained.variables, point)[0]

    return value


def is_close_everywhere(trained: Trained):
    """The network is within 0.25 of the function at every point of [-1, 1]^2."""

    @tl.claims.bounded_by(-0.25, 0.25, box=(-1.0, 1.0), split=True, timeout=150)
    @tl.claims.example("f32[2]")
    def difference(point):
        return NETWORK.apply(trained.variables, point)[0] - target(point)

    return difference


CLAIMS = (
    edges_are_smooth,
    edges_are_those_splines,
    gradient_is_the_derivative,
    is_close_everywhere,
)
