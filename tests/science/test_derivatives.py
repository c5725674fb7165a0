"""Jets of affine forms: derivatives beside mpmath, ranges beside dense samples."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science import _curves, _forms, supremum
from torchlean_jax.science._derivatives import derivatives
from torchlean_jax.science._jets import Jets

ORDERS = [(0, 0), (0, 1), (1, 1, 1)]
BOXES = [((-0.3, 0.2), 0.4), ((1.5, -2.0), 0.01), ((0.0, 0.0), 0.0)]


def net(x):
    """Every smooth primitive there is a rule for, in a network of two inputs."""
    weights = jnp.asarray([[0.7, -1.1, 0.4], [0.3, 0.8, -0.9]])
    h = x @ weights
    a, b, c = h[0], h[1], h[2]
    return (
        jnp.tanh(a) * jnp.sin(b) + jax.nn.softplus(c) / 3 - jnp.exp(-a) * b**3
        + jax.nn.sigmoid(b * c) * jnp.cos(a) + jnp.sum(jnp.square(x[::-1]))
    )  # fmt: skip


def enclosures(f, orders, lo, hi):
    jets = Jets(orders, len(lo))
    found = jets.enclosures(tl.interpret(f, domain=jets)(jets.input(lo, hi)))
    return jets.orders, found


@pytest.fixture(scope="module")
def compiled():
    with jax.enable_x64(True):
        jets = Jets(ORDERS, 2)
        return jets.orders, jax.jit(lambda lo, hi: enclosures(net, ORDERS, lo, hi)[1])


def exact_net(x, y):
    a, b, c = (
        mpmath.mpf(u) * x + mpmath.mpf(v) * y
        for u, v in zip(
            *np.asarray([[0.7, -1.1, 0.4], [0.3, 0.8, -0.9]]).tolist(), strict=True
        )
    )
    logistic = 1 / (1 + mpmath.exp(-b * c))
    softplus = mpmath.log(1 + mpmath.exp(c))
    value = mpmath.tanh(a) * mpmath.sin(b) + softplus / 3 - mpmath.exp(-a) * b**3
    return value + logistic * mpmath.cos(a) + x**2 + y**2


@pytest.mark.parametrize(("centre", "radius"), BOXES, ids=str)
def test_derivatives_lie_in_their_enclosures(compiled, centre, radius, monkeypatch):
    orders, enclose = compiled
    centre = np.array(centre)
    with jax.enable_x64(True):
        found = jax.tree.map(np.asarray, enclose(centre - radius, centre + radius))
    monkeypatch.setattr(mpmath.mp, "dps", 40)
    rng = np.random.default_rng(0)
    for _ in range(4):
        x, y = centre + rng.uniform(-radius, radius, 2)
        for order, lo, hi in zip(orders, found.lo, found.hi, strict=True):
            times = order.count(0), order.count(1)
            exact = mpmath.diff(exact_net, (mpmath.mpf(x), mpmath.mpf(y)), times)
            slack = mpmath.mpf(10) ** -11
            assert lo - slack <= exact <= hi + slack, order
            assert hi - lo < 1e-9 or radius > 0


def test_enclosures_shrink_with_the_square_of_the_box(compiled):
    """A first-order form loses what is of second order: half the box, a quarter."""
    orders, enclose = compiled
    lost = []
    with jax.enable_x64(True):
        for radius in (0.02, 0.01):
            middle = np.array([0.4, -0.7])
            found = enclose(middle - radius, middle + radius)
            axis = np.linspace(-radius, radius, 9)
            grid = middle + np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
            values = jax.jit(jax.vmap(derivatives(net, orders)))(grid)
            lost.append(found.hi - found.lo - np.ptp(np.asarray(values), axis=0))
    assert (np.asarray(lost[1]) < 0.35 * np.asarray(lost[0])).all()


@pytest.mark.parametrize("name", sorted(_curves.CURVES))
@pytest.mark.parametrize("ends", [(-0.4, 0.9), (1.0, 1.25), (-8.0, 8.0), (0.5, 0.5)])
def test_derivatives_of_curves_over_intervals(name, ends, monkeypatch):
    plain = {
        "tanh": mpmath.tanh,
        "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
        "sin": mpmath.sin,
        "cos": mpmath.cos,
        "exp": mpmath.exp,
        "log": mpmath.log,
        "call:softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    }[name]
    monkeypatch.setattr(mpmath.mp, "dps", 60)
    with jax.enable_x64(True):
        x = Interval(*map(jnp.float64, ends))
        for k, found in enumerate(_curves.CURVES[name].derivatives(x, 5)):
            lo, hi = float(found.lo), float(found.hi)
            if name == "log" and ends[0] <= 0:  # nothing is known where it ends
                assert not (np.isfinite(lo) and np.isfinite(hi)), k
                continue
            exact = [
                mpmath.diff(plain, mpmath.mpf(p), k) for p in np.linspace(*ends, 41)
            ]
            slack = mpmath.mpf(10) ** -14
            assert lo <= min(exact) + slack and max(exact) - slack <= hi, k
            spread = float(max(exact) - min(exact))
            # 41 points see nearly all of a short interval
            assert hi - lo <= 1.1 * spread + 1e-10 or ends[1] - ends[0] > 2, k


def test_a_bound_near_what_points_attain():
    found = supremum(
        lambda x: jnp.sin(x[0]) * jnp.tanh(x[1]), [0.0, 0.0], [3.0, 2.0], order=(0, 1)
    )
    # cos(x) (1 - tanh(y)^2): its largest magnitude is 1, at the corner 0
    assert found.finished and 1.0 <= found.bound <= 1.01 and found.sampled <= 1.0
    assert (found.at <= 0.1).all() and found.cells < 5000


def test_no_time_still_gives_a_bound():
    found = supremum(lambda x: jnp.sin(40 * x[0]), [0.0], [3.0], seconds=1e-9)
    assert 1.0 <= found.bound < np.inf and found.cells == 8


def test_a_lost_remainder_would_be_noticed(monkeypatch):
    """Without what both factors deviate by together, a product is too small."""
    right = _forms.times

    def wrong(f, g):
        return right(f, g).at[-1].set(0.0)

    monkeypatch.setattr(_forms, "times", wrong)
    with jax.enable_x64(True):
        one = np.array([1.0, 1.0])
        _, found = enclosures(lambda x: x[0] * x[1], [], -one, one)
        assert not float(found.hi[0]) >= 1.0


@pytest.mark.parametrize(
    "arguments",
    [
        {"lo": [0.0], "hi": [0.0]},
        {"lo": [0.0], "hi": [np.inf]},
        {"lo": 0.0, "hi": 1.0},
        {"lo": [0.0], "hi": [1.0], "order": (1,)},
        {"lo": [0.0], "hi": [1.0], "tolerance": 0.0},
    ],
)
def test_questions_without_a_meaning_are_refused(arguments):
    with pytest.raises(tl.InputError):
        supremum(lambda x: jnp.sin(x[0]), **arguments)


def test_a_kink_has_no_derivatives():
    with pytest.raises(tl.MissingRuleError, match="abs"):
        supremum(lambda x: jnp.abs(x[0]), [-1.0], [1.0], order=(0,))
    with pytest.raises(tl.MissingRuleError, match="max"):
        supremum(lambda x: jnp.maximum(x[0], 0), [-1.0], [1.0], order=(0,))


def test_a_cast_to_integers_is_no_identity():
    """x - int(x) is not 0."""

    def sawtooth(x):
        return x[0] - x[0].astype(jnp.int32).astype(x.dtype)

    with pytest.raises(tl.InputError, match="cast to int32"):
        supremum(sawtooth, [0.0], [2.0])


def test_a_branch_that_is_known_is_taken():
    jets = Jets([(0,)], 1)

    def either(first, lo, hi):
        f = lambda x: jax.lax.cond(first, jnp.sin, jnp.cos, x[0])
        return jets.enclosures(tl.interpret(f, domain=jets)(jets.input(lo, hi)))

    with jax.enable_x64(True):
        found = jax.jit(either)(True, jnp.array([0.5]), jnp.array([0.75]))
        found = jax.tree.map(np.asarray, found)
    lo, hi = found.lo[jets.place[(0,)]], found.hi[jets.place[(0,)]]
    assert lo <= np.cos(0.75) and np.cos(0.5) <= hi and hi - lo < 0.2
    with pytest.raises(tl.InputError, match="no jet says"):
        jets.join([], [])
