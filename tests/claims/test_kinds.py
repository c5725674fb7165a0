"""Each kind of claim: it holds of a right function, and a witness is shown against a
wrong one. The programs and what is wrong with them are in `programs.py`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.claims.programs import PROGRAMS, energy
from torchlean_jax import claims


def checked(decorator, function, *example, seed=0):
    fresh = functools.wraps(function)(lambda *args: function(*args))
    claiming = decorator(claims.example(*example)(fresh))
    (result,) = claims.check(claiming, seed=seed)
    return result


def test_every_kind_has_programs():
    others = {"Claim", "Result", "check", "example"}
    assert set(PROGRAMS) == set(claims.__all__) - others


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_right_function_keeps_its_claim(kind):
    decorator, example, right, _, _ = PROGRAMS[kind]
    result = checked(decorator, right, *example)
    assert result.holds is True and result, str(result)
    assert result.name == kind and result.report is not None


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_wrong_function_is_caught_with_a_witness(kind):
    decorator, example, _, wrong, said = PROGRAMS[kind]
    result = checked(decorator, wrong, *example)
    assert result.holds is False and not result
    assert said in result.why, result.why


def test_a_bound_that_is_attained_holds():
    """`verify` proves strict inequalities only, and finds relu(-1) = 0."""
    at_least_0 = claims.bounded_by(0.0, np.inf, box=(-1.0, 1.0))
    assert checked(at_least_0, jax.nn.relu, "f32[2]").holds is True
    # 0 is attained on a whole face; what is wrong is at the other end
    tied = checked(at_least_0, lambda x: jnp.maximum(x[0], 0) * (x[1] - 0.75), "f32[2]")
    assert tied.holds is False and "at x = " in tied.why


def test_what_bounds_leave_open_is_undecided_and_a_search_decides():
    def checked_with(**options):
        claim = claims.bounded_by(0.0, np.inf, box=(-1.0, 1.0), attack=False, **options)
        return checked(claim, lambda x: x**4 - x**2 + 0.3, "f32[]")

    left = checked_with()
    assert left.holds is None and left.report.status == "unknown"
    assert checked_with(split=True, timeout=60).holds is True


def test_a_radius_is_around_the_example():
    x = jnp.asarray([1.0, 2.0])
    score = lambda weights, x: weights @ x
    weights = jnp.asarray([1.0, -1.0])
    near = claims.bounded_by(-2.0, 0.0, radius=0.49, argnums=1)
    far = claims.bounded_by(-2.0, 0.0, radius=0.51, argnums=1)
    assert checked(near, score, weights, x).holds is True
    assert checked(far, score, weights, x).holds is False
    unknown = checked(near, score, "f32[2]", x)
    assert unknown.holds is None and "by its shape only" in unknown.why


def test_limits_that_say_nothing_are_refused_where_they_stand():
    for lo, hi in [(1.0, 0.0), (-np.inf, np.inf), (np.nan, 1.0), (np.inf, np.inf)]:
        with pytest.raises(tl.InputError, match="bounded_by"):
            claims.bounded_by(lo, hi, box=(0.0, 1.0))
    for given in ({}, {"box": (0.0, 1.0), "radius": 1.0}, {"box": [0.0, 1.0]}):
        with pytest.raises(tl.InputError, match="bounded_by"):
            claims.bounded_by(0.0, 1.0, **given)


def test_a_dependence_that_nothing_exhibits_is_undecided():
    result = checked(claims.causal(), lambda x: x + (x - x)[::-1], "f32[3]")
    assert result.holds is None and "possible" in result.why


def test_arguments_given_by_shape_take_any_value():
    """A projection of zeros hides a leak; one of any value does not."""
    model = lambda w, x: x + x[::-1] @ w
    causal = claims.causal(argnums=1)
    assert checked(causal, model, jnp.zeros((2, 2)), "f32[4,2]").holds is True
    assert checked(causal, model, "f32[2,2]", "f32[4,2]").holds is False


def test_derivatives_of_every_shape():
    jacobian = jax.jacrev(lambda x: jnp.sin(x) * x[0])
    of_vector = claims.derivative_of(lambda x: jnp.sin(x) * x[0])
    assert checked(of_vector, lambda x: jacobian(x), "f32[3]")
    assert checked(of_vector, lambda x: jacobian(x).T, "f32[3]").holds is False
    cosine = claims.derivative_of(jnp.sin)
    assert checked(cosine, lambda x: jnp.cos(x), "f32[2,2]")
    assert checked(cosine, lambda x: -jnp.cos(x), "f32[2,2]").holds is False
    wrong_shape = checked(cosine, lambda x: jnp.cos(x).sum(), "f32[2]")
    assert wrong_shape.holds is None and "has the shape (2, 2)" in wrong_shape.why


def test_derivatives_in_some_arguments():
    def loss(weights, x, scale):
        return scale * jnp.sum(jnp.tanh(x @ weights["w"]))

    example = {"w": "f32[3]"}, "f32[2,3]", 2.0
    by_weights = jax.grad(loss)
    assert checked(
        claims.derivative_of(loss),
        lambda w, x, scale: by_weights(w, x, scale),
        *example,
    )
    both = claims.derivative_of(loss, argnums=(1, 0))
    swapped = jax.grad(loss, argnums=(1, 0))
    assert checked(both, lambda w, x, scale: swapped(w, x, scale), *example)
    halved = lambda w, x, scale: jax.tree.map(lambda g: g / 2, swapped(w, x, scale))
    result = checked(both, halved, *example)
    assert result.holds is False and "claimed" in result.why


def test_the_seed_draws_other_numbers():
    errors = [
        checked(claims.gradient(), energy, "f32[2]", seed=seed).report.leaves[0]
        for seed in (0, 0, 1)
    ]
    assert errors[0] == errors[1] != errors[2]
