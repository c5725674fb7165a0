"""Certificates with exp, logistic and tanh as theorems.

The meaning is compared with mpmath's on the certificate's own arrays; the lines in the
text are compared with it at many points; Coq is asked about right and false evidence.
"""

import dataclasses
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from tests.coq.meaning import CURVES, definition, evaluate, margin
from tests.torchlean_check.builder import Certificate
from tests.torchlean_check.examples import dense
from torchlean_jax import coq
from torchlean_jax.cli import main
from torchlean_jax.coq import _run
from torchlean_jax.coq._core import Core
from torchlean_jax.coq._curves import bends
from torchlean_jax.coq._evidence import Prover
from torchlean_jax.coq._reading import read
from torchlean_jax.coq._text import _leaf, network_text, theorem_text

W1 = np.array([[1.0, -2.0, 0.5], [0.75, 1.0, 1.0]], np.float32)
B1 = np.array([0.25, 0.5, -1.5], np.float32)
W2 = np.array([[1.0, -0.5], [0.5, 0.25], [-1.0, 0.75]], np.float32)
B2 = np.array([0.25, -0.5], np.float32)
needs_interval = pytest.mark.skipif(
    coq.missing(["Smooth"]) is not None, reason=str(coq.missing(["Smooth"]))
)


def network(offset=0.4375) -> Certificate:
    """Two inputs, three tanh, two exp, two logistic units."""
    c = Certificate()
    h = c.node("tanh", [dense(c, c.box([-0.5, 0.25], [0.25, 0.75]), W1, B1)], [3])
    h = c.node("exp", [dense(c, h, W2, B2)], [2])
    y = c.node("logistic", [dense(c, h, np.eye(2, dtype=np.float32), B2)], [2])
    c.output(y)
    c.property = c.rows([[1, -1]], [offset])
    return c


def outputs(x) -> list:
    """The same by mpmath."""
    hidden = [mpmath.tanh(v) for v in _dense(x, W1, B1)]
    hidden = [mpmath.exp(v) for v in _dense(hidden, W2, B2)]
    return [CURVES["LogisticCurve"](v) for v in _dense(hidden, np.eye(2), B2)]


def _dense(x, w, b):
    pairs = zip(w.T.tolist(), b.tolist(), strict=True)
    return [mpmath.fdot(row, x) + c for row, c in pairs]


def test_the_text_means_what_the_certificate_means():
    text = coq.theorems({"c": network().pack()})
    for name in CURVES:
        assert f"Curve {name} " in text
    for point in ([-0.5, 0.25], [0.25, 0.75], [0.125, 0.5]):
        env = evaluate(text, [[*map(Fraction, point)]])
        found = margin(definition(text, "property_c"), env)
        with mpmath.workdps(50):
            y = outputs(point)
            difference = y[0] - y[1] - 0.4375
            found = mpmath.mpf(found.numerator) / found.denominator
            assert abs(found - difference) < mpmath.mpf(10) ** -45


@pytest.mark.parametrize("curve", CURVES)
def test_lines_are_on_their_sides_and_close(curve):
    low = np.array([-6.0, -3.0, -1.5, 0.25, -0.125, 0.0, -1.0, 2.0])
    high = np.array([0.125, -0.5, 2.25, 2.0, 6.0, 4.0, 0.0, 2.0])
    found = bends(curve, low, high)
    unit = found.exp + found.slope_exp
    with mpmath.workdps(40):
        for k in range(len(low)):
            lo, hi = (int(v[k]) for v in (found.lo, found.hi))
            assert mpmath.ldexp(lo, found.exp) <= low[k] <= high[k]
            assert mpmath.ldexp(hi, found.exp) >= high[k]
            gaps = []
            for sign, side in ((1, found.under), (-1, found.upper)):
                a = mpmath.ldexp(int(side.slope[k]), found.slope_exp)
                b = mpmath.ldexp(int(side.level[k]), unit)
                for j in range(65):
                    x = mpmath.ldexp(64 * lo + j * (hi - lo), found.exp - 6)
                    gaps.append(sign * (CURVES[curve](x) - a * x - b))
                # it touches the curve: one of 65 points is nearly on it
                rise = CURVES[curve](mpmath.mpf(high[k])) - CURVES[curve](
                    mpmath.mpf(low[k])
                )
                assert min(gaps[-65:]) < rise / 256 + mpmath.mpf(2) ** -20
            assert min(gaps) >= 0


