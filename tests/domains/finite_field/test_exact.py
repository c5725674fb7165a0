"""Rational programs at rational points: residues of the exact results.

The cases are those of the interval domain; their oracles (fractions, loops over
elements) know nothing of residues.
"""

from fractions import Fraction

import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.interval import exact
from tests.domains.interval.all_cases import CASES as SHARED
from tests.domains.interval.cases import Case, Float
from torchlean_jax.domains.finite_field import FieldArray
from torchlean_jax.domains.finite_field._value import kinds_of

FIELD = tl.FiniteField(seed=5)


def small(x):
    """Quarters between -8 and 8: no mask, and exact in whatever is folded."""
    return np.round(np.clip(x, -8, 8) * 4) / 4


def is_rational(value) -> bool:
    return isinstance(value, (Fraction, int, float, bool, np.bool_, np.integer))


def expected(case, points):
    """The exact results as arrays of fractions; None where some are not rational."""
    try:
        results = case.exact(*map(exact.fractions, points))
    except (ZeroDivisionError, ValueError, ArithmeticError):
        return None
    results = results if isinstance(results, (list, tuple)) else [results]
    arrays = [np.asarray(r, object) for r in results]
    if not all(is_rational(v) for a in arrays for v in a.flat):
        return None
    return arrays


def residues(array, modulus):
    def of(value):
        ratio = Fraction(value)
        return ratio.numerator * pow(ratio.denominator, -1, modulus) % modulus

    flat = [of(v) for v in array.flat]
    return np.array(flat, np.uint64).reshape(array.shape)


def disagreements(case, seed):
    """Output numbers that are not the exact results; None where nothing is compared."""
    points = [lo[0] for lo, _ in case.draw(seed, np.float32, 1)]
    points = [small(p).astype(p.dtype) if p.dtype == np.float32 else p for p in points]
    wanted = expected(case, points)
    if wanted is None:
        return None
    values = [FIELD.lift(p) if p.dtype == np.float32 else p for p in points]
    outputs = tl.interpret(case.f, domain=FIELD)(*values)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [
        number
        for number, (found, array) in enumerate(zip(outputs, wanted, strict=True))
        if not agrees(found, array)
    ]


def agrees(found, array):
    if not isinstance(found, FieldArray):
        return bool(np.all(np.asarray(found) == array.astype(np.asarray(found).dtype)))
    if np.any(kinds_of(found)) or not any(found.levels):
        return False
    return all(
        np.array_equal(row, residues(array, m))
        for k, (row, m) in enumerate(zip(found.residues, FIELD.moduli, strict=True))
        if found.levels[k % 2]
    )


def is_about_floats(case: Case) -> bool:
    return any(isinstance(i, Float) for i in case.inputs)


# It compares real parts: an open choice, a random mixture of both, which is neither.
MIXED = {"complex_where"}
# What no field decides, even of constants, and what has no rule.
OPEN = frozenset(
    (
        *("complex_eq", "complex_ne"),
        *("reduce_precision_bf16", "reduce_precision_half"),
        *("scatter-max", "scatter-min", "scatter-sub"),
        *("scatter-max_undecided", "scatter-min_undecided"),
        *("sort", "sort_carrying", "argsort", "sort_two_keys", "sort_many"),
        *("top_k", "argmax", "argmin", "ragged_dot"),
        *("max_pool_gradient", "min_pool_gradient", "max_pool_tangent"),
        *("triangular_solve", "triangular_solve_transposed", "triangular_solve_unit"),
    )
)
# (`direct`: of primitives that this JAX does not have.)
PROGRAMS = [
    c for c in SHARED if is_about_floats(c) and c.direct is None and c.name not in MIXED
]


@pytest.mark.parametrize("case", [c for c in PROGRAMS if c.name not in OPEN], ids=str)
def test_residues_are_those_of_the_exact_result(case):
    found = disagreements(case, 0)
    if found is None:
        pytest.skip("the exact result is not rational at these points")
    assert found == []


@pytest.mark.parametrize("case", [c for c in PROGRAMS if c.name in OPEN], ids=str)
def test_what_is_open_is_refused(case):
    with pytest.raises((tl.UndecidedError, tl.MissingRuleError)):
        disagreements(case, 0)
