"""Forms packed into long integers, beside the same numbers in plain lists.

The numbers are the extremes of their lengths, since fields go wrong where they are
full: one too many, and it changes its neighbour.
"""

import itertools
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.torchlean_check.examples import EXAMPLES
from torchlean_check import _matrices, _packed, check
from torchlean_check._linear import Bias, Blocks, Move, Scale, Sum
from torchlean_check._packed import Forms
from torchlean_check._relax import Elementwise, Lines
from torchlean_check._tensor import Tensor
from torchlean_check._windows import WindowMax

# The last numbers of a length that fits in a field of 4, 5 or 8 words beside the sign.
LENGTHS = [1, 62, 63, 64, 127, 130, 191, 254, 255, 256, 319, 320, 511]


def extremes(bits: int) -> list[int]:
    top = (1 << bits) - 1
    return [top, -top, 1 << (bits - 1), -1 << (bits - 1), 1, -1, 0]


def crowded(bits: int, size: int) -> list[list[int]]:
    """Rows such that full fields of either sign lie side by side."""
    cycle = itertools.cycle(extremes(bits))
    top = (1 << bits) - 1
    rows = [[next(cycle) for _ in range(size)] for _ in range(9)]
    return [[top] * size, [-top] * size, [top] * size, *rows, [-top] * size]


def plain_dot(rows, weights) -> list[int]:
    return [sum(a * w for a, w in zip(row, weights, strict=True)) for row in rows]


