"""A file means the same to the reader as to a direct evaluation of its formula."""

import random
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.vnnlib.evaluator import satisfied
from tests.vnnlib.files import Chance, boxed, declared
from torchlean_jax.vnnlib import Query, read_vnnlib
from torchlean_jax.vnnlib._formula import Atom

DYADIC = ["0", "1", "-1.5", "0.25", "2.0", "-.5", "5e-1"]
DECIMAL = ["0.1", "-0.3", "1", "2.7", "-1e-1", "0.333333333333333333333"]
WEAK, ALL = ["<=", ">="], ["<=", ">=", "<", ">", "="]
SEEDS = range(40)


def file_of(seed, numbers, operators):
    """A random file over two inputs and two outputs, its text, and who made it."""
    chance = Chance(random.Random(seed), numbers)
    lo, hi = ("-2", "-2.5"), ("3", "1")
    text = declared(2, 2) + boxed(lo, hi)
    for names in (["X_0", "X_1"], ["Y_0", "Y_1"], ["X_0", "X_1", "Y_0", "Y_1"]):
        text += f"(assert {chance.formula(names, operators)}) ; {names}\n"
    return text, chance


def read(text, tmp_path) -> Query:
    path = tmp_path / "property.vnnlib"
    path.write_text(text)
    return read_vnnlib(path)


