"""Series of programs beside closed forms, and the documents that rest on them."""

import itertools
import json
import math
import re
from fractions import Fraction

import pytest

from torchlean_check import (
    CertificateError,
    MalformedCertificate,
    _nearby,
    _stability,
    _trajectories,
    check,
)
from torchlean_check._container import canonical_json
from torchlean_check._curvature import curvatures, pulls
from torchlean_check._definite import definite, reduced
from torchlean_check._fixed import ONE, exact, fixed
from torchlean_check._grades import Grades
from torchlean_check._loops import Loop, around, bounds, every
from torchlean_check._programs import Series, read_program
from torchlean_check._stability import least_on_faces
from torchlean_check._trajectories import expand, identity, inverse


def program(steps, outputs, inputs):
    entry = {"steps": steps, "outputs": outputs}
    return read_program(entry, "f", inputs, len(outputs))


def holds(x, value, width=1e-20):
    """Within 1e-14 of a float, which is all that a float can say; and narrow."""
    low, high = (float(exact(end)) for end in x)
    return abs(low - value) < 1e-14 * max(1, abs(value)) and high - low < width


# the derivatives of each function at 1/2, by hand
HALF = 0.5
E, S, C, T = math.exp(HALF), math.sin(HALF), math.cos(HALF), math.tanh(HALF)
L = 1 / (1 + math.exp(-HALF))
DERIVATIVES = {
    "exp": [E, E, E, E],
    "log": [math.log(HALF), 2, -4, 16],
    "sin": [S, C, -S, -C],
    "cos": [C, -S, -C, S],
    "tanh": [T, 1 - T**2, -2 * T * (1 - T**2), (1 - T**2) * (6 * T**2 - 2)],
    "sigmoid": [
        *(L, L * (1 - L), L * (1 - L) * (1 - 2 * L)),
        L * (1 - L) * (1 - 6 * L + 6 * L**2),
    ],
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_of_functions(name):
    f = program([[name, 0]], [1], 1)
    series = Series(f, Grades(every(1, 3)))
    inputs = [[fixed(Fraction(1, 2))], [(ONE, ONE)], [(0, 0)], [(0, 0)]]
    for n, derivative in enumerate(DERIVATIVES[name]):
        ((found,),) = series.extend([inputs[n]])
        assert holds(found, derivative / math.factorial(n))


def test_derivatives_of_products_and_quotients():
    """x y / (1 + y) at (2, 3): by hand."""
    f = program(
        [["product", 0, 1], ["linear", "1", [["1", 1]]], ["quotient", 2, 3]], [4], 2
    )
    series = Series(f, Grades(every(2, 2)))
    series.extend([[fixed(Fraction(2))], [fixed(Fraction(3))]])
    one, zero = (ONE, ONE), (0, 0)
    ((by_x, by_y),) = series.extend([[one, zero], [zero, one]])
    ((xx, xy, yy),) = series.extend([[zero] * 3, [zero] * 3])
    value = series.parts[f.outputs[0]][0][0]
    assert holds(value, 6 / 4) and holds(by_x, 3 / 4) and holds(by_y, 2 / 16)
    assert holds(xx, 0) and holds(xy, 1 / 16) and holds(yy, -2 / 4**3)


def test_the_series_of_a_solution():
    """y' = y^2 from y0: y0 / (1 - y0 t), with coefficients y0^(n + 1)."""
    f = program([["product", 1, 1]], [2], 2)
    parts = expand(f, 5, fixed(Fraction(0)), [fixed(Fraction(3))], True)
    for n in range(6):
        assert holds(parts[n][0][0], 3 ** (n + 1))
        if n:  # d/dy0 of the coefficient before
            assert holds(parts[n][0][1], n * 3 ** (n - 1))


LINEAR = {"steps": [["linear", "0", [["-1", 0]]]], "outputs": [1, 2]}  # y, -x
ROOT = {"steps": [["product", 0, 0], ["product", 1, 1],
                  ["linear", "0", [["1", 2], ["1", 3]]]], "outputs": [4]}  # fmt: skip


def test_bounds_of_a_loop_hold_its_values():
    """x' = -sin x, V = x^2 + y^2 with y' = -y: W = -2 x sin x - 2 y^2."""
    f = program([["sin", 0], ["linear", "0", [["-1", 2]]],
                 ["linear", "0", [["-1", 1]]]], [3, 4], 2)  # fmt: skip
    loop = Loop(f, read_program(ROOT, "V", 2, 1), 2)
    box = [(Fraction(1, 2), Fraction(3, 4)), (Fraction(-1, 4), Fraction(0))]
    v, w = ([float(exact(e)) for e in x] for x in bounds(loop, box))
    for i in range(9):
        for k in range(9):
            x, y = 0.5 + i / 32, -0.25 + k / 32
            assert v[0] <= x * x + y * y <= v[1]
            assert w[0] <= -2 * x * math.sin(x) - 2 * y * y <= w[1]
    # exactly where the functions end at corners, and within the second order elsewhere
    assert v == [0.25, 0.625] and w[1] - w[0] < 1.2
    _, parts = around(loop, [fixed(Fraction(0))] * 2, 2)
    xx, xy, yy = (float(exact(x[0])) for x in parts[2])
    assert (xx, xy, yy) == (-2, 0, -2)


@pytest.mark.parametrize(
    ("matrix", "radius", "answer"),
    [
        ([[2, 1], [1, 2]], "1/4", True),  # eigenvalues 1 and 3, within 1/2
        ([[2, 1], [1, 2]], "5/8", False),  # [[11/8, 13/8], [13/8, 11/8]] is in it
        ([[1, 0], [0, 10000]], "1/64", True),
        ([[10000, 90], [90, 1]], "1/100", True),  # determinant 1900, at least 1716
        # all have determinants of 627 and more: only weights see that
        ([[10000, 90], [90, 1]], "1/8", True),
        ([[10000, 90], [90, 1]], "1/4", False),  # [[9999.75, 90.25], [., 3/4]] is in it
    ],
)
def test_definiteness_of_all_matrices_of_a_set(matrix, radius, answer):
    lo, hi = ([[Fraction(x) + s * Fraction(radius) for x in row] for row in matrix]
              for s in (-1, 1))  # fmt: skip
    assert definite(reduced(lo, hi)) == answer


def test_the_least_on_a_face():
    """x^T A x / 2 with A = [[2, 1], [1, 2]] on x = 3 is least at y = -3/2: 27/4."""
    matrix = [[Fraction(2), Fraction(1)], [Fraction(1), Fraction(2)]]
    box = [(Fraction(-3), Fraction(4)), (Fraction(-9), Fraction(9))]
    assert least_on_faces(matrix, box) == Fraction(27, 4)


def test_an_inverse_is_one():
    matrix = [[fixed(Fraction(x)) for x in row] for row in ([1, 2], [3, 5])]
    found = [[exact(x[0]) for x in row] for row in inverse(matrix)]
    assert found == [[-5, 2], [3, -1]]


STABLE = {
    "format": "torchlean-stability",
    "version": 2,
    "size": 2,
    # x' = -x + y^2, y' = -y: stable where 2 x y^2 < 2 x^2 + 2 y^2
    "field": {
        "steps": [["product", 1, 1], ["linear", "0", [["-1", 0], ["1", 2]]],
                  ["linear", "0", [["-1", 1]]]],
        "outputs": [3, 4],
    },
    "function": ROOT,
    "box": {"lo": ["-3/4", "-3/4"], "hi": ["3/4", "3/4"]},
    "inner": {"lo": ["-1/8", "-1/8"], "hi": ["1/8", "1/8"]},
    "level": "1/2",
}  # fmt: skip
TURNING = {
    "format": "torchlean-trajectory",
    "version": 1,
    "field": {"steps": [["linear", "0", [["-1", 1]]]], "outputs": [2, 3]},
    "begin": "0",
    "start": {"lo": ["1", "0"], "hi": ["1", "0"]},
    "order": 12,
    "steps": [
        {"until": "1/2", "lo": ["1/2", "-5/8"], "hi": ["9/8", "1/8"],
         "frame": [["1", "0"], ["0", "1"]]},
        {"until": "1", "lo": ["3/8", "-1"], "hi": ["1", "-1/4"],
         "frame": [["1", "1"], ["-1", "1"]]},
    ],
    # cos 1 = 0.540302305868139..., sin 1 = 0.841470984807896...
    "end": {"lo": ["5403023058/10000000000", "-8414709849/10000000000"],
            "hi": ["5403023059/10000000000", "-8414709848/10000000000"]},
}  # fmt: skip
TURNING["end"] = {
    side: [str(Fraction(x)) for x in ends] for side, ends in TURNING["end"].items()
}


def changed(document, path, value):
    document = json.loads(json.dumps(document))
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return canonical_json(document)


@pytest.mark.parametrize("document", [STABLE, TURNING], ids=["stable", "turning"])
def test_a_claim_that_holds_is_accepted(document):
    report = check(canonical_json(document))
    assert report.accepted, report.reason
    assert "Assumed: nothing further" in report.claim


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("level",), "9/16", "face is open"),  # touches the faces
        (("field", "steps", 1, 2, 0, 0), "1", "definite"),  # x' = x
        (("field", "steps", 1, 1), "1/1024", "exactly 0"),
        (("function", "steps", 2, 1), "-1/1024", "exactly 0"),
        (("function", "steps", 2, 2, 0, 0), "-1", "definite"),
    ],
)
def test_sets_that_are_not_shown_to_be_stable(path, value, words, monkeypatch):
    monkeypatch.setattr(_stability, "MAX_CELLS", 2000)
    report = check(changed(STABLE, path, value))
    assert not report.accepted
    assert re.search(words, report.reason)


