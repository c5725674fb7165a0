"""The import hook of `conftest.py` is at work: a wrong dtype or shape is refused."""

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._rounding import round_up


def test_the_annotations_of_the_package_are_enforced():
    assert round_up(jnp.ones(2)).shape == (2,)
    with pytest.raises(TypeCheckError, match="round_up"):
        round_up(jnp.ones(2, jnp.int32))


def test_an_int_will_do_for_a_float():
    assert (round_up(jnp.ones(2), ulps=4) > 1).all()


def test_jax_may_rebuild_a_value_with_anything_inside():
    structure = jax.tree.structure(Interval(jnp.ones(2), jnp.ones(2)))
    assert jax.tree.unflatten(structure, [None, object()]).lo is None
