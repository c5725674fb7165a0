"""Every rule has a case, and the cases notice a rule that is a little wrong.

A number that is off by one part in 2**120 is noticed: the promise is 30 digits, the
balls at the first precision hold the number to 59.
"""

import dataclasses

import flint
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.real import test_functions, test_precision
from tests.domains.real.faults import RULES, fails, is_noticed, reached, spoiled
from torchlean_jax.domains._registry import Rule
from torchlean_jax.domains._windows import Windows
from torchlean_jax.domains.real import (
    RealArray,
    _compare,
    _domain,
    _order,
    _value,
)
from torchlean_jax.domains.real._flint import TooFewBitsError

# The same function as `copy`, for equations that this JAX or one machine does not have,
# or that tracing removes.
NOT_RUN = {"copy_p", "sharding_constraint", "reshard", "expand_dims", "empty2"}
CHECKED = sorted(RULES.keys() - NOT_RUN - {"empty"})


def test_every_rule_has_a_case():
    without = {name for name, checks in reached().items() if not checks}
    assert without == NOT_RUN


@pytest.mark.parametrize("rule", CHECKED)
def test_a_rule_that_is_a_little_off_is_noticed(rule):
    assert is_noticed(rule, spoiled)


def without_radii(sound):
    """Midpoints as if they were the numbers."""

    def rule(*args, **params):
        x = sound(*args, **params)
        return RealArray(np.frompyfunc(lambda b: b.mid(), 1, 1)(x.balls), x.dtype)

    return rule


@pytest.mark.parametrize("rule", ["div", "reduce_sum", "dot_general", "exp", "sqrt"])
def test_a_forgotten_radius_is_noticed(rule):
    assert is_noticed(rule, without_radii, tries=12)


def first_of(sound):
    return lambda x, y: x


@pytest.mark.parametrize("rule", ["max", "min"])
def test_an_extreme_that_is_just_the_first_is_noticed(rule):
    assert is_noticed(rule, first_of)


def to_even_always(sound):
    return lambda x, **params: sound(x, rounding_method=1)


def never_reversed(sound):
    return lambda x, *, axis, reverse: sound(x, axis=axis, reverse=False)


def never_transposed(sound):
    return lambda a, b, **params: sound(a, b, **{**params, "transpose_a": False})


@pytest.mark.parametrize(
    ("rule", "mutant"),
    [
        ("round", to_even_always),
        ("cumsum", never_reversed),
        ("triangular_solve", never_transposed),
    ],
)
def test_an_ignored_parameter_is_noticed(rule, mutant):
    assert is_noticed(rule, mutant, tries=50)


def shifted(windows):
    padding = tuple((after, before) for before, after in windows.padding)
    return dataclasses.replace(windows, padding=padding)


def undilated(windows):
    apart, base = windows.window_dilation, windows.base_dilation
    return dataclasses.replace(windows, base_dilation=apart, window_dilation=base)


@pytest.mark.parametrize(
    ("mutant", "rule"),
    [
        (undilated, "conv_general_dilated"),
        (undilated, "reduce_window_sum"),
        (shifted, "reduce_window_max"),
    ],
)
def test_windows_that_are_misplaced_are_noticed(mutant, rule, monkeypatch):
    checks, positions = reached()[rule], Windows.positions
    monkeypatch.setattr(Windows, "positions", lambda w, n: positions(mutant(w), n))
    assert any(attempt(check) for check in checks)


def attempt(check):
    """A misplaced window may even give another shape."""
    try:
        return fails(check)
    except (ValueError, IndexError):
        return True


def test_the_last_of_equals_is_noticed(monkeypatch):
    sound = _order.first_extreme

    def last(balls, largest):
        return len(balls) - 1 - sound(balls[::-1], largest)

    assert not fails("own first_of_equals")
    monkeypatch.setattr(_order, "first_extreme", last)
    assert fails("own first_of_equals")


def test_comparing_middles_is_noticed(monkeypatch):
    """Two roads to one number must stay undecided, however close the middles are."""
    monkeypatch.setattr(_compare, "less", lambda x, y: bool(x.mid() < y.mid()))
    with pytest.raises(pytest.fail.Exception):
        test_precision.test_an_equality_of_two_roads_is_an_error_that_says_where()


def test_digits_that_nobody_counts_are_noticed(monkeypatch):
    monkeypatch.setattr(_domain.Real, "_accuracy", lambda self, x: float("inf"))
    with pytest.raises(AssertionError):
        test_precision.test_what_cancels_is_computed_with_more_bits()


def test_unknown_numbers_are_not_all_equal():
    """All unknown elements are one object, which does not make them one number."""
    unknown = _domain.Real.unknown((2,), np.float32)
    with pytest.raises(TooFewBitsError):
        _compare.equal(*unknown.balls)
    with pytest.raises(TooFewBitsError):
        _compare.less_equal(*unknown.balls)


def test_a_function_that_arb_continues_is_noticed(monkeypatch):
    """Arb knows the incomplete gamma function where it is no share of anything."""

    def everywhere(a, x):
        upper = np.frompyfunc(lambda a, x: x.gamma_upper(a, 1), 2, 1)
        return RealArray(upper(a.balls, x.balls), a.dtype)

    check = test_functions.test_infinities_and_nan_are_as_in_floats_or_no_number
    check("igammac")
    monkeypatch.setitem(RULES, "igammac", Rule(everywhere, on_operation=False))
    with pytest.raises((AssertionError, tl.UndecidedError)):
        check("igammac")


def test_a_rounded_argument_is_noticed(monkeypatch):
    def rounded(floats):
        narrow = floats.astype(np.float32).astype(object)
        return _value.as_array(np.frompyfunc(flint.arb, 1, 1)(narrow))

    monkeypatch.setattr(_value, "_exact_balls", rounded)
    with pytest.raises(AssertionError):
        test_precision.test_an_argument_is_the_number_it_holds()
