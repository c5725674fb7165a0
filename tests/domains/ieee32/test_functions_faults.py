"""The suite of `test_functions.py` notices faults, and the hard cases are needed."""

import dataclasses

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from tests.domains.ieee32 import functions_oracle as oracle
from tests.domains.ieee32.functions_checked import beyond_the_bound, with_table, wrong
from torchlean_jax.domains.ieee32._functions import UNARY, _convert, _table
from torchlean_jax.domains.ieee32._functions._coefficients import ERRORS, POLYNOMIALS
from torchlean_jax.domains.ieee32._functions._hard_cases import HARD_CASES


def fresh(name, **changes):
    """A copy of a function, which compiles anew and so sees what was patched."""
    return dataclasses.replace(UNARY[name], **changes)


@pytest.mark.parametrize("name", ["exp", "sqrt", "tan"])
def test_a_result_one_ulp_off_is_noticed(name):
    bits = with_table(name)
    results = np.array(fresh(name)(jnp.asarray(bits)))
    finite = np.nonzero((results & 0x7FFFFFFF) < oracle.INFINITY)[0]
    for i in finite[:: finite.size // 5]:
        broken = results.copy()
        broken[i] += 1
        assert wrong(name, bits, broken) == [bits[i]]


@pytest.mark.parametrize("name", ["sin", "log"])
def test_a_sign_or_a_nan_that_is_not_canonical_is_noticed(name):
    bits = with_table(name)
    results = np.array(fresh(name)(jnp.asarray(bits)))
    for pattern, flip in ((oracle.QUIET_NAN, 1), (0, oracle.SIGN)):
        at = np.nonzero(results == pattern)[0][0]
        broken = results.copy()
        broken[at] ^= np.uint32(flip)
        assert wrong(name, bits, broken)


# Where it is not the function of the same name whose bound notices a wrong first
# coefficient of a polynomial; that of `cbrt` is only a guess.
NOTICED_BY = {"artanh": "log", "erfc": "erf", "erfcx": "erfc"}


@pytest.mark.parametrize("polynomial", sorted(POLYNOMIALS.keys() - {"cbrt"}))
def test_a_wrong_coefficient_is_noticed(polynomial, monkeypatch):
    """A change of 2**-44, far below what rounding to binary32 shows."""
    first, *others = getattr(_table.T, polynomial)
    changed = _table.Polynomial([first * (1 + 2.0**-44), *others])
    if polynomial == "erfc":  # 2**-12 of the result
        changed = _table.Polynomial([first * (1 + 2.0**-36), *others])
    monkeypatch.setattr(_table.T, polynomial, changed)
    name = NOTICED_BY.get(polynomial, polynomial)
    values = fresh(name).values
    assert beyond_the_bound(name, lambda x: values(x), with_table(name))


def test_a_wrong_guess_does_no_harm_to_a_cube_root(monkeypatch):
    """Two corrections follow it; only a guess that is far off is noticed."""
    first, *others = _table.T.cbrt
    bits = with_table("cbrt")
    for change, noticed in ((2.0**-13, False), (0.5, True)):
        guess = _table.Polynomial([first * (1 + change), *others])
        monkeypatch.setattr(_table.T, "cbrt", guess)
        assert bool(wrong("cbrt", bits, fresh("cbrt")(jnp.asarray(bits)))) == noticed


# Of the seventh word the upper bits matter to the largest numbers, of the eighth none.
@pytest.mark.parametrize(("word", "bit"), [*((w, 12) for w in range(1, 7)), (7, 31)])
def test_a_wrong_bit_of_two_over_pi_is_noticed(word, bit, monkeypatch):
    words = list(_table.T.two_over_pi_words)
    words[word] ^= 1 << bit
    monkeypatch.setattr(_table.T, "two_over_pi_words", tuple(words))
    values = fresh("sin").values
    bits = with_table("sin")
    assert beyond_the_bound("sin", lambda x: values(x), bits)


def displaced(name, keys, units):
    """The exact values at `keys`, moved by `units` 2**-53, as float64."""
    with mpmath.workdps(60):
        exact = [oracle.exact(name, key) for key in keys]
        return np.array([float(y + abs(y) * units * 2.0**-53) for y in exact])


@pytest.mark.parametrize("name", HARD_CASES)
def test_the_table_is_what_makes_hard_cases_right(name, monkeypatch):
    """At every entry some value within the bound rounds to the wrong number: without
    the table a compiler's choice of operations would decide.
    """
    keys = np.array(list(HARD_CASES[name]), np.uint32)
    # A float64 cannot be moved by less than one unit, or exactly by the bound.
    reach = ERRORS[name] + 1
    sides = [displaced(name, keys.tolist(), sign * reach) for sign in (-1, 1)]
    results = [
        np.asarray(fresh(name, values=lambda _, y=y: jnp.asarray(y))(jnp.asarray(keys)))
        for y in sides
    ]
    assert not any(wrong(name, keys, r) for r in results)
    monkeypatch.setattr(_convert, "HARD_CASES", {})
    results = [
        np.asarray(fresh(name, values=lambda _, y=y: jnp.asarray(y))(jnp.asarray(keys)))
        for y in sides
    ]
    undecided = results[0] != results[1]
    tie = np.array([oracle.exact(name, k) == 2.0**-150 for k in keys.tolist()])
    assert (undecided | tie).all()


@pytest.mark.parametrize("name", HARD_CASES)
def test_a_wrong_entry_of_the_table_is_noticed(name, monkeypatch):
    key, value = next(iter(HARD_CASES[name].items()))
    monkeypatch.setattr(_convert, "HARD_CASES", {name: {key: value ^ 1}})
    bits = with_table(name)
    assert key in wrong(name, bits, fresh(name)(jnp.asarray(bits)))