def test_a_function_that_is_flat_at_0_is_refused():
    """x^4 + y^4: its Hessian is 0 at 0, and definite at the middle of a box beside."""
    steps = [["product", 0, 0], ["product", 1, 1], ["product", 2, 2], ["product", 3, 3]]
    steps.append(["linear", "0", [["1", 4], ["1", 5]]])
    document = STABLE | {
        "function": {"steps": steps, "outputs": [6]},
        "box": {"lo": ["-1", "-1"], "hi": ["2", "2"]},
        "inner": {"lo": ["-1/8", "-1/8"], "hi": ["1", "1"]},
    }
    report = check(canonical_json(document))
    assert not report.accepted and "definite" in report.reason


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("field", "steps", 0, 2, 0, 0), "-2", "may leave|may be"),
        (("start", "hi", 0), "1001/1000", "may be"),
        (("steps", 0, "hi", 0), "1", "may leave"),  # the start is on its edge
        (("steps", 1, "lo", 1), "-7/8", "may leave"),
        (("steps", 1, "frame", 1), ["1", "1"], "no inverse"),
        (("end", "lo", 0), str(Fraction(54030230587, 10**11)), "may be"),
        (("order",), 2, "may"),
        (("steps", 1, "until"), "9/8", "may"),
    ],
)
def test_ends_that_are_not_shown(path, value, words):
    report = check(changed(TURNING, path, value))
    assert not report.accepted
    assert re.search(words, report.reason)


