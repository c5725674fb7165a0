"""Specs: their normal form, against what the words of each spec say, and bad input."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import spec
from torchlean_jax.domains._errors import InputError


def outputs(*shapes, dtype=jnp.float32):
    return [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]


def holds(formula, y):
    values = [
        sum(
            Fraction(float(c)) * Fraction(float(v)) for c, v in zip(row, y, strict=True)
        )
        - Fraction(float(d))
        for row, d in zip(formula.rows, formula.offset, strict=True)
    ]
    return formula.robustness(values) > 0


POINTS = [
    np.array(y, float)
    for y in ([3, 1, 2], [1, 3, 2], [1, 2, 3], [2, 2, 1], [0, 0, 0], [-1, -3, -2])
]
C, D = np.array([[1.0, -2.0, 0.0], [0.0, 1.0, 1.0]]), np.array([0.5, -1.0])
MEANINGS = {
    "margin": (spec.margin(0), lambda y: y[0] > max(y[1], y[2])),
    "last label": (spec.margin(2), lambda y: y[2] > max(y[0], y[1])),
    "linear": (spec.linear(C, D), lambda y: bool((C @ y - D > 0).all())),
    "one row": (spec.linear([1, 0, -1]), lambda y: y[0] - y[2] > 0),
    "and": (
        spec.margin(0) & spec.linear([0, 1, 0]),
        lambda y: y[0] > max(y[1], y[2]) and y[1] > 0,
    ),
    "or": (
        spec.margin(0) | spec.margin(1),
        lambda y: y[0] > max(y[1], y[2]) or y[1] > max(y[0], y[2]),
    ),
    "or of ands": (
        (spec.margin(0) & spec.linear([0, 1, 0])) | spec.linear([0, 0, 1], 2.5),
        lambda y: (y[0] > max(y[1], y[2]) and y[1] > 0) or y[2] > 2.5,
    ),
    "and of ors": (
        (spec.margin(0) | spec.margin(1)) & spec.linear([1, 1, 1]),
        lambda y: (y[0] > max(y[1], y[2]) or y[1] > max(y[0], y[2])) and y.sum() > 0,
    ),
}


@pytest.mark.parametrize("name", MEANINGS)
def test_the_normal_form_says_what_the_spec_says(name):
    given, meaning = MEANINGS[name]
    formula = given.formula(outputs((3,)))
    said = [holds(formula, y) for y in POINTS]
    assert said == [bool(meaning(y)) for y in POINTS]
    assert len(set(said)) == 2, "points that cannot tell"


def test_a_tie_is_not_a_margin():
    assert not holds(spec.margin(0).formula(outputs((2,))), [1.0, 1.0])


def test_the_tree_lists_the_same_rows():
    formula = MEANINGS["or of ands"][0].formula(outputs((3,)))
    both, last = formula.tree["any"]
    first, second = both["all"]
    rows = np.concatenate([leaf["rows"] for leaf in (first, second, last)])
    np.testing.assert_array_equal(rows, formula.rows)
    assert formula.shape == (
        "any",
        (("all", (("rows", 0, 2), ("rows", 2, 3))), ("rows", 3, 4)),
    )
    assert rows.dtype == formula.offset.dtype == np.float64


def test_several_outputs_are_concatenated():
    formula = spec.linear(np.arange(5.0)).formula(outputs((2,), (3, 1)))
    assert formula.rows.shape == (1, 5)


def test_labels_share_one_shape():
    """So that they can share compiled code."""
    shapes = {spec.margin(k).formula(outputs((4,))).shape for k in range(4)}
    assert len(shapes) == 1


def test_chains_stay_flat():
    chain = spec.margin(0)
    for _ in range(2000):
        chain = chain & spec.margin(1)
    assert len(chain.formula(outputs((2,))).rows) == 2001


def test_changing_an_array_afterwards_changes_nothing():
    matrix = np.eye(2)
    given = spec.linear(matrix)
    matrix[:] = -1
    np.testing.assert_array_equal(given.formula(outputs((2,))).rows, np.eye(2))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, np.float32, np.int8])
def test_matrices_of_narrow_dtypes_are_exact(dtype):
    given = jnp.asarray([[1, -3]], dtype)
    assert spec.linear(given).formula(outputs((2,))).rows.tolist() == [[1.0, -3.0]]


@pytest.mark.parametrize(
    "given", [np.float32(1e-40), jnp.float32(1e-40), np.float16(6e-8)], ids=repr
)
def test_numbers_that_are_subnormal_in_a_narrower_dtype_only_are_exact(given):
    (row,) = spec.linear(given[None]).formula(outputs((1,))).rows
    assert Fraction(row[0]) == Fraction(float(np.asarray(given))) > 0


def test_a_long_matrix_is_not_printed():
    assert (
        repr(spec.linear(np.ones((9, 9))))
        == "linear(C=float64[9,9], d=[0.0, 0.0, 0.0, \
0.0, 0.0, 0.0, 0.0, 0.0, 0.0])"
    )
    assert (
        repr(spec.margin(1) & spec.margin(0))
        == "all_of(margin(label=1), margin(label=0))"
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: spec.margin(1.0), "float"),
        (lambda: spec.margin("3"), "str"),
        (lambda: spec.margin(True), "bool"),
        (lambda: spec.margin(-1), "-1 is out of range"),
        (lambda: spec.margin(np.array([1, 2])), "array"),
        (lambda: spec.margin(jnp.array([1])), "array"),
        (lambda: jax.jit(lambda k: spec.margin(k) and k)(3), "known now"),
        (lambda: spec.linear([[1.0, np.nan]]), r"index \[0, 1\] holds nan"),
        (lambda: spec.linear([1.0], np.inf), "d needs finite"),
        (lambda: spec.linear([[1.0, 1e-310]]), r"normal range.*index \[0, 1\]"),
        (lambda: spec.linear([1.0], -5e-324), "d needs numbers of .* normal range"),
        (lambda: spec.linear([]), "shape"),
        (lambda: spec.linear(1.0), "shape"),
        (lambda: spec.linear(np.ones((1, 2, 3))), "shape"),
        (lambda: spec.linear(np.ones((2, 3)), [1.0, 2.0, 3.0]), "2 rows"),
        (lambda: spec.linear([[1.0], [1.0, 2.0]]), "C is not an array"),
        (lambda: spec.linear(["a"]), "C"),
        (lambda: spec.linear([True]), "bool"),
        (lambda: spec.linear([1j]), "complex"),
        (lambda: spec.linear([2**53 + 1]), "float64"),
        (lambda: spec.linear([Fraction(1, 3)]), "float64"),
        (lambda: spec.linear(np.array([1], np.longdouble) / 3), "float64"),
        (spec.all_of, "at least one"),
        (spec.any_of, "at least one"),
        (lambda: spec.margin(0) & 3, "int"),
        (lambda: spec.any_of(spec.margin(0), None), "NoneType"),
    ],
)
def test_bad_specs_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


@pytest.mark.parametrize(
    ("given", "leaves", "says"),
    [
        (spec.margin(3), outputs((3,)), "label 3 is out of range: the model has 3"),
        (spec.margin(0), outputs((1,)), "at least two"),
        (spec.margin(0), outputs(()), "at least two"),
        (spec.margin(0), outputs((5, 3)), "batch"),
        (spec.margin(0), outputs((3,), (3,)), "one vector"),
        (spec.linear([1, 2]), outputs((3,)), "2 columns; the model returns 3"),
        (spec.margin(0) & spec.linear([1, 2]), outputs((3,)), "2 columns"),
        (spec.margin(0), outputs((0,)), "no numbers"),
        (spec.margin(0), outputs((0, 3)), "empty batch"),
        (spec.linear([1]), [], "no numbers"),
        (spec.margin(0), outputs((3,), dtype=jnp.int32), "int32"),
        (spec.margin(0), outputs((3,), dtype=jnp.complex64), "complex64"),
        (spec.margin(0), outputs((3,), dtype=jnp.bool_), "bool"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(given, leaves, says):
    with pytest.raises(InputError, match=says):
        given.formula(leaves)
