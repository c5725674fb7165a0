"""Rounding only ever weakens a bound: compared with fractions, to the last bit."""

import copy
from fractions import Fraction

import numpy as np
import pytest

from tests.torchlean_check.builder import (
    Certificate,
    archive,
    canonical,
    digest_of,
    exact,
    leaf,
)
from tests.torchlean_check.evaluator import Claim
from tests.torchlean_check.examples import DOT, dense, relu
from torchlean_check import check
from torchlean_check._linear import Bias


def margins(c: Certificate, rows) -> list[tuple[Fraction, Fraction]]:
    """(derived, exact) for each row on its own, at the one point of the input set."""
    result = []
    for row in rows:
        for method in ("crown", "ibp"):
            trial = copy.deepcopy(c)
            trial.proof = [leaf(method)]
            trial.property = trial.rows([row], [0])
            claim = Claim(trial.pack())
            point = next(claim.points(1, np.random.default_rng(0)))
            report = check(trial.pack())
            result.append((exact(report.margin), claim.margin(point)))
    return result


def deep(seed: int, spread: float) -> Certificate:
    """Six dense layers of full-length doubles at a point, values of both signs."""
    rng = np.random.default_rng(seed)
    c = Certificate()
    place = rng.normal(size=3)
    x = c.box(place, place)
    for _ in range(6):
        scale = np.exp2(np.round(rng.normal(size=3) * spread))
        x = dense(c, x, rng.normal(size=(3, 3)) * scale, rng.normal(size=3) * scale)
    c.output(x)
    return c


@pytest.mark.parametrize("spread", [0.0, 30.0, 120.0])
def test_long_coefficients_are_rounded_down(spread):
    """Products of six 53-bit numbers are longer than any integer that is kept."""
    for seed in range(6):
        for derived, true in margins(deep(seed, spread), [[1, 0, 0], [0, -1, 1]]):
            assert derived <= true
            reach = max(abs(true), Fraction(2) ** -40)
            assert spread > 0 or true - derived < reach * Fraction(2) ** -60


def thirds(op: str) -> Certificate:
    """x / 3, or a product with a matrix divided by 3, at a point."""
    c = Certificate()
    x = c.box([1.0, -5.0], [1.0, -5.0])
    three = c.constant(np.float32(3))
    if op == "div":
        c.output(c.node("div", [x, three], [2]))
    else:
        weights = c.constant(np.array([[1.0, -2.0], [7.0, 1.0]]))
        weights = c.node("div", [weights, three], [2, 2])
        c.output(c.node("dot_general", [x, weights], [2], **DOT))
    return c


@pytest.mark.parametrize("op", ["div", "dot"])
def test_constants_that_are_not_dyadic_are_enclosed(op):
    for derived, true in margins(thirds(op), [[1, 0], [-1, 0], [0, 1], [0, -1]]):
        assert true - Fraction(2) ** -100 < derived < true


def chord(lo: float, hi: float, sign: int, op: str) -> Certificate:
    c = Certificate()
    x = c.box([lo], [hi])
    h = c.node("abs", [x], [1]) if op == "abs" else relu(c, x, [1])
    c.output(c.node("mul", [h, c.constant(np.float64(sign))], [1]), x)
    return c


@pytest.mark.parametrize("op", ["relu", "abs"])
def test_the_slope_of_a_chord_is_rounded_to_the_safe_side(op):
    """relu(x) - s x for the chord's own slope s, which is no binary number."""
    f = (lambda v: max(v, 0)) if op == "relu" else abs
    for lo, hi in ((-1, 2), (-2, 1), (-3, 4), (-5, 2), (-1, 6), (-1, 40), (-40, 1)):
        for slope in np.linspace(-1, 1, 9):
            c = chord(lo, hi, -1, op)
            c.property = c.rows([[1, slope]], [0])
            s = Fraction(float(slope))
            least = min(s * v - f(Fraction(v)) for v in (lo, 0, hi))
            assert exact(check(c.pack()).margin) <= least


def test_the_constants_of_linear_forms_only_shrink():
    """Numbers so far apart that not all of their bits are kept."""
    for numbers in ([1, 3, -5], [-1, 7], [-3, -1, 1], [5, -1]):
        for step in (300, -300, 700, -900):
            bias, true = Bias(1), Fraction(0)
            for k, number in enumerate(numbers):
                bias.add([number], k * step)
                true += number * Fraction(2) ** (k * step)
            (value,) = bias.values
            assert value * Fraction(2) ** bias.exp <= true


def test_every_float_format_is_read_exactly():
    """Subnormals, the largest numbers and signed zeros; bfloat16 by its bits."""
    cases = {
        "float16": [65504.0, 2.0**-24, -0.0, 1.5],
        "float32": [3.4028234663852886e38, 2.0**-149, -(2.0**-126), 0.1],
        "float64": [1.7976931348623157e308, 5e-324, -0.0, 0.1],
    }
    for dtype, numbers in cases.items():
        array = np.array(numbers, dtype)
        c = Certificate()
        x = c.box([0.0] * 4, [0.0] * 4)
        c.output(c.node("add", [x, c.constant(array)], [4]))
        rows = [list(row) for row in np.eye(4)]
        for (derived, _), number in zip(margins(c, rows)[::2], array, strict=True):
            assert derived == Fraction(float(number))


def test_bfloat16_is_the_upper_half_of_binary32():
    c = Certificate()
    x = c.box([0.0], [0.0])
    bits = c.constant(np.array([0xC049], np.uint16))
    c.output(c.node("add", [x, bits], [1]))
    c.property = c.rows([[1]], [-4])
    manifest = c.manifest()
    table = manifest["arrays"]
    table[c.graph["constants"][0]["array"]]["dtype"] = "bfloat16"
    manifest["graph_digest"] = digest_of(c.graph, table)
    members = {**c.members(), "manifest.json": canonical(manifest)}
    assert exact(check(archive(members)).margin) == 4 - Fraction(201, 64)