@pytest.mark.parametrize(
    ("document", "path", "value", "words"),
    [
        (STABLE, ("size",), 3, "lo and hi need|outputs"),
        (STABLE, ("field", "steps", 0, 1), 7, "names nothing"),
        (STABLE, ("field", "steps", 0, 1), -1, "names nothing"),
        (STABLE, ("field", "steps", 0, 0), "sinh", "must be linear"),
        (STABLE, ("field", "steps", 0), [], "must be linear"),
        (STABLE, ("field", "outputs"), [3], "outputs"),
        (STABLE, ("inner", "lo", 0), "0", "inside"),
        (STABLE, ("inner", "lo", 0), "-1", "lie in the box"),
        (STABLE, ("level",), "0", "positive"),
        (STABLE, ("level",), 0.5, "integer"),
        (STABLE, ("version",), 1, "version 2"),
        (TURNING, ("order",), 41, "1 to"),
        (TURNING, ("steps",), [], "of them"),
        (TURNING, ("steps", 1, "until"), "1/4", "not after"),
        (TURNING, ("start", "lo", 0), "2", "lo > hi"),
        (TURNING, ("steps", 0, "frame"), [["1"]], "rows"),
        (TURNING, ("begin",), "0/2", "lowest terms"),
        (TURNING, ("version",), 2, "must be 1"),
    ],
)
def test_documents_without_a_meaning(document, path, value, words):
    with pytest.raises(MalformedCertificate, match=words):
        check(changed(document, path, value))