def expect_alike(rows: list[list[int]], weights: list[int], exp: int) -> None:
    """Everything that `Forms` computes, against the definition."""
    forms = Forms.of(rows, exp)
    assert forms.rows() == rows
    assert forms.widened(1 << 700).rows() == rows
    columns = [list(column) for column in zip(*rows, strict=True)]
    for packed, numbers in zip(forms.columns, columns, strict=True):
        assert forms.fields(forms.positive(packed)) == [max(a, 0) for a in numbers]
        assert forms.fields(forms.magnitude(packed)) == [abs(a) for a in numbers]
    assert forms.dot(weights) == plain_dot(rows, weights)
    bits = max(abs(a) for row in rows for a in row).bit_length()
    assert forms.bits() == bits
    for by in {k for k in (1, bits // 2, bits - 1) if 0 < k < bits}:
        less = forms.cut(bits, by)
        assert less.exp == exp + by
        assert less.rows() == [[a >> by for a in row] for row in rows]
        assert all(abs(a) <= less.bound for row in less.rows() for a in row)
    for other in (exp, exp - 70, exp + 200):
        both = _packed.total([forms, Forms.of(rows, other)])
        a, b = exp - both.exp, other - both.exp
        assert both.rows() == [[(x << a) + (x << b) for x in row] for row in rows]


@pytest.mark.parametrize("bits", LENGTHS)
def test_fields_at_their_limits(bits):
    for size in (1, 2, 5):
        for weight in extremes(bits):
            weights = [weight, *extremes(3), 5][:size]
            expect_alike(crowded(bits, size), weights, -3)
            expect_alike(crowded(bits, size)[:1], weights, -3)
            expect_alike([[1] * size, [1 - (1 << bits)] * size], weights, -3)


@pytest.mark.parametrize("name", _matrices.ARITHMETICS)
def test_products_with_long_integers(name):
    """By Python and by flint: the same integers, whatever their lengths and signs."""
    words = [b for n in (1, 30, 60, 62, 63, 64, 128, 6400) for b in extremes(n)]
    places = range(0, len(words), 5)
    rows = [words[k : k + 5] for k in places if len(words[k : k + 5]) == 5]
    matrix = _matrices.Matrix(rows)
    vectors = [*rows, [0] * 5, [0, 0, 7, 0, 0], [1 << 9999] * 5]
    with _matrices.arithmetic(name) as said:
        assert said.partition(" ")[0] == name
        for xs in vectors:
            exact = plain_dot(rows, xs)
            assert matrix.times(xs) == exact
            assert all(type(a) is int for a in matrix.times(xs))
            wanted = [k % 3 for k, _ in enumerate(rows)]
            some = [a if w else 0 for a, w in zip(exact, wanted, strict=True)]
            assert matrix.times(xs, wanted) == some


long = st.integers(0, 600).flatmap(lambda n: st.sampled_from(extremes(n + 1)))
number = long | st.integers(-(2**300), 2**300)


@given(data=st.data(), size=st.integers(1, 6), count=st.integers(1, 7))
def test_fields_of_any_numbers(data, size, count):
    row = st.lists(number, min_size=size, max_size=size)
    rows = data.draw(st.lists(row, min_size=count, max_size=count))
    expect_alike(rows, data.draw(row), data.draw(st.integers(-99, 99)))


@given(data=st.data(), size=st.integers(1, 6), count=st.integers(1, 7))
def test_both_arithmetics_agree(data, size, count):
    row = st.lists(number, min_size=size, max_size=size)
    matrix = _matrices.Matrix(data.draw(st.lists(row, min_size=count, max_size=count)))
    xs = data.draw(row)
    wanted = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    found = []
    for name in _matrices.ARITHMETICS:
        with _matrices.arithmetic(name):
            found.append((matrix.times(xs), matrix.times(xs, wanted)))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_margins_by_flint_are_the_same_integers(name):
    blob = EXAMPLES[name]().pack()
    plain, fast = check(blob), check(blob, arithmetic="flint")
    assert plain.arithmetic == "python"
    assert fast.arithmetic.startswith("flint ")
    assert plain._replace(arithmetic="", seconds=0) == fast._replace(
        arithmetic="", seconds=0
    )


def test_an_arithmetic_that_is_not_there(monkeypatch):
    blob = EXAMPLES["mlp"]().pack()
    with pytest.raises(ValueError, match="python, flint"):
        check(blob, arithmetic="float")
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError):
        check(blob, arithmetic="flint")
    assert check(blob).accepted


def some_box(size: int) -> list[Tensor]:
    return [Tensor([-2] * size, [3] * size, 0)]


def back(step, rows, size, *lines):
    """What goes to the operand, and to the constant of each form."""
    bias = Bias(len(rows))
    ((_, forms),) = step.backward(Forms.of(rows, 0), some_box(size), bias, *lines)
    unit = Fraction(2) ** bias.exp
    return forms.rows(), [v * unit for v in bias.values]


@pytest.mark.parametrize("bits", LENGTHS)
def test_steps_act_on_each_form_alone(bits):
    """By all kinds of steps, the weights being as long as the coefficients."""
    for size in (1, 2, 5):
        rows, none = crowded(bits, size), [0] * 13
        for weight in extremes(bits):
            matrix = [[weight] * 3 for _ in range(size)]
            step = Blocks([(range(size), range(3), matrix)], 0, 3, size)
            expected = [[weight * sum(row)] * 3 for row in rows]
            assert back(step, rows, 3) == (expected, none)
            factor = [weight] * size
            expected = [[weight * a for a in row] for row in rows]
            scaled = back(Scale(Tensor(factor, factor, 0)), rows, size)
            assert scaled == (expected, none)
            p, q, c, d = weight, -weight // 3, 7 * weight, weight - 5
            lines = Lines([[p] * size], [c] * size, [[q] * size], [d] * size, 0, 0)
            expected = [[a * (p if a > 0 else q) for a in row] for row in rows]
            constants = [sum(a * (c if a > 0 else d) for a in row) for row in rows]
            found, rounded = back(Elementwise(), rows, size, lines)
            assert found == expected
            expect_rounded(rounded, constants)
        opposite = [[-a for a in row] for row in rows]
        assert back(Sum((-1,)), rows, size) == (opposite, none)
        sums = [[sum(row)] for row in rows]
        assert back(Move([0] * size, [1]), rows, 1) == (sums, none)
        picks = [0] * size, [3] * size, 0
        found, rounded = back(WindowMax([[0]] * size, 1), rows, 1, picks)
        assert found == [[sum(max(a, 0) for a in row)] for row in rows]
        expect_rounded(rounded, [3 * sum(min(a, 0) for a in row) for row in rows])


def expect_rounded(found: list[Fraction], exact: list[int]) -> None:
    """Constants keep 256 bits of the largest and are rounded down."""
    slack = Fraction(max(map(abs, exact))) / 2**250
    for a, b in zip(found, exact, strict=True):
        assert b - slack <= a <= b
