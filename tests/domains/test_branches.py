"""The derivative of a branch, which hands the other branch memory nobody wrote."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl


def slope(x):
    """At (4, 9): half of 1/sqrt, which is (1/4, 1/6); where x[0] <= 0 it is 2 x."""
    roots = lambda x: jnp.sqrt(x).sum()
    squares = lambda x: (x * x).sum()
    return jax.grad(lambda x: lax.cond(x[0] > 0, roots, squares, x))(x)


X = jnp.float32([4.0, 9.0])


@pytest.mark.parametrize("domain", [tl.Real(), tl.Interval, tl.FP32(), tl.IEEE32()])
def test_a_derivative_goes_through_a_branch(domain):
    assert "empty2" in str(jax.make_jaxpr(slope)(X))
    found = tl.interpret(slope, domain=domain)(domain.lift(X))
    if hasattr(found, "to_float"):
        found = tl.Interval.lift(found.to_float())
    found = getattr(found, "execution", found)
    lo, hi = (np.asarray(end, np.float64) for end in (found.lo, found.hi))
    assert (lo - 1e-6 <= [1 / 4, 1 / 6]).all() and (hi + 1e-6 >= [1 / 4, 1 / 6]).all()
    assert (hi - lo <= 1e-6).all()


def test_where_both_branches_may_run_nothing_is_known_or_both_are_covered():
    box = tl.box(jnp.float32([-1.0, 4.0]), jnp.float32([1.0, 4.0]))
    found = tl.interpret(slope, domain=tl.Interval)(box)
    # d/dx[1] is 8 on one side and 1/4 on the other
    assert bool(found.contains(jnp.float32([0.0, 8.0]))[1])
    assert bool(found.contains(jnp.float32([0.0, 0.25]))[1])