@needs_interval
def test_coq_proves_it_and_says_on_what_it_rests(tmp_path, capsys):
    path = tmp_path / "smooth.tlc"
    path.write_bytes(network().pack())
    assert main(["certificate", "coq", str(path), "--run"]) == 0
    said = capsys.readouterr().out
    assert "claim network box_c0 property_c0" in said
    assert "Classical_Prop.classic" in said


@needs_interval
def test_no_false_evidence_is_accepted(tmp_path):
    """Lines and ends that the middle of the box contradicts, lines for entries that are
    not there, and a property that is false there."""
    blob = network().pack()
    reading = read(blob)
    core = Core(reading)
    box = reading.region.boxes[0]
    boxes = [tuple(np.ldexp(np.array(s, float), box.exp) for s in (box.lo, box.hi))]
    prover = Prover(core, boxes, [], {})
    right, proofs = dict(prover.bends), [_leaf(core, prover)]
    text = network_text(reading, core)
    middle = evaluate(text, [[Fraction(v) for v in (boxes[0][0] + boxes[0][1]) / 2]])
    for value, e in right.items():
        ((operand, _),) = core.nodes[value - core.inputs].first.terms
        for k in range(len(e.lo)):
            for changed in _false(e, k, middle[operand][k], middle[value][k]):
                prover.bends = right | {value: changed}
                proofs.append(_leaf(core, prover))
        prover.bends = right | {value: _longer(e)}
        proofs.append(_leaf(core, prover))
    text += theorem_text(reading, core, "c").partition("Theorem")[0]
    prop = text.partition("property_c : property := ")[2].partition(".\n")[0]
    false = prop.replace("integer (-7)", "integer (-9)")  # 9/16: too much
    assert false != prop
    asked = [f"network box_c property_c ({proof})" for proof in proofs]
    asked.append(f"network box_c ({false}) proof_c")
    text += "".join(
        f"Eval vm_compute in Smooth.check_smooth {call}.\n" for call in asked
    )
    text += f"Eval vm_compute in check {asked[0]}.\nEnd Certificates.\n"
    source = tmp_path / "Ask.v"
    source.write_text(text)
    coq.build(coq.needed(text))
    said = _run._coqc(source, 100)
    first, *others = [line.split()[1] for line in said.splitlines() if "= " in line]
    assert first == "true"
    assert len(others) == len(asked) and set(others) == {"false"}


def _false(e, k, x: Fraction, y: Fraction):
    """Evidence about entry k that is wrong where the operand is x and the value y."""
    unit = Fraction(2) ** e.exp
    for name, by in (("lo", 2), ("hi", -2)):
        ends = getattr(e, name).copy()
        ends[k] = math.floor(x / unit) + by
        yield dataclasses.replace(e, **{name: ends})
    steep = Fraction(2) ** e.slope_exp
    for name, by in (("under", 2), ("upper", -2)):
        side = getattr(e, name)
        level = side.level.copy()
        level[k] = (
            math.floor((y - int(side.slope[k]) * steep * x) / (steep * unit)) + by
        )
        wrong = dataclasses.replace(side, level=level)
        yield dataclasses.replace(e, **{name: wrong})


def _longer(e):
    """One line more than there are entries."""

    def more(array):
        return np.append(array, array[-1])

    sides = {
        name: dataclasses.replace(
            side,
            slope=more(side.slope),
            level=more(side.level),
            touch=more(side.touch),
        )
        for name, side in (("under", e.under), ("upper", e.upper))
    }
    return dataclasses.replace(e, lo=more(e.lo), hi=more(e.hi), **sides)
