"""The method `forward`: forms contain the truth, and are as narrow as derived by hand.

Oracles: rational arithmetic, mpmath for dual norms, and answers derived by hand.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.search.faults import notices
from tests.test_ball import W as WEIGHTS
from tests.test_ball import X as CENTRE
from tests.test_ball import exact_minimum
from tests.test_bounds import (
    PROGRAMS,
    cancelling_net,
    dense,
    exact_relu_net,
    holds,
    points_of,
    relu_net,
)
from torchlean_jax.interpreters import _forms, _linear_images


def forward(f, **options):
    return tl.bounds(f, method="forward", **options)


def exact_outputs_lie_inside():
    layers = dense((4, 8, 8, 3))
    box = tl.box(np.float32([0.1, -0.3, 0.7, 0.2]), radius=0.2)
    found = forward(relu_net(layers))(box)
    assert all(holds(found, exact_relu_net(layers, x)) for x in points_of(box))
    steep = dense((4, 8, 8, 3), seed=1, scale=3.0)
    found = jax.jit(forward(relu_net(steep)))(box)
    assert found.dtype == jnp.float32
    assert all(holds(found, exact_relu_net(steep, x)) for x in points_of(box))


def test_exact_outputs_lie_inside():
    exact_outputs_lie_inside()


def cancellation_does_not_fool_it(powers=(25, 60)):
    """big + x - big - x + 1: what float32 forgets of x is in the radius."""
    box = tl.box(np.float32([1.0, 0.25]), radius=np.float32([0.0, 0.125]))
    for power in powers:
        big = jnp.float32(2.0**power)
        f = lambda x, big=big: (x[0] * big + x[1]) - x[0] * big - x[1] + 1.0
        for bounded in (forward(f), jax.jit(forward(f))):
            y = bounded(box)
            assert float(y.lo) <= 1 <= float(y.hi)


def test_cancellation_does_not_fool_it():
    cancellation_does_not_fool_it()
    layers = cancelling_net(2.0**25)
    box = tl.box(np.float32([0.25]), radius=0.125)
    exact = exact_relu_net(layers, np.asarray(box.lo))
    assert holds(jax.jit(forward(relu_net(layers)))(box), exact)


SOME = """scan, undecided cond, gradient, max pool, normalised constant"""


@pytest.mark.parametrize("name", [" ".join(n.split()) for n in SOME.split(",")])
def test_programs(name):
    """Sampled outputs lie inside, up to the error of the samples (see test_bounds)."""
    f = PROGRAMS[name]
    box = tl.box(np.float32([0.3, -0.2, 0.1, 0.6]), radius=0.25)
    found, ibp = forward(f)(box), tl.bounds(f, method="ibp")(box)
    for x in points_of(box):
        y = np.asarray(jax.jit(f)(x), np.float64)
        slack = 2.0**-15 * (1 + np.abs(y))
        assert (np.asarray(found.lo) <= y + slack).all()
        assert (y - slack <= np.asarray(found.hi)).all()
    assert (np.asarray(found.lo) >= np.asarray(ibp.lo) - 1e-6).all()
    assert (np.asarray(found.hi) <= np.asarray(ibp.hi) + 1e-6).all()


# By hand ------------------------------------------------------------------------------

BY_HAND = {
    "correlation is kept": (lambda x: x[0] - x[0] * 0.5, [0.0, 1.0]),
    "chords and lines": (  # above (x + 1) 2/3 + (2 - x) / 3; below 0, by intervals
        lambda x: jax.nn.relu(x[2]) + jax.nn.relu(-x[2]),
        [0.0, 2.0],
    ),
    "a line below": (  # x - 0.75 x at -1, 2/3 (x + 1) - 0.75 x at -1
        lambda x: jax.nn.relu(x[2]) - 0.75 * x[2],
        [-0.25, 0.75],
    ),
    "products": (lambda x: x[0] * x[1] - x[0], [-1.0, 6.0]),
    "a maximum": (lambda x: jnp.max(jnp.stack([x[0], x[1]])), [3.0, 4.0]),
    "a padded constant": (lambda x: jnp.pad(x, 1, constant_values=5.0)[0], [5.0, 5.0]),
    "a filled gather": (
        lambda x: x.at[jnp.array([1, 9])].get(mode="fill", fill_value=7.0).sum() - x[1],
        [7.0, 7.0],
    ),
    "a concatenated constant": (
        lambda x: jnp.concatenate([x, jnp.ones(2)]).sum() - x.sum(),
        [2.0, 2.0],
    ),
    "a choice of constants": (
        lambda x: jnp.where(jnp.array([True, False, True]), x, 3.0).sum() - x[0] - x[2],
        [3.0, 3.0],
    ),
    "subtracted from a constant": (lambda x: (1.0 - x)[1] + x[1], [1.0, 1.0]),
    "a third": (lambda x: (x[0] / 3.0 + x[0] / 3.0) * 3.0 - 2.0 * x[0], [0.0, 0.0]),
    "sums": (lambda x: jnp.cumsum(x)[2] - x[0] - x[1] - x[2], [0.0, 0.0]),
}
BOX = tl.box(jnp.float32([0, 3, -1]), jnp.float32([2, 4, 2]))


def answers_by_hand(*names):
    """Exact ranges, but for "products": x y lies between its mean planes 3.5 x + y -
    3.5 -+ 0.5 on [0, 2] x [3, 4], so x y - x within 2.5 x + y - 3.5 -+ 0.5."""
    together = lambda x: {name: BY_HAND[name][0](x) for name in names or BY_HAND}
    for name, y in forward(together)(BOX).items():
        lo, hi = BY_HAND[name][1]
        assert float(y.lo) <= lo and hi <= float(y.hi), name
        slack = 2.0**-20 * 8  # endpoints below 8 are moved out to float32
        assert float(y.lo) >= lo - slack and float(y.hi) <= hi + slack, name


def test_answers_by_hand():
    answers_by_hand()


@pytest.mark.parametrize("norm", [1, 2])
def test_balls_by_the_dual_norm(norm):
    ball = tl.ball(CENTRE, 0.25, norm=norm)
    y = forward(lambda x: x @ WEIGHTS)(ball)
    for j in range(3):
        least = exact_minimum(WEIGHTS[:, j], CENTRE, ball.radius, norm)
        most = -exact_minimum(-WEIGHTS[:, j], CENTRE, ball.radius, norm)
        assert float(y.lo[j]) <= least and most <= float(y.hi[j])
        ulp = np.spacing(np.float32(max(abs(least), abs(most))))
        assert least - float(y.lo[j]) <= 2 * ulp and float(y.hi[j]) - most <= 2 * ulp


def test_several_inputs_have_their_own_coordinates():
    f = lambda a, b: a[0] - b + jax.nn.relu(b)
    y = forward(f)(tl.ball(jnp.zeros(3), 2.0), tl.box(-1.0, 3.0))
    assert -2 - 1e-5 <= float(y.lo) <= -2 and 3 <= float(y.hi) <= 3 + 1e-5


def test_under_vmap_and_grad():
    bounded = forward(lambda x: jax.nn.relu(x @ WEIGHTS[:2, :2] + 0.1))
    centres = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
    together = jax.jit(jax.vmap(bounded))(tl.box(centres, radius=0.5))
    one = jax.jit(bounded)
    for k in range(3):
        alone = one(tl.box(centres[k], radius=0.5))
        np.testing.assert_allclose(together.lo[k], alone.lo, rtol=1e-4, atol=1e-5)

    def width(radius):
        box = tl.Interval(jnp.zeros(2) - radius, jnp.zeros(2) + radius)
        return bounded(box).width.sum()

    with jax.enable_x64(True):
        wide = jax.jit(jax.value_and_grad(width))
        slope, there = wide(0.5)[1], (wide(0.5 + 1e-6)[0] - wide(0.5 - 1e-6)[0]) / 2e-6
    assert slope == pytest.approx(float(there), rel=1e-4)


# Verdicts -----------------------------------------------------------------------------


def test_verdicts_have_certificates():
    f = relu_net(dense((3, 6, 2), seed=2))
    box = tl.box(np.float32([0.5, -0.25, 0.125]), radius=0.1)
    lower = np.asarray(forward(f)(box).lo, np.float64)
    spec = tl.spec.linear(np.eye(2), lower - 1e-3)
    verdict = tl.verify(f, box, spec, method="forward", attack=False)
    assert verdict.status == "proved" and verdict.margin <= 2e-3
    assert tl.check(verdict.certificate, model=f).accepted


def test_constraints_are_used():
    """x + y where 2 x + y >= 1 and x + 3 y >= 1 on the unit square: 3/5."""
    f = lambda x: x.sum()[None]
    box = tl.box(jnp.zeros(2), jnp.ones(2))
    where = tl.halfspaces([[2.0, 1.0], [1.0, 3.0]], 1.0)
    spec = tl.spec.linear([1.0], 0.6 - 1e-6)
    verdict = tl.verify(f, box, spec, method="forward", where=where)
    assert verdict.status == "proved" and verdict.margin <= 1e-6
    assert verdict.certificate is not None


def test_forms_that_do_not_fit_are_refused():
    f = lambda x: jax.nn.relu(x @ jnp.ones((40, 50)))
    box = tl.box(jnp.zeros(40), jnp.ones(40))
    with pytest.raises(tl.InputError, match="use the method crown"):
        forward(f, memory=100_000)(box)


# Planted faults -----------------------------------------------------------------------


def no_rounding(patch):
    patch.setattr(_forms, "_small", lambda size, form, roundings: 0 * size)
    for module in (_forms, _linear_images):
        patch.setattr(module, "gamma", lambda terms, dtype: 0.0)


def constants_twice(patch):
    patch.setattr(_linear_images, "_zero_if_float", lambda x: x)


def fill_in_every_coefficient(patch):
    linear_map = _linear_images._linear.linear_map
    patch.setattr(_linear_images, "_linear_map", linear_map)


def tilted_the_wrong_way(patch):
    right = _forms.between
    patch.setattr(_forms, "between", lambda form, low, high: right(form, high, low))


def spread_forgotten(patch):
    right = _linear_images.images

    def image(equation, operands, fixed, radii, at_zero):
        bare = [
            x and _forms.Form(x.middle, x.level, None, 0 * x.radius, x.total)
            for x in operands
        ]
        return right(equation, bare, fixed, radii, at_zero)

    patch.setattr(_linear_images, "images", image)


@pytest.mark.parametrize(
    ("fault", "check", "on"),
    [
        (no_rounding, cancellation_does_not_fool_it, [(25,)]),
        (constants_twice, answers_by_hand, ["a concatenated constant"]),
        (fill_in_every_coefficient, answers_by_hand, ["a filled gather"]),
        (tilted_the_wrong_way, answers_by_hand, ["a line below"]),
        (spread_forgotten, answers_by_hand, ["a line below"]),
    ],
)
def test_planted_faults_are_noticed(fault, check, on, monkeypatch):
    check(*on)
    fault(monkeypatch)
    assert notices(check, *on)
