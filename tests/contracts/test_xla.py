"""What is relied on of XLA's own operations, and operations that would not keep it."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from torchlean_jax.contracts import Contract, _xla

TERMS = {terms.name: terms for terms in _xla.TERMS}


@pytest.mark.parametrize("name", TERMS)
def test_it_is_kept(name):
    contract = Contract(TERMS[name])
    report = contract.check(**contract.sample())
    assert report.ok, str(report)
    assert {clause.clause for clause in report.clauses} == set(_xla.CLAUSES)


def _halves(x, w):
    return _xla._dot(*(a.astype(jnp.bfloat16).astype(jnp.float32) for a in (x, w)))


def _without_a_tap(x, w):
    return _xla._conv(x, w.at[0, 2].set(0.0))


def _narrow_images(x, w):
    return _xla._conv(x.astype(jnp.bfloat16).astype(jnp.float32), w)


def _turned_the_other_way(x):
    return _xla._fft(x) * jnp.array([1.0, -1.0])


def _rounded_transform(x):
    return _xla._fft(x) * (1 + 2.0**-15)


def _first_row_only(x):
    return jnp.concatenate([_xla._pool(x)[:1]] * len(x))


@pytest.mark.parametrize(
    ("name", "wrong", "clause"),
    [
        ("xla_dot", _halves, "rounding"),
        ("xla_dot", lambda x, w: _xla._dot(x[:, 1:], w[1:]), "meaning"),
        ("xla_sum", lambda x: jax.lax.cumsum(x, 1)[:, -2], "meaning"),
        ("xla_pool", _first_row_only, "meaning"),
        ("xla_conv", _without_a_tap, "meaning"),
        ("xla_conv", _narrow_images, "rounding"),
        ("xla_fft", _turned_the_other_way, "meaning"),
        ("xla_fft", _rounded_transform, "rounding"),
    ],
)
def test_an_operation_that_is_another(name, wrong, clause):
    terms = TERMS[name]
    programs = (dataclasses.replace(terms.programs[0], kernel=wrong),)
    contract = Contract(dataclasses.replace(terms, programs=programs))
    report = contract.check(**contract.sample(), clauses=[clause])
    assert {failure.clause for failure in report.failures} == {clause}