def points(chance, count=60):
    return [(chance.point(2), chance.point(2)) for _ in range(count)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("numbers", [DYADIC, DECIMAL], ids=["dyadic", "decimal"])
def test_a_query_holds_where_the_formula_is_true(seed, numbers, tmp_path):
    text, chance = file_of(seed, numbers, ALL)
    query = read(text, tmp_path)
    for x, y in points(chance):
        expected = satisfied(text, x, y)
        assert query.holds(x, y) == expected
        if expected:  # a case may contain corners that the file leaves out
            assert any(case.holds_at(x, y) for case in query.cases)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cases_together_are_the_file(seed, tmp_path):
    text, chance = file_of(seed, DECIMAL, WEAK)
    query = read(text, tmp_path)
    for x, y in points(chance):
        found = any(case.holds_at(x, y) for case in query.cases)
        assert found == satisfied(text, x, y)


def test_enough_points_satisfy_a_file_and_enough_do_not():
    """The tests above would prove little if every answer were no."""
    hits = [
        satisfied(text, x, y)
        for seed in SEEDS
        for text, chance in [file_of(seed, DECIMAL, WEAK)]
        for x, y in points(chance)
    ]
    assert 0.05 < np.mean(hits) < 0.95


def robustness_of(case):
    """The exact robustness of the case's spec, as a function of exact values."""
    width = 2 * (1 + case.needs_inputs) * case.copies
    formula = case.spec().formula([jax.ShapeDtypeStruct((width,), jnp.float32)])
    rows = [[Fraction(c) for c in row] for row in formula.rows.tolist()]
    offsets = list(map(Fraction, formula.offset.tolist()))

    def robustness(x, y):
        values = [*y, *(x if case.needs_inputs else [])] * case.copies
        return formula.robustness(
            [
                sum((c * v for c, v in zip(row, values, strict=True) if c), -d)
                for row, d in zip(rows, offsets, strict=True)
            ]
        )

    return robustness


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("numbers", [DYADIC, DECIMAL], ids=["dyadic", "decimal"])
def test_a_spec_that_holds_leaves_nothing_unsafe(seed, numbers, tmp_path):
    """And with numbers that are floats, it holds exactly where nothing is unsafe."""
    text, chance = file_of(seed, numbers, WEAK)
    cases = [c for c in read(text, tmp_path).cases if all(c.unsafe)]
    for case in cases:
        robustness = robustness_of(case)
        for x, y in points(chance, 20):
            x = [min(max(v, a), b) for v, a, b in zip(x, case.lo, case.hi, strict=True)]
            safe, unsafe = robustness(x, y) > 0, case.holds_at(x, y)
            assert not (safe and unsafe)
            if numbers is DYADIC:
                assert safe != unsafe


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_a_box_is_the_smallest_around_the_exact_one(dtype, tmp_path):
    lo = ["-0.1", "0.1", "1", "-1e-60", "0", "16777217.5"]
    hi = ["0.1", "0.1", "1", "1e-60", "1e-3", "16777218.5"]
    if dtype == "float16":
        lo[5], hi[5] = "2049", "2049.5"
    text = declared(len(lo), 1) + boxed(lo, hi) + "(assert (<= Y_0 0))"
    (case,) = read(text, tmp_path).cases
    with jax.enable_x64(dtype == "float64"):
        box = case.box((2, 3), dtype)
        assert box.shape == (2, 3) and box.dtype == dtype
        ends = [np.asarray(e).ravel() for e in (box.lo, box.hi)]
    tiny = Fraction(float(jnp.finfo(dtype).smallest_normal))
    for text_lo, text_hi, a, b in zip(lo, hi, *ends, strict=True):
        low, high = Fraction(text_lo), Fraction(text_hi)
        assert Fraction(float(a)) <= low and high <= Fraction(float(b))
        inner = (
            np.nextafter(a, a.dtype.type(np.inf)),
            np.nextafter(b, -b.dtype.type(np.inf)),
        )
        if abs(low) > tiny:  # subnormal ends go to the next normal number
            assert Fraction(float(inner[0])) > low
        if abs(high) > tiny:
            assert Fraction(float(inner[1])) < high


def test_a_disjunction_of_boxes_is_several_cases(tmp_path):
    text = declared(1, 2) + (
        "(assert (or (and (<= 0 X_0 1) (<= Y_0 Y_1)) (and (<= 2 X_0 3) (>= Y_0 7))))"
        "(assert (or (<= Y_1 5) (<= Y_0 5)))"
    )
    query = read(text, tmp_path)
    assert [(c.lo, c.hi) for c in query.cases] == [((0,), (1,)), ((2,), (3,))]
    assert [len(c.unsafe) for c in query.cases] == [2, 2]


def test_cases_of_one_box_are_one(tmp_path):
    text = declared(1, 2) + (
        "(assert (or (and (<= 0 X_0 1) (<= Y_0 1)) (and (<= 0 X_0 1) (<= Y_1 1))))"
    )
    (case,) = read(text, tmp_path).cases
    assert len(case.unsafe) == 2


def test_disjunctions_of_inputs_and_outputs_are_not_multiplied(tmp_path):
    boxes = " ".join(f"(and (<= {i} X_0) (<= X_0 {i}.5))" for i in range(50))
    outputs = " ".join(f"(<= Y_0 {i})" for i in range(50))
    text = declared(1, 1) + f"(assert (or {boxes}))(assert (or {outputs}))"
    query = read(text, tmp_path)
    assert len(query.cases) == 50 and all(len(c.unsafe) == 50 for c in query.cases)


def test_half_spaces_of_inputs_are_rows(tmp_path):
    text = declared(2, 1) + boxed((0, 0), (1, 1))
    text += "(assert (<= (+ X_0 (* 2 X_1)) 1.1)) (assert (<= Y_0 0))"
    (case,) = read(text, tmp_path).cases
    assert case.A.tolist() == [[1, 2]] and case.b.tolist() == [Fraction(11, 10)]
    f = case.model(lambda x: x[:1])
    assert [len(y) for y in f(jnp.ones(2))] == [1, 2]


def test_a_reader_that_forgets_a_sign_is_noticed(monkeypatch, tmp_path):
    plain = Atom.holds

    def wrong(self, inputs, outputs):
        return plain(Atom(self.terms, abs(self.bound), self.strict), inputs, outputs)

    text, chance = file_of(1, DECIMAL, ALL)
    wrongs = 0
    monkeypatch.setattr(Atom, "holds", wrong)
    query = read(text, tmp_path)
    for x, y in points(chance, 400):
        wrongs += query.holds(x, y) != satisfied(text, x, y)
    assert wrongs
