"""Bounds of derivatives, both ways, beside mpmath's derivatives at points."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from jax.experimental import jet

import torchlean_jax as tl
from torchlean_jax.interpreters._crown import METHODS
from torchlean_jax.science import _forms, _taylor, derivative_bounds

# Two inputs, five units, each with another curve; numbers that binary32 holds.
UNITS = [[0.75, -1.125, 0.375, 0.5, -0.25], [0.3125, 0.75, -0.875, 1.25, 0.5]]
ORDERS = [(0,), (1,), (0, 0), (0, 1), (1, 1)]
LO, HI = np.array([0.125, -0.375]), np.array([0.1875, -0.25])


def net(x):
    a, b, c, d, e = x @ jnp.asarray(UNITS)
    return jnp.tanh(a) * jnp.sin(b) + jax.nn.softplus(c) + jax.nn.swish(d) + e**3


def exact_net(*x):
    a, b, c, d, e = (
        sum(mpmath.mpf(w) * v for w, v in zip(column, x, strict=True))
        for column in zip(*UNITS, strict=True)
    )
    swish, softplus = d / (1 + mpmath.exp(-d)), mpmath.log(1 + mpmath.exp(c))
    return mpmath.tanh(a) * mpmath.sin(b) + softplus + swish + e**3


@pytest.fixture(scope="module")
def exact():
    """The derivatives of ORDERS at points of the box, to 30 digits or so."""
    rng, found = np.random.default_rng(0), []
    with mpmath.workdps(50):
        for x in [LO, HI, *rng.uniform(LO, HI, (4, 2))]:
            times = [(o.count(0), o.count(1)) for o in ORDERS]
            point = tuple(map(mpmath.mpf, x.tolist()))
            found.append([mpmath.diff(exact_net, point, n) for n in times])
    return found


def differentiated(x):
    """As JAX writes them: by grad, by jvp, and the Hessian with its trace."""
    along = jax.jvp(net, (x,), (jnp.array([1.0, 0.0], x.dtype),))[1]
    bends = jax.hessian(net)(x)
    return jax.grad(net)(x), along, bends, jnp.trace(bends)


def contains(x, values) -> bool:
    slack = mpmath.mpf(10) ** -25
    ends = zip(np.ravel(x.lo), np.ravel(x.hi), values, strict=True)
    return all(a - slack <= v <= b + slack for a, b, v in ends)


def test_whichever_way_jax_differentiates(exact):
    with jax.enable_x64(True):
        run = jax.jit(tl.bounds(differentiated, method="ibp"))
        slopes, along, bends, trace = run(tl.box(LO, HI))
    for a, b, aa, ab, bb in exact:
        assert contains(slopes, [a, b]) and contains(along, [a])
        assert contains(bends, [aa, ab, ab, bb]) and contains(trace, [aa + bb])
    assert np.isfinite([bends.lo, bends.hi]).all()


def test_jets_of_jax_are_programs_like_any_other():
    """The third derivative of sin(x) exp(x), 2 exp(x) (cos(x) - sin(x))."""
    f = lambda x: jnp.sin(x) * jnp.exp(x)
    third = lambda x: jet.jet(f, (x,), ((1.0, 0.0, 0.0),))[1][2]
    lo, hi = 0.25, 0.375
    with jax.enable_x64(True):
        found = jax.jit(tl.bounds(third, method="ibp"))(tl.box(lo, hi))
    for x in np.linspace(lo, hi, 9):
        x = mpmath.mpf(x)
        assert contains(found, [2 * mpmath.exp(x) * (mpmath.cos(x) - mpmath.sin(x))])
    assert float(found.hi - found.lo) < 3


def small(x):
    """One input, as what XLA compiles for five methods grows with the program."""
    return jnp.tanh(0.75 * x[0])


def exact_small(x, order):
    with mpmath.workdps(50):
        return mpmath.diff(lambda v: mpmath.tanh(0.75 * v), mpmath.mpf(x), order)


# the second derivative takes a minute of XLA's time by "forward"
BY_METHOD = {"crown-ibp": 2, "crown": 2}  # 1 for the others


@pytest.mark.parametrize("method", [m for m in METHODS if m != "ibp"])
def test_the_program_of_a_derivative_is_bounded(method):
    """By every other method; 1.2 of what points attain is for their relaxations."""
    lo, hi, order = 0.25, 0.375, BY_METHOD.get(method, 1)
    made = jax.grad(small) if order == 1 else jax.hessian(small)
    with jax.enable_x64(True):
        found = jax.jit(tl.bounds(made, method=method))(tl.box([lo], [hi]))
    exact = [exact_small(x, order) for x in np.linspace(lo, hi, 9)]
    assert all(contains(found, [value]) for value in exact)
    assert float(found.hi.item() - found.lo.item()) <= 1.2 * (max(exact) - min(exact))


def test_where_jets_of_jax_do_not_enter_is_said():
    """jax.nn.softplus is jitted and has a derivative rule."""
    bend = lambda x: jet.jet(jax.nn.softplus, (x,), ((1.0, 0.0),))[1][1]
    with pytest.raises(jax.errors.UnexpectedTracerError) as caught:
        tl.bounds(bend)(tl.box(0.0, 1.0))
    assert any("derivative_bounds" in note for note in caught.value.__notes__)


def test_jets_of_intervals_hold_the_derivatives(exact):
    """Those of forms: `test_derivatives`."""
    bounded = derivative_bounds(net, ORDERS, method="taylor-interval")
    found = bounded(tl.box(LO, HI))
    assert list(found.by) == ["taylor-interval"]
    assert found.bounds.lo.dtype == np.float64
    assert all(contains(found.bounds, values) for values in exact)


def test_a_lost_remainder_would_be_noticed(monkeypatch):
    """(x y)_x = y, which is from -1 to 1 on the box."""
    right = _forms.times
    monkeypatch.setattr(_forms, "times", lambda f, g: right(f, g).at[-1].set(0.0))
    bounded = derivative_bounds(lambda x: x[0] * x[1], [(0,)], method="taylor-interval")
    found = bounded(tl.box([-1.0, -1.0], [1.0, 1.0])).bounds
    assert not (contains(found, [1]) and contains(found, [-1]))


def laplacian(x, d):
    return d[0, 0] + d[1, 1]


def test_terms_that_cancel_do():
    """sin(x) exp(y) is harmonic: as forms the terms leave what is of second order."""
    harmonic = lambda x: jnp.sin(x[0]) * jnp.exp(x[1])
    bounded = derivative_bounds(harmonic, [(0, 0), (1, 1)], of=laplacian)
    widths = []
    for radius in (0.125, 0.0625):
        found = bounded(tl.box([0.5, 0.25], radius=radius)).bounds
        assert contains(found, [0])
        widths.append(float(found.hi - found.lo))
    assert widths[1] < 0.3 * widths[0]


def test_the_tightest_is_what_all_have_in_common(monkeypatch):
    monkeypatch.setattr(_taylor, "_COMPARED", (*_taylor.TAYLOR, "ibp"))
    lo, hi = 0.25, 0.375
    found = derivative_bounds(small, [(0, 0)], method="tightest")(tl.box([lo], [hi]))
    assert list(found.by) == ["taylor-affine", "taylor-interval", "ibp"]
    for x in np.linspace(lo, hi, 9):
        assert contains(found.bounds, [exact_small(x, 2)])
    for own in found.by.values():
        assert (own.lo <= found.bounds.lo).all() and (own.hi >= found.bounds.hi).all()
    (name,) = found.tightest
    widths = {k: (x.hi - x.lo).item() for k, x in found.by.items()}
    assert widths[name] == min(widths.values())


def test_what_has_no_jets_goes_by_its_program():
    """The slope of |x| x is 2 |x|, which JAX writes with a sign."""
    f = lambda x: jnp.abs(x[0]) * x[0]
    found = derivative_bounds(f, [(0,)])(tl.box([0.25], [0.5]))
    assert list(found.by) == ["crown"]
    assert float(found.bounds.lo[0]) <= 0.5 and 1.0 <= float(found.bounds.hi[0]) < 1.01
    with pytest.raises(tl.MissingRuleError, match="abs"):
        derivative_bounds(f, [(0,)], method="taylor-affine")(tl.box([0.25], [0.5]))


def test_a_rule_that_is_no_derivative_is_noticed(monkeypatch):
    """JAX believes it, Taylor mode does not read it."""
    wrong = jax.custom_jvp(jnp.sin)
    wrong.defjvp(lambda x, v: (jnp.sin(x[0]), 3 * v[0]))
    monkeypatch.setattr(_taylor, "_COMPARED", ("taylor-interval", "ibp"))
    f = lambda x: wrong(x[0])
    with pytest.raises(tl.UndecidedError, match="no value in common"):
        derivative_bounds(f, [(0,)], method="tightest")(tl.box([0.25], [0.5]))


def test_many_inputs_are_carried_as_intervals():
    f = lambda x: jnp.sum(jnp.sin(x) ** 2)
    found = derivative_bounds(f, [(3, 3)])(tl.box(np.zeros(40), np.full(40, 0.01)))
    assert list(found.by) == ["taylor-interval"]
    # 2 cos(2 x) on [0, 0.01]
    assert 2 * np.cos(0.02) >= float(found.bounds.lo[0]) > 1.9
    assert 2.0 <= float(found.bounds.hi[0]) < 2.1


@pytest.mark.parametrize(
    ("orders", "more", "region", "said"),
    [
        ([(0,)], {"method": "taylor"}, ([0.0], [1.0]), "unknown method 'taylor'"),
        ([], {}, ([0.0], [1.0]), "no order is given"),
        ([(1,)], {}, ([0.0], [1.0]), "not in 0..0"),
        ([(0,)], {}, (0.0, 1.0), "shape"),
    ],
)
def test_questions_without_a_meaning_are_refused(orders, more, region, said):
    with pytest.raises(tl.InputError, match=said):
        derivative_bounds(lambda x: jnp.sum(x), orders, **more)(tl.box(*region))
