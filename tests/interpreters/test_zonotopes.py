"""The method `zonotope`: it contains the truth, errors cancel, faults are noticed.

Oracles: rational arithmetic, answers derived by hand, first derivatives.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.interpreters.test_affine_forward import BOX, BY_HAND
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
from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters import _zonotope_forward, _zonotope_sums
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._pieces import Kind
from torchlean_jax.interpreters._zonotopes import Rest


def zonotope(f, **options):
    return tl.bounds(f, method="zonotope", **options)


def exact_outputs_lie_inside(jit=False):
    box = tl.box(np.float32([0.1, -0.3, 0.7, 0.2]), radius=0.2)
    steep = dense((4, 8, 8, 3), seed=1, scale=3.0)
    bounded = zonotope(relu_net(steep))
    found = (jax.jit(bounded) if jit else bounded)(box)
    assert found.dtype == jnp.float32
    assert all(holds(found, exact_relu_net(steep, x)) for x in points_of(box))


@pytest.mark.parametrize("jit", [False, True])
def test_exact_outputs_lie_inside(jit):
    exact_outputs_lie_inside(jit)


def cancellation_does_not_fool_it(power=25):
    """big + x - big - x + 1: what float32 forgets of x is in the radius."""
    box = tl.box(np.float32([1.0, 0.25]), radius=np.float32([0.0, 0.125]))
    big = jnp.float32(2.0**power)
    f = lambda x: (x[0] * big + x[1]) - x[0] * big - x[1] + 1.0
    for bounded in (zonotope(f), jax.jit(zonotope(f))):
        y = bounded(box)
        assert float(y.lo) <= 1 <= float(y.hi)


def test_cancellation_does_not_fool_it():
    for power in (25, 60):
        cancellation_does_not_fool_it(power)
    layers = cancelling_net(2.0**25)
    box = tl.box(np.float32([0.25]), radius=0.125)
    exact = exact_relu_net(layers, np.asarray(box.lo))
    assert holds(jax.jit(zonotope(relu_net(layers)))(box), exact)


def square_less_itself(x):
    square = x[0] ** 2
    return (square * 3.0 + 1.0) - (square + square + square)


# Between its lines, of slope 2/3 each, relu of [-1, 2] is 2/3 x + [0, 2/3].
# On [0, 2] and [3, 4] squares are within 1 and 1/4 of their chords, 2 x and 7 x - 12.
MORE: dict[str, Any] = {
    "two errors": (
        lambda x: (x[0] ** 2 - 2 * x[0]) - 4 * (x[1] ** 2 - 7 * x[1]),
        [47.0, 49.0],
    ),
    "an error that meets itself": (square_less_itself, [1.0, 1.0]),
    "one slope": (lambda x: jax.nn.relu(x[2]) - 2 / 3 * x[2], [0.0, 2 / 3]),
    "two rectifiers": (lambda x: jax.nn.relu(x[2]) + jax.nn.relu(x[2]), [0.0, 4.0]),
    "a minimum": (lambda x: jnp.min(jnp.stack([x[0], x[1], -x[2]])), [-2.0, 1.0]),
}
SHARED = """correlation is kept, chords and lines, products, a maximum, a filled gather,
a concatenated constant, a choice of constants, a third"""
CASES = {" ".join(n.split()): BY_HAND[" ".join(n.split())] for n in SHARED.split(",")}
CASES |= MORE


def answers_by_hand(*names):
    """Exact ranges; for "products" those of `test_affine_forward`."""
    together = lambda x: {name: CASES[name][0](x) for name in names or CASES}
    for name, y in zonotope(together)(BOX).items():
        lo, hi = CASES[name][1]
        assert float(y.lo) <= lo and hi <= float(y.hi), name
        slack = 2.0**-20 * 8  # endpoints below 8 are moved out to float32
        assert float(y.lo) >= lo - slack and float(y.hi) <= hi + slack, name


def test_answers_by_hand():
    answers_by_hand()


SOME = """scan, undecided cond, max pool"""


@pytest.mark.parametrize("name", [" ".join(n.split()) for n in SOME.split(",")])
def test_programs(name):
    """Sampled outputs lie inside, up to the error of the samples (see test_bounds)."""
    f = PROGRAMS[name]
    box = tl.box(np.float32([0.3, -0.2, 0.1, 0.6]), radius=0.25)
    found, ibp = zonotope(f)(box), tl.bounds(f, method="ibp")(box)
    for x in points_of(box):
        y = np.asarray(jax.jit(f)(x), np.float64)
        slack = 2.0**-15 * (1 + np.abs(y))
        assert (np.asarray(found.lo) <= y + slack).all()
        assert (y - slack <= np.asarray(found.hi)).all()
    assert (np.asarray(found.lo) >= np.asarray(ibp.lo) - 1e-6).all()
    assert (np.asarray(found.hi) <= np.asarray(ibp.hi) + 1e-6).all()


def attend(x):
    """A layer norm and an attention of three places: products of two values, roots,
    softmax."""
    x = x.reshape(3, 2) @ jnp.float32([[1.0, -2.0, 0.5], [0.5, 1.0, 1.0]])
    x = x - x.mean(-1, keepdims=True)
    x = x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-3)
    return ((jax.nn.softmax(x @ x.T) @ x) * jnp.arange(1.0, 4.0)).sum()


def attention_is_bounded(size=2e-4):
    """Around its linear part, from both sides: |f(x) - f(c)| reaches the sum of the
    derivatives' magnitudes times the radius, up to terms of second order."""
    centre = jnp.float32([0.9, -0.4, 0.1, 0.7, -0.8, 0.3])
    with jax.enable_x64(True):
        wide = jnp.asarray(centre, jnp.float64)
        value, slope = jax.value_and_grad(attend)(wide)
        found = zonotope(attend)(tl.box(wide, radius=size))
        corner = size * jnp.sign(slope)
        highest, lowest = float(attend(wide + corner)), float(attend(wide - corner))
        lo, hi, value = float(found.lo), float(found.hi), float(value)
        reach = 1.05 * size * float(jnp.abs(slope).sum())
    assert value - reach <= lo <= lowest and highest <= hi <= value + reach


