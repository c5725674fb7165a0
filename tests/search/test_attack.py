"""The attack finds what is there to find, stays in the box, and is deterministic.

What its findings are worth is not judged here: `test_confirm.py` and
`tests/test_verify.py` do.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.search.faults import notices, planted
from torchlean_jax import Interval, box, spec
from torchlean_jax._snapshot import snapshot
from torchlean_jax.domains._errors import InputError
from torchlean_jax.search import Attack, _attack, _inside

QUICK = Attack(restarts=8, steps=12)


def propose(f, args, given, options=QUICK, seed=0):
    current = snapshot(f, args, Interval.is_value)
    formula = given.formula(current.trace.out_avals)
    return _attack.propose(current, args, formula, options, seed)


def positive(width=1):
    return spec.linear(np.eye(width))


def vector(*values, dtype=jnp.float32):
    return jnp.asarray(values, dtype)


def affine(x):
    return jnp.atleast_1d(vector(1, -2, 3, -4) @ x)


def test_the_least_corner_of_an_affine_function_is_found():
    found = propose(affine, (box(-jnp.ones(4), jnp.ones(4)),), positive())
    assert found.used_gradient
    np.testing.assert_array_equal(found.points[0][0], [-1, 1, -1, 1])
    assert found.losses[0] == -10


def test_an_interior_minimum_is_found():
    centre = vector(0.3, -0.2, 0.6)
    f = lambda x: jnp.sum((x - centre) ** 2)[None]
    found = propose(f, (box(-jnp.ones(3), jnp.ones(3)),), positive(), Attack(8, 60))
    np.testing.assert_allclose(found.points[0][0], centre, atol=0.05)
    assert found.losses == sorted(found.losses)


@pytest.mark.parametrize("row", range(3))
def test_each_row_is_aimed_at(row):
    """Only row `row` can be violated, far from where the least of all rows leads."""

    def f(x, row):
        lowest = 1 + 0.4 * x  # three slow rows, least at x = -1, and never violated
        return jnp.where(jnp.arange(3) == row, 2.5 - 3 * x, lowest)

    found = propose(f, (box(-jnp.ones(3), jnp.ones(3)), row), positive(3))
    assert found.losses[0] == -0.5


def test_all_clauses_of_a_disjunction_are_attacked_together():
    f = lambda x: jnp.stack([x[0], x[1]])
    either = spec.linear([1, 0]) | spec.linear([0, 1])
    found = propose(f, (box(-jnp.ones(2), jnp.ones(2)),), either)
    assert found.losses[0] < 0 and (found.points[0][0] < 0).all()


def no_derivative(x):
    """Reverse mode refuses a `while` loop."""
    body = lambda c: (c[0] + 1, c[1] - 0.1)
    return jax.lax.while_loop(lambda c: c[0] < 3, body, (0, x))[1]


def flat(x):
    return jnp.floor(x * 4)


@pytest.mark.parametrize(("f", "gradient"), [(no_derivative, False), (flat, True)])
def test_models_without_slope_are_searched_at_random(f, gradient):
    found = propose(f, (box(vector(-0.3), vector(2.0)),), positive(), Attack(16, 10))
    assert found.used_gradient is gradient
    assert found.losses[0] < 0


def test_a_model_that_cannot_be_batched_is_mapped(monkeypatch):
    def refuse(step):
        def batched(*args):
            raise NotImplementedError(step)

        return batched

    monkeypatch.setattr(_attack, "_by_vmap", refuse)
    found = propose(affine, (box(-jnp.ones(4), jnp.ones(4)),), positive())
    assert found.losses[0] == -10 and found.used_gradient
    monkeypatch.setattr(_attack, "_by_map", refuse)
    other = lambda x: affine(x) + 1
    assert propose(other, (box(-jnp.ones(4), jnp.ones(4)),), positive()).points == []


def test_a_seed_fixes_everything():
    f = lambda x: jnp.sum(jnp.sin(9 * x))[None]
    args = (box(-jnp.ones(5), jnp.ones(5)),)
    runs = [propose(f, args, positive(), Attack(4, 3), seed) for seed in (0, 0, 1)]
    points = [np.stack([p[0] for p in run.points]) for run in runs]
    np.testing.assert_array_equal(points[0], points[1])
    assert (points[0] != points[2]).any()


def test_pytrees_of_boxes_and_concrete_arguments():
    def f(params, inputs, count):
        return (params["w"] * inputs["a"]).sum()[None] + inputs["b"] + count

    params = {"w": vector(1, -1)}
    inputs = {"a": box(-jnp.ones(2), jnp.ones(2)), "b": box(vector(0.0), vector(3.0))}
    found = propose(f, (params, inputs, 1), positive())
    w, a, b, count = found.points[0]
    assert a.tolist() == [-1, 1] and b.tolist() == [0]
    assert w is params["w"] and count == 1
    assert found.losses[0] == -1


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_points_have_the_dtype_of_the_box(dtype):
    found = propose(affine, (box(jnp.zeros(4, dtype), jnp.ones(4, dtype)),), positive())
    assert {p[0].dtype for p in found.points} == {jnp.dtype(dtype)}


def test_float64_models_are_attacked_in_float64():
    with jax.enable_x64(True):
        f = lambda x: x - (1 + 2.0**-40)
        args = (box(jnp.ones(1), jnp.ones(1) + 2.0**-39),)
        assert args[0].dtype == jnp.float64
        assert propose(f, args, positive()).losses[0] == -(2.0**-40)


LARGEST, TINY = np.finfo(np.float32).max, np.float32(1e-40)
BOXES = {
    "whole line": (-LARGEST, LARGEST),
    "subnormal": (TINY, np.float32(2e-40)),
    "from a subnormal": (TINY, np.float32(1)),
    "one point": (np.float32(0.1), np.float32(0.1)),
    "adjacent": (np.float32(1), np.nextafter(np.float32(1), np.float32(2))),
    "negative subnormal": (-np.float32(1), -TINY),
}


def points_stay_inside(lo, hi):
    args = (Interval(jnp.full(3, lo), jnp.full(3, hi)),)
    found = propose(lambda x: x * 2, args, positive(3), Attack(8, 6, candidates=8))
    for (x,) in found.points:
        assert ((lo <= x) & (x <= hi)).all()


@pytest.mark.parametrize("name", BOXES)
def test_points_stay_inside(name):
    points_stay_inside(*BOXES[name])


def test_leaving_the_box_would_be_noticed():
    """XLA reads a subnormal endpoint as zero, so its own clip is not enough."""
    clipped = "return np.where(x < lo, lo, np.where(x > hi, hi, x))"
    with planted(_inside, clipped, "return x"):
        assert notices(points_stay_inside, *BOXES["subnormal"])


def test_nan_is_no_minimum():
    f = lambda x: jnp.where(x < 0, jnp.nan, x + 1)
    found = propose(f, (box(vector(-1.0), vector(1.0)),), positive())
    assert 1 <= found.losses[0] < 1.5
    nowhere = propose(
        lambda x: x * jnp.nan, (box(vector(-1.0), vector(1.0)),), positive()
    )
    assert nowhere.losses[0] == np.inf


def test_another_label_does_not_compile_again(monkeypatch):
    traced = []
    weights = _attack._weights
    monkeypatch.setattr(_attack, "_weights", lambda *a: traced.append(1) or weights(*a))
    f = lambda x: jnp.stack([x[0], x[1], x[0] - x[1]])
    args = (box(vector(0, 0), vector(1, 1)),)
    propose(f, args, spec.margin(0))
    before = len(traced)
    propose(
        lambda x: jnp.stack([x[0], x[1], x[0] - x[1]]), args, spec.margin(2), seed=5
    )
    assert len(traced) == before > 0


@pytest.mark.parametrize(
    "options",
    [{"restarts": 0}, {"steps": -1}, {"candidates": 1.5}, {"momentum": 1.0}],
)
def test_bad_options_are_refused(options):
    with pytest.raises(InputError):
        Attack(**options)
