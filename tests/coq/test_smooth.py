"""Lines below and above exp, logistic and tanh, as Coq decides about them.

The right lines come from mpmath, moved outward by a little; the wrong ones are those
moved inward past a point that they touch, so that the function is on their other side.
"""

from fractions import Fraction

import mpmath
import pytest

from torchlean_jax import coq
from torchlean_jax.coq import _run

FUNCTIONS = {
    "ExpCurve": (mpmath.exp, mpmath.exp),
    "LogisticCurve": (
        lambda x: 1 / (1 + mpmath.exp(-x)),
        lambda x: 1 / (2 + mpmath.exp(-x) + mpmath.exp(x)),
    ),
    "TanhCurve": (mpmath.tanh, lambda x: 1 - mpmath.tanh(x) ** 2),
}
BOXES = [(-3.0, -0.5), (0.25, 2.0), (-1.5, 2.25), (-6.0, 0.125), (0.0, 4.0), (1.0, 1.0)]
ROOM = Fraction(1, 2**24)  # outward; the double of it inward is wrong
GRID = 2**40
needs_interval = pytest.mark.skipif(
    coq.missing(["Smooth"]) is not None, reason=str(coq.missing(["Smooth"]))
)


def lines(curve, lo, hi):
    """(slope, point that it touches, point of the tangent) below and above."""
    f, d = FUNCTIONS[curve]
    chord = (f(hi) - f(lo)) / (hi - lo) if hi > lo else d(lo)
    middle = (lo + hi) / 2
    flat = min(d(lo), d(hi))
    if curve == "ExpCurve" or hi <= 0:
        return (d(middle), middle, middle), (chord, lo, lo)
    if lo >= 0:
        return (chord, lo, lo), (d(middle), middle, middle)
    return (flat, lo, lo), (flat, hi, hi)


def dyadic(x: Fraction) -> str:
    scaled = x * GRID
    assert scaled.denominator == 1
    return f"((-40)%Z, BigZ.of_Z ({scaled.numerator}))"


def question(curve, lo, hi, over, moved: Fraction) -> str:
    """The line above (`over` false) or below, `moved` away from the function."""
    f, _ = FUNCTIONS[curve]
    slope, touched, tangent = lines(curve, lo, hi)[0 if over else 1]
    a = Fraction(int(mpmath.floor(slope * GRID)), GRID)
    at_zero = f(touched) - mpmath.mpf(a.numerator) / a.denominator * touched
    b = Fraction(int(mpmath.floor(at_zero * GRID)), GRID) + (-moved if over else moved)
    low, high, c = (dyadic(Fraction(x)) for x in (lo, hi, tangent))
    line = f"{{| slope_of := {dyadic(a)}; at_zero := {dyadic(b)} |}}"
    side = "true" if over else "false"
    call = f"bounds (F.PtoP 80) {side} {curve} {line} {low} {high} {c} {c}"
    return f"Eval vm_compute in {call}.\n"


@needs_interval
def test_right_lines_are_accepted_and_wrong_ones_are_not(tmp_path):
    text = (
        "From Coq Require Import ZArith.\nFrom Bignums Require Import BigZ.\n"
        "From TorchLean Require Import Graph Curves Smooth.\n"
    )
    expected = []
    with mpmath.workdps(40):
        for curve in FUNCTIONS:
            for lo, hi in BOXES:
                for over in (True, False):
                    for moved in (ROOM, -2 * ROOM):
                        text += question(curve, lo, hi, over, moved)
                        expected.append("true" if moved > 0 else "false")
    source = tmp_path / "Lines.v"
    source.write_text(text)
    coq.build(["Smooth"])
    said = _run._coqc(source, 100)
    found = [line.split()[1] for line in said.splitlines() if "= " in line]
    assert found == expected
