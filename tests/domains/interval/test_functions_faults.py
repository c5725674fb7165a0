"""The suite of `test_functions.py` notices faults; the numbers can be derived again."""

import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest

from tests.domains.interval.functions_enclosed import (
    DTYPES,
    argument_pairs,
    evaluate,
    failures,
    failures_of_two,
)
from tests.domains.interval.functions_oracle import (
    FUNCTIONS,
    TWO_ARGUMENTS,
    points,
)
from torchlean_jax.domains.interval._functions import (
    _erf,
    _erf_inv,
    _exp,
    _gamma,
    _hyperbolic,
    _inverse_trig,
    _log,
    _power,
    _root,
    _sigmoid,
    _table,
    _trig,
)

ROOT = Path(__file__).parents[3]
MODULES = (
    _erf,
    _erf_inv,
    _exp,
    _gamma,
    _hyperbolic,
    _inverse_trig,
    _log,
    _power,
    _root,
    _sigmoid,
    _trig,
)


def without_widening(y, units, floor=None, ceiling=None, absolute=0.0):
    return y, y


# How much smaller a widening must be to be noticed: a bound is proved for the worst
# case, and what is left of it has to fall below the errors that do occur, which are
# those of one rounding at least.
NOTICED = {"tan": 5, "erfc": 6, "erf_inv": 5}


def part_of_the_widening(divisor):
    def widen(y, units, floor=None, ceiling=None, absolute=0.0):
        smaller = (units + 1) / divisor - 1
        return _table.widen(y, smaller, floor, ceiling, absolute / divisor)

    return widen


def broken_enclosures(name, monkeypatch, fault):
    for module in MODULES:
        if hasattr(module, "widen"):
            monkeypatch.setattr(module, "widen", fault)
    if name in TWO_ARGUMENTS:
        x, y = argument_pairs(name, "float32")
        return failures_of_two(name, x, y, *evaluate(name, [x, y]))
    x = points("float32")
    return failures(name, x, *evaluate(name, [x]))


@pytest.mark.parametrize("name", [*FUNCTIONS, *TWO_ARGUMENTS])
def test_a_forgotten_widening_is_noticed(name, monkeypatch):
    assert broken_enclosures(name, monkeypatch, without_widening)


@pytest.mark.parametrize("name", [*FUNCTIONS, *TWO_ARGUMENTS])
def test_a_widening_four_times_too_small_is_noticed(name, monkeypatch):
    fault = part_of_the_widening(NOTICED.get(name, 4))
    assert broken_enclosures(name, monkeypatch, fault)


POLYNOMIALS = {
    "exp": "exp",
    "expm1": "expm1",
    "artanh": "log",
    "tanh": "tanh",
    "sinh": "sinh",
    "asinh": "asinh",
    "sin": "sin",
    "cos": "cos",
    "asin": "asin",
    "atan": "atan",
    "erf": "erf",
    "erfcx": "erfc",
    "erf_inv": "erf_inv",
    "erf_inv_tail": "erf_inv",
    "lgamma": "lgamma",
    "digamma": "digamma",
}


@pytest.mark.parametrize("polynomial", POLYNOMIALS)
def test_a_wrong_coefficient_is_noticed(polynomial, monkeypatch):
    numbers = _table.table("float32")
    first, *others = getattr(numbers, polynomial)
    # The series of the logarithm starts with s**5, at most 2**-13 of the result.
    fault = 2**-8 if polynomial == "artanh" else 2**-12
    wrong = _table.Polynomial([first * (1 + fault), *others])
    monkeypatch.setattr(numbers, polynomial, wrong)
    x, name = points("float32"), POLYNOMIALS[polynomial]
    assert failures(name, x, *evaluate(name, [x]))


def test_the_script_derives_the_committed_numbers_again():
    script = ROOT / "scripts" / "derive_coefficients.py"
    run = subprocess.run(
        [sys.executable, script, "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.fixture
def scripts(monkeypatch):
    """The modules of the script, importable by name as it imports them."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_sampled_error_of_a_polynomial_exceeds_its_proved_bound(dtype, scripts):
    """Sampled with mpmath, where the proof uses Arb; and a proof must also fail."""
    from _approximation import prove
    from _specifications import UNIT, approximations

    for name, a in approximations(dtype).items():
        coefficients = tuple(getattr(_table.table(dtype), name))
        limit = a.goal * UNIT[dtype] * max(1.0, abs(coefficients[0]))
        bound = prove(a, coefficients, limit)
        assert bound <= limit
        sampled = max(sampled_error(a, coefficients, y) for y in inner_points(a))
        assert 0.05 * bound < sampled <= bound, name
        wrong = (coefficients[0] + 8 * limit, *coefficients[1:])
        assert prove(a, wrong, limit) == np.inf


def inner_points(a):
    return [a.low + (a.high - a.low) * (i + 0.37) / 80 for i in range(80)]


def sampled_error(a, coefficients, y):
    """|p - exact| at one point, or the error of the whole function, in 60 digits."""
    with mpmath.workdps(60):
        x = a.argument(mpmath.mpf(y))
        p = sum(c * x ** (a.power * i) for i, c in enumerate(coefficients))
        error = a.point(a.inverse(x)) - a.base_at(x) - x**a.shift * p
        return float(abs(error if a.whole else error / x**a.shift))
