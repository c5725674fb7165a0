"""Networks built for functions: their distances beside Arb and exact rationals."""

import math
from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.science import HatNetwork, approximate
from torchlean_jax.science import _approximate as approximations
from torchlean_jax.science._hats import cells, grid


def bump(x):
    return jnp.exp(-jnp.sum(x * x))


@pytest.fixture(scope="module")
def sine():
    return approximate(jnp.sin, 0.0, 2 * math.pi, 1e-2)


def exact_value(network, x: Fraction) -> Fraction:
    """The network at a rational point, by exact hats."""
    t = x * Fraction(float(network.scale)) + Fraction(float(network.shift))
    values = [Fraction(float(v)) for v in network.values]
    return sum(
        (max(Fraction(0), 1 - abs(t - k)) * v for k, v in enumerate(values)),
        Fraction(0),
    )


def sine_at(x: Fraction):
    return flint.arb(flint.fmpq(x.numerator, x.denominator)).sin()


def test_the_real_distance_holds_between_arb_and_exact_hats(sine, monkeypatch):
    monkeypatch.setattr(flint.ctx, "prec", max(flint.ctx.prec, 140))
    worst = flint.arb(0)
    for k in range(3000):
        x = Fraction(2 * math.pi) * k / 2999
        gap = abs(sine_at(x) - flint.arb(_fmpq(exact_value(sine.network, x))))
        assert gap < sine.real
        worst = max(worst, gap, key=float)
    assert float(worst) > 0.8 * sine.real  # a bound that says something


def _fmpq(x: Fraction):
    return flint.fmpq(x.numerator, x.denominator)


def test_executions_stay_within_their_part(sine):
    points = np.linspace(0, 6.28, 2001, dtype=np.float32)
    runs = [jax.vmap(sine.network)(points), jax.jit(jax.vmap(sine.network))(points)]
    for k in range(0, len(points), 20):
        exact = float(exact_value(sine.network, Fraction(float(points[k]))))
        for run in runs:
            assert abs(float(run[k]) - exact) <= sine.execution
    assert sine.execution < 1e-3 and sine.bound >= sine.real >= sine.sampled


def test_every_half_precision_input_was_tried(sine):
    small = sine.network.astype(jnp.float16)
    points = np.linspace(0.1, 6.2, 50).astype(np.float16)
    found = np.asarray(jax.jit(jax.vmap(small))(points), np.float64)
    off = np.abs(found - np.sin(points.astype(np.float64))).max()
    assert off <= sine.half < 0.1


def test_a_bump_of_two_variables():
    found = approximate(bump, [-1.0, -1.0], [1.0, 1.0], 5e-2)
    assert found.sampled <= found.real <= 5e-2
    assert found.half is None
    axis = np.linspace(-1, 1, 41)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    runs = np.asarray(jax.vmap(found.network)(points.astype(np.float32)), np.float64)
    single = points.astype(np.float32).astype(np.float64)
    off = np.abs(runs - np.exp(-(single**2).sum(1)))
    assert off.max() <= found.bound


@pytest.mark.parametrize("size", [1, 2, 3])
def test_hats_interpolate_and_sum_to_one(size):
    """On a grid of integers: 1 at its node, 0 at the others, a partition of unity."""
    rng = np.random.default_rng(size)
    shape = (3,) * size
    values = rng.integers(-5, 6, shape).astype(np.float32)
    ones, none = np.ones(size, np.float32), np.zeros(size, np.float32)
    network = HatNetwork(ones, none, values)
    for node in np.ndindex(*shape):
        assert float(network(jnp.array(node, jnp.float32))) == values[node]
    points = rng.uniform(0, 2, (200, size)).astype(np.float32)
    whole = HatNetwork(ones, none, np.ones_like(values))
    assert np.allclose(jax.vmap(whole)(points), 1, atol=1e-5)
    # affine on the simplex of each order of the coordinates
    corner, order = rng.integers(0, 2, size), rng.permutation(size)
    path = np.cumsum([corner, *np.eye(size, dtype=int)[order]], axis=0)
    weights = rng.dirichlet(np.ones(size + 1))
    found = float(network(jnp.asarray(weights @ path, jnp.float32)))
    assert found == pytest.approx(weights @ values[tuple(path.T)], abs=1e-4)


@pytest.mark.parametrize("ends", [(0.1, 6.3), (-1e-3, 1e-3), (1000.0, 1001.0)])
def test_the_grid_covers_the_box_exactly(ends):
    lo, hi = (np.asarray(end) for end in ends)
    scale, shift, (count,) = grid(lo, hi, [7])
    network = HatNetwork(scale, shift, np.zeros(count, np.float32))
    nodes = network.nodes(0)
    assert nodes[0] <= Fraction(ends[0]) and nodes[-1] >= Fraction(ends[1])
    below, above = cells(network)
    assert all(Fraction(b[0]) <= n for b, n in zip(below, nodes, strict=False))
    assert all(Fraction(a[0]) >= n for a, n in zip(above, nodes[1:], strict=True))


def test_a_modulus_takes_the_place_of_derivatives():
    found = approximate(jnp.abs, -1.0, 1.0, 0.05, modulus=lambda h: h)
    assert found.sampled <= found.real <= 0.05
    assert "modulus" in found.assumed[0]


@pytest.mark.parametrize(
    ("f", "what"),
    [
        (jnp.abs, "abs"),
        (jax.nn.relu, "max|custom"),
        (lambda x: jnp.where(x < 0.5, 0.0, 1.0), "select|lt"),
        (jnp.floor, "floor"),
        (lambda x: x.astype(jnp.int32) * 1.0, "convert"),
        (lambda x: jax.lax.stop_gradient(x**2), "stop_gradient"),
    ],
)
def test_what_is_not_smooth_is_refused(f, what):
    with pytest.raises(tl.InputError, match=f"(?s)({what}).*modulus"):
        approximate(f, -1.0, 1.0, 0.1)


@pytest.mark.parametrize(
    "arguments",
    [
        (jnp.sin, 1.0, 1.0, 0.1),
        (jnp.sin, 0.0, np.inf, 0.1),
        (jnp.sin, 0.0, 1.0, 0.0),
        (jnp.sin, 0.0, 1.0, np.nan),
        (jnp.sum, np.zeros(4), np.ones(4), 0.1),
        (lambda x: x, np.zeros(2), np.ones(2), 0.1),
        (jnp.sin, 0.0, 1.0, 1e-9),
    ],
)
def test_questions_without_a_meaning_are_refused(arguments):
    with pytest.raises(tl.InputError):
        approximate(*arguments)


def test_a_logarithm_at_zero_is_named():
    with pytest.raises(tl.UndecidedError, match=r"cell.*logarithm at 0"):
        approximate(jnp.log, 0.0, 1.0, 0.1)


def test_a_wrong_curvature_would_be_noticed(monkeypatch, sine):
    """With a quarter of the error term, the exact distance exceeds what is claimed."""
    right = approximations._curvature_errors
    quarter = lambda *boxes: right(*boxes) / 4
    monkeypatch.setattr(approximations, "_curvature_errors", quarter)
    wrong = approximate(jnp.sin, 0.0, 2 * math.pi, 1e-2)
    assert wrong.sampled > wrong.real
