"""A value narrowed by what is known of its result over the reals."""

import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax.domains.fp32 import FP32Value
from torchlean_jax.domains.fp32._result import narrowed
from torchlean_jax.domains.interval import Interval

NAN, INF = np.nan, np.inf


def value(real, error, run):
    ends = [Interval(*(jnp.float32([e]) for e in pair)) for pair in (real, run)]
    return FP32Value(ends[0], jnp.float32([error]), ends[1], jnp.dtype("float32"))


@pytest.mark.parametrize(
    "real, error, run, known, new_real, most_error, around",
    [
        # the runs of reals between 1 and 2 are within 1/2 of them
        ((-4, 4), 0.5, (-4.5, 4.5), (1, 2), (1, 2), 0.5, (0.5, 2.5)),
        # what is no wider says nothing, at either end
        ((-4, 4), 0.5, (-4.5, 4.5), (-5, 5), (-4, 4), 0.5, (-4.5, 4.5)),
        ((-4, 4), 0.5, (-4.5, 4.5), (1, 9), (1, 4), 0.5, (0.5, 4.5)),
        # runs may be known better than by their error; then so is the error
        ((-4, 4), 8.0, (-1, 1), (0, 0), (0, 0), 1.0, (-1, 1)),
        # nothing is known of the error: the runs stay where they are
        ((-4, 4), INF, (-INF, INF), (1, 2), (1, 2), INF, (-INF, INF)),
        # no number over the reals, or none in what is known
        ((NAN, NAN), INF, (NAN, NAN), (1, 2), (NAN, NAN), INF, (NAN, NAN)),
        ((-4, 4), 0.5, (-4.5, 4.5), (NAN, NAN), (-4, 4), 0.5, (-4.5, 4.5)),
    ],
)
def test_what_is_known_by_hand(real, error, run, known, new_real, most_error, around):
    found = narrowed(
        value(real, error, run), Interval(*(jnp.float32([e]) for e in known))
    )
    np.testing.assert_array_equal([found.real.lo[0], found.real.hi[0]], new_real)
    got = [found.execution.lo[0], found.execution.hi[0]]
    # outward, by no more than what adding in float32 may cost
    np.testing.assert_allclose(got, around, rtol=1e-5)
    assert not got[0] > around[0] and not got[1] < around[1]
    assert float(found.error[0]) >= most_error
    np.testing.assert_allclose(found.error[0], most_error, rtol=1e-5)


def test_where_it_came_from_is_kept():
    old = value((-1, 1), 0.0, (-1, 1))
    old = FP32Value(old.real, old.error, old.execution, old.dtype, origin="somewhere")
    assert narrowed(old, Interval(jnp.zeros(1), jnp.ones(1))).origin == "somewhere"
