"""The import hook of `conftest.py` is at work: a wrong dtype or shape is refused."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import Array, Float, TypeCheckError

from tests import typechecker
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._rounding import round_up
from torchlean_jax.pallas_kernels._tiles import power_of_two


def test_the_annotations_of_the_package_are_enforced():
    assert round_up(jnp.ones(2)).shape == (2,)
    with pytest.raises(TypeCheckError, match="round_up"):
        round_up(jnp.ones(2, jnp.int32))


def test_of_a_function_that_names_no_array_as_well():
    assert power_of_two(5) == 8
    with pytest.raises(BeartypeCallHintViolation, match="power_of_two"):
        power_of_two("5")


@pytest.mark.parametrize(
    ("hint", "named"),
    [
        (Float[Array, "n"], True),
        (Float[Array, "n"] | None, True),
        (dict[str, list[Float[Array, "n"]]], True),
        (Callable[[Float[Array, "n"]], int], True),
        ("Later", True),
        (list["Later"], True),
        (Array, False),
        (Callable[..., Array | None], False),
    ],
)
def test_what_names_an_array_keeps_its_sizes_together(hint, named):
    """One size for each name throughout a call, which beartype alone does not keep."""
    assert typechecker._names_an_array(hint) == named


def test_an_int_will_do_for_a_float():
    assert (round_up(jnp.ones(2), ulps=4) > 1).all()


def test_jax_may_rebuild_a_value_with_anything_inside():
    structure = jax.tree.structure(Interval(jnp.ones(2), jnp.ones(2)))
    assert jax.tree.unflatten(structure, [None, object()]).lo is None