def test_a_pole_on_the_way_is_not_passed():
    """y' = 1 / y from 1 cannot have 0 in its box."""
    field = {"steps": [["linear", "1", []], ["quotient", 2, 1]], "outputs": [3]}
    step = {"until": "1", "lo": ["-1"], "hi": ["3"], "frame": [["1"]]}
    start, end = {"lo": ["1"], "hi": ["1"]}, {"lo": ["0"], "hi": ["3"]}
    document = TURNING | {"field": field, "start": start, "steps": [step], "end": end}
    report = check(canonical_json(document))
    assert not report.accepted and "holds 0" in report.reason


# x' = -x (x^2 - 2^-20) with V = x^2: it flees 0 on an interval of 2^-10
HOLLOW = STABLE | {
    "size": 1,
    "field": {
        "steps": [["product", 0, 0], ["linear", "1/1048576", [["-1", 1]]],
                  ["product", 0, 2]],
        "outputs": [3],
    },
    "function": {"steps": [["product", 0, 0]], "outputs": [1]},
    "box": {"lo": ["-1"], "hi": ["1"]},
    "inner": {"lo": ["-1/256"], "hi": ["1/256"]},
}  # fmt: skip


# x' = -x + x^3 with V = x^2, the box around 0 being all of it
CUBIC = STABLE | {
    "size": 1,
    "field": {
        "steps": [["product", 0, 0], ["product", 0, 1],
                  ["linear", "0", [["-1", 0], ["1", 2]]]],
        "outputs": [3],
    },
    "function": {"steps": [["product", 0, 0]], "outputs": [1]},
    "box": {"lo": ["-2"], "hi": ["2"]},
    "inner": {"lo": ["-2"], "hi": ["2"]},
    "level": "33/100",
}  # fmt: skip
# (x, y)' = -(x, y) + 10 (y, -x) with V = x^2 + y^2 + 4 x^2 y^2, so W in polar
# coordinates is -2 r^2 - 4 r^4 sin(2 t)^2 - 20 r^4 sin(4 t), which is 1/6 where r^2 is
# 1/6 and sin(4 t) = -1; V is 13/72 there; V is convex where 4 + 16 r^2 > 192 x^2 y^2
BENT = STABLE | {
    "field": {
        "steps": [["linear", "0", [["-1", 0], ["10", 1]]],
                  ["linear", "0", [["-10", 0], ["-1", 1]]]],
        "outputs": [2, 3],
    },
    "function": {
        "steps": [["product", 0, 0], ["product", 1, 1], ["product", 2, 3],
                  ["linear", "0", [["1", 2], ["1", 3], ["4", 4]]]],
        "outputs": [5],
    },
    "box": {"lo": ["-29/64", "-29/64"], "hi": ["29/64", "29/64"]},
    "inner": {"lo": ["-29/64", "-29/64"], "hi": ["29/64", "29/64"]},
    "level": "3/16",
}  # fmt: skip


def test_a_quadratic_function_is_followed_by_the_slopes_of_the_field():
    """Of x' = -x + x^3 they are negative where 3 x^2 < 1. The Hessian of W is, up to
    x^2 = 1/6 alone; and cells above the level, of which there are many, do not count.
    """
    assert check(canonical_json(CUBIC)).accepted
    beyond = check(canonical_json(CUBIC | {"level": "17/50"}))
    assert not beyond.accepted and "P J" in beyond.reason


def test_a_function_that_is_not_quadratic_is_followed_by_hessians():
    """W of BENT falls where 2 > 18 r^2, so on V <= 1/10, and its Hessians tell so on
    a part of that."""
    small = BENT | {"level": "1/128"}
    assert check(canonical_json(small)).accepted
    beyond = check(canonical_json(BENT | {"level": "1/8"}))
    assert not beyond.accepted and "Hessian of W" in beyond.reason