def test_attention_is_bounded_to_first_order():
    attention_is_bounded()


@pytest.mark.parametrize("norm", [1, 2])
def test_balls_by_the_dual_norm(norm):
    ball = tl.ball(CENTRE, 0.25, norm=norm)
    y = zonotope(lambda x: x @ WEIGHTS)(ball)
    for j in range(3):
        least = exact_minimum(WEIGHTS[:, j], CENTRE, ball.radius, norm)
        most = -exact_minimum(-WEIGHTS[:, j], CENTRE, ball.radius, norm)
        assert float(y.lo[j]) <= least and most <= float(y.hi[j])
        ulp = np.spacing(np.float32(max(abs(least), abs(most))))
        assert least - float(y.lo[j]) <= 2 * ulp and float(y.hi[j]) - most <= 2 * ulp


def test_a_variance():
    """Which `jnp.var` chooses, where there is an entry, before an array of NaN."""
    y = zonotope(jnp.var)(tl.box(np.zeros(2, np.float32), radius=0.5))
    assert -1e-6 < float(y.lo) <= 0 and 0.25 <= float(y.hi) < 0.250001


def test_under_vmap_and_grad():
    """In one program: widths of three boxes, and the derivative of one of them."""
    bounded = zonotope(lambda x: jax.nn.relu(x @ WEIGHTS[:2, :2] + 0.1))

    def width(radius):
        box = tl.Interval(jnp.zeros(2) - radius, jnp.zeros(2) + radius)
        return bounded(box).width.sum()

    with jax.enable_x64(True):
        radii = jnp.array([0.5, 0.5 + 1e-6, 0.5 - 1e-6])
        (_, more, less), slopes = jax.jit(jax.vmap(jax.value_and_grad(width)))(radii)
        assert float(slopes[0]) == pytest.approx(float(more - less) / 2e-6, rel=1e-4)


