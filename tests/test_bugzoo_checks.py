"""The named checks of the Bug Zoo that no public call of the package asks."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from torchlean_jax import bugzoo
from torchlean_jax.bugzoo._checks import distinct_keys

normal, split, fold_in = jax.random.normal, jax.random.split, jax.random.fold_in


def folded_alike(key):
    return normal(fold_in(key, 3)) + normal(fold_in(key, jnp.int32(3)))


def parent_and_child(key):
    return normal(split(key)[0]) + normal(key)


def rows(key):
    return jax.vmap(normal)(split(key, 3)).sum() + normal(split(key, 2)[0])


def in_a_loop(key):
    return lax.fori_loop(0, 3, lambda t, x: x + normal(key), 0.0)


REUSES = (folded_alike, parent_and_child, rows, in_a_loop)


def halves(key):
    first, second = split(key)
    return normal(first) + normal(second)


def handed_on(key):
    def step(key, _):
        key, use = split(key)
        return key, normal(use)

    return lax.scan(step, key, length=3)[1]


def each_row_its_own(key):
    return jax.vmap(normal)(split(key, 3))


DISTINCT = (halves, handed_on, each_row_its_own)


@pytest.mark.parametrize("program", REUSES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_a_key_that_is_used_twice_is_found(program, make):
    finding = distinct_keys(program, make(0))
    assert not finding.passed
    assert "consumed" in finding.witness


@pytest.mark.parametrize("program", DISTINCT, ids=lambda f: f.__name__)
@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_keys_that_are_used_once_pass(program, make):
    assert distinct_keys(program, make(0)).passed


@pytest.mark.parametrize("program", [*REUSES, *DISTINCT], ids=lambda f: f.__name__)
def test_jax_finds_no_reuse_that_the_check_does_not(program):
    """`jax.debug_key_reuse` is the oracle; it knows no values, and misses some."""
    with jax.debug_key_reuse(True):
        try:
            program(jax.random.key(0))
        except jax.errors.KeyReuseError:
            assert program in REUSES


def test_a_witness_names_lines_of_the_card():
    card = bugzoo.card("custom-vjp-transposed-weight")
    witness = card.examine(card.faulty).witness
    assert "rule backward at custom_vjp_transposed_weight.py" in witness