def test_matrices_of_a_loop_hold_those_at_points():
    """x' = -x + y^2, y' = -y, V = x^2 + x^4 / 4 + y^2: Hessians by hand; and what the
    mean value theorem leaves of their width is of second order."""
    function = {"steps": [["product", 0, 0], ["product", 2, 2], ["product", 1, 1],
                          ["linear", "0", [["1", 2], ["1/4", 3], ["1", 4]]]],
                "outputs": [5]}  # fmt: skip
    loop = Loop(read_program(STABLE["field"], "f", 2, 2),
                read_program(function, "V", 2, 1), 2)  # fmt: skip
    h = Fraction(1, 64)
    box = [(Fraction(1, 2) - h, Fraction(1, 2) + h), (Fraction(1) - h, Fraction(1) + h)]
    weight = [[fixed(Fraction(a)) for a in row] for row in ((2, 1), (1, 3))]
    v, w = curvatures(loop, box)
    drawn = pulls(loop, weight, identity(2), box)
    for x, y in itertools.product(*([a, (a + b) / 2, b] for a, b in box)):
        mixed = 4 * y + 6 * x * x * y
        expected = {
            "V": (v, [2 + 3 * x * x, 0, 2]),
            "W": (w, [-4 - 12 * x * x + 6 * x * y * y, mixed, 4 * x + 2 * x**3 - 4]),
            # P J = [[-2, 4 y - 1], [-1, 2 y - 3]]
            "P J": (drawn, [-4, 4 * y - 2, 4 * y - 6]),
        }
        for name, (family, (xx, xy, yy)) in expected.items():
            for i, k, value in ((0, 0, xx), (0, 1, xy), (1, 0, xy), (1, 1, yy)):
                lo, hi = family.lo[i][k], family.hi[i][k]
                assert lo <= value <= hi, (name, i, k)
    # third derivatives of V at most 3 (1 + 1/32) on a width of 1/32; 4 y has 1/8
    assert v.hi[0][0] - v.lo[0][0] <= Fraction(33, 32) * 3 / 32
    assert drawn.hi[1][1] - drawn.lo[1][1] == Fraction(1, 8)
    assert drawn.widths[0] == [[0, 0], [0, 0]]


def test_planted_faults_let_false_claims_through(monkeypatch):
    """Each part of an argument is what refuses something."""
    hollow = canonical_json(HOLLOW)
    assert not check(hollow).accepted
    with monkeypatch.context() as planted:  # the Hessians are not looked at
        planted.setattr(_nearby, "definite", lambda matrix: True)
        assert check(hollow).accepted

    # x' = -x + x^3 is stable on |x| < 1, which is less than V = x^2 up to 2
    wide = canonical_json(CUBIC | {"level": "2"})
    assert not check(wide).accepted
    with monkeypatch.context() as planted:  # every cell is said to lie above the level
        planted.setattr(_nearby._Curved, "above", lambda self, cell: True)
        assert check(wide).accepted

    bent = canonical_json(BENT)
    assert not check(bent).accepted
    with monkeypatch.context() as planted:  # any V is taken for a quadratic one
        planted.setattr(_nearby, "_is_quadratic", lambda loop, box: True)
        assert check(bent).accepted

    unheld = changed(TURNING, ("steps", 0, "hi", 0), "1")
    assert not check(unheld).accepted
    with monkeypatch.context() as planted:  # solutions may leave the box of a step
        planted.setattr(_trajectories, "image", lambda *given: given[-1])
        assert check(unheld).accepted

    # x' = -x + y^2, V = x^2 + y^2 up to 1, which the box does not hold
    large = changed(STABLE, ("level",), "1")
    assert not check(large).accepted
    with monkeypatch.context() as planted:  # faces are cells like others
        planted.setattr(_stability, "walls", lambda box: [])
        assert check(large).accepted


def leaves(value, path=()):
    if isinstance(value, dict | list):
        keys = value.keys() if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from leaves(value[key], (*path, key))
    else:
        yield path, value


def test_what_is_claimed_changes_with_every_field(monkeypatch):
    """A changed document is refused, or makes another claim, or only its evidence was
    changed; and a claim names the digest of its programs."""
    monkeypatch.setattr(_stability, "MAX_CELLS", 500)
    evidence = {"steps", "order", "inner"}
    for document in (STABLE, TURNING):
        said = check(canonical_json(document)).claim
        for path, value in leaves(document):
            if isinstance(value, int):
                others = [value + 1, value - 1]
            elif re.fullmatch(r"-?[0-9]+(/[0-9]+)?", value):
                others = [str(Fraction(value) + Fraction(1, 4096)), "7/5"]
            else:
                others = [value + "x", ""]
            for other in others:
                try:
                    report = check(changed(document, path, other))
                except CertificateError:
                    continue
                same = not report.accepted or report.claim != said
                assert same or path[0] in evidence, (path, other)