def test_verdicts():
    f = relu_net(dense((3, 6, 2), seed=2))
    box = tl.box(np.float32([0.5, -0.25, 0.125]), radius=0.1)
    lower = np.asarray(zonotope(f)(box).lo, np.float64)
    for move, status in ((-1e-3, "proved"), (1e-3, "unknown")):
        spec = tl.spec.linear(np.eye(2), lower + move)
        verdict = tl.verify(
            f, box, spec, method="zonotope", attack=False, certificate=False
        )
        assert verdict.status == status
        assert verdict.margin == pytest.approx(-move, abs=1e-6)


def test_zonotopes_that_do_not_fit_are_refused():
    f = lambda x: jax.nn.relu(x @ jnp.ones((40, 50)))
    box = tl.box(jnp.zeros(40), jnp.ones(40))
    with pytest.raises(tl.InputError, match="use the method crown"):
        zonotope(f, memory=20_000)(box)


# Pieces -------------------------------------------------------------------------------


def kinds_of(f, *shapes):
    args = [jnp.zeros(shape) for shape in shapes]
    closed = jax.make_jaxpr(f)(*args)
    graph = flatten(closed.jaxpr, closed.consts)
    return [
        Kind(equation, None, tuple(True for _ in equation.inputs))
        for equation in graph.equations
    ]


def test_equations_that_do_the_same_are_one_kind():
    same = kinds_of(lambda x: (jnp.sin(jnp.sin(x)), x * x), (3,))
    assert same[0] == same[1] and hash(same[0]) == hash(same[1])
    assert same[0] != same[2]


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: (x**3, x**5),
        lambda x, y: (x * x, x * y),
        lambda x, y: (jnp.sin(x), jnp.sin(x[:2])),
        lambda x, y: (x - y, y - x),
    ],
    ids=["parameter", "repeated", "shape", "order"],
)
def test_equations_that_differ_are_not(f):
    first, *_, second = kinds_of(f, (3,), (3,))
    # which operand is which is the order in which they are given
    assert (first == second) == (first.equation.name == "sub")


# Planted faults -----------------------------------------------------------------------


def no_rounding(patch):
    right = _zonotope_sums._affine_rest

    def rest(*args):
        return [Rest(z.level, 0 * z.radius, z.total) for z in right(*args)]

    patch.setattr(_zonotope_sums, "_affine_rest", rest)


def errors_share_coordinates(patch):
    right = _zonotope_forward.EnclosedByZonotopes.group
    everything = lambda self, norm=None: min(right(self, norm), 1)
    patch.setattr(_zonotope_forward.EnclosedByZonotopes, "group", everything)


def nothing_left_open(patch):
    """Of nonlinear steps; the coordinates of inputs stay."""
    right = _zonotope_sums.sloped

    def sloped(slopes, operands, left, group):
        middle = 0.5 * left.lo + 0.5 * left.hi
        return right(slopes, operands, Interval(middle, middle), group)

    patch.setattr(_zonotope_sums, "sloped", sloped)


def second_factor_forgotten(patch):
    patch.setattr(_zonotope_sums, "plus", lambda x, y: x)


def constants_forgotten(patch):
    right = _zonotope_sums.affine
    patch.setattr(_zonotope_sums, "affine", lambda *args: right(*args[:4]))


@pytest.mark.parametrize(
    ("fault", "check", "on"),
    [
        (no_rounding, cancellation_does_not_fool_it, [25]),
        (errors_share_coordinates, answers_by_hand, ["two errors"]),
        (nothing_left_open, answers_by_hand, ["one slope"]),
        (second_factor_forgotten, answers_by_hand, ["products"]),
        (constants_forgotten, answers_by_hand, ["a concatenated constant"]),
    ],
)
def test_planted_faults_are_noticed(fault, check, on, monkeypatch):
    check(*on)
    fault(monkeypatch)
    assert notices(check, *on)
