"""Networks of hats beside functions whose distance from them is known by hand."""

import itertools
import json
import random
from fractions import Fraction

import pytest

from tests.torchlean_check.test_fuzz import mutate
from torchlean_check import CertificateError, _interpolants, check
from torchlean_check._container import canonical_json

# name -> (its program, f itself, the largest distance of its interpolant on unit cells,
# for the last one of those on [2, 3])
FUNCTIONS = {
    "a square": ([["product", 0, 0]], 1, lambda x: x * x, Fraction(1, 4)),
    "a saddle": ([["product", 0, 1]], 2, lambda x, y: x * y, Fraction(1, 4)),
    "three squares": (
        [*(["product", k, k] for k in range(3)),
         ["linear", "0", [["1", 3], ["1", 4], ["-2", 5]]]],
        *(3, lambda x, y, z: x * x + y * y - 2 * z * z, Fraction(1)),
    ),
}  # fmt: skip


def document(name, *, count=3, scale=Fraction(1), shift=Fraction(0), eps=None):
    steps, size, f, most = FUNCTIONS[name]
    nodes = [(k - shift) / scale for k in range(count)]
    return {
        "format": "torchlean-interpolant",
        "version": 1,
        "function": {"steps": steps, "outputs": [size + len(steps) - 1]},
        "box": {"lo": [str(nodes[0])] * size, "hi": [str(nodes[-1])] * size},
        "scale": [str(scale)] * size,
        "shift": [str(shift)] * size,
        "shape": [count] * size,
        "values": [str(f(*x)) for x in itertools.product(nodes, repeat=size)],
        "eps": str(most / scale**2 if eps is None else eps),
    }


def accepted(entry) -> bool:
    return check(canonical_json(entry)).accepted


def network(entry, x):
    """By the formula of the claim."""
    ends = [[Fraction(v) for v in entry[k]] for k in ("scale", "shift")]
    at = [s * y + b for s, b, y in zip(*ends, x, strict=True)]
    total, places = Fraction(0), map(range, entry["shape"])
    for k, value in zip(itertools.product(*places), entry["values"], strict=True):
        s = [t - n for t, n in zip(at, k, strict=True)]
        total += max(Fraction(0), 1 + min(0, *s) - max(0, *s)) * Fraction(value)
    return total


def off(entry, f, parts=8):
    """The largest |f - N| at a grid of rational points of the box."""
    sides = [
        [lo + (hi - lo) * Fraction(k, parts) for k in range(parts + 1)]
        for lo, hi in zip(*(map(Fraction, entry["box"][k]) for k in ("lo", "hi")),
                          strict=True)
    ]  # fmt: skip
    return max(abs(f(*x) - network(entry, x)) for x in itertools.product(*sides))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("grid", [{}, {"scale": Fraction(1, 2), "shift": Fraction(1)}])
def test_a_distance_is_proved_and_no_smaller_one(name, grid):
    """x^2 is 1/4 off in the middle of a unit cell, x y along its diagonal; each is what
    the bound says, so that anything less is false and not proved."""
    entry, f = document(name, **grid), FUNCTIONS[name][2]
    eps = Fraction(entry["eps"])
    assert accepted(entry)
    assert off(entry, f) == (eps if name != "three squares" else eps / 2)
    tight = document(name, **grid, eps=eps * Fraction(2**40 - 1, 2**40))
    report = check(canonical_json(tight))
    assert not report.accepted and "the network on the cell from" in report.reason


def test_what_values_are_off_at_nodes_is_added():
    entry = document("a saddle")
    entry["values"][4] = str(Fraction(entry["values"][4]) + Fraction(1, 8))
    assert not accepted(entry)
    entry["eps"] = "3/8"
    assert accepted(entry) and off(entry, FUNCTIONS["a saddle"][2]) <= Fraction(3, 8)
    entry["values"][4] = "4"
    report = check(canonical_json(entry))
    assert not report.accepted and "the value at the node" in report.reason


def test_a_function_without_a_bound_on_a_cell_is_not_followed():
    """1 / x on [-1, 1]: nodes leave out 0, cells do not."""
    entry = document("a square", count=2, scale=Fraction(1, 2), shift=Fraction(1, 2))
    steps = [["linear", "1", []], ["quotient", 1, 0]]
    entry |= {"function": {"steps": steps, "outputs": [2]}, "values": ["-1", "1"],
              "eps": "1000"}  # fmt: skip
    report = check(canonical_json(entry))
    assert not report.accepted and "holds 0" in report.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"box": {"lo": ["0"], "hi": ["5/2"]}}, "between the first and the last node"),
        ({"box": {"lo": ["-1/2"], "hi": ["1"]}}, "between the first and the last node"),
        ({"scale": ["-1"]}, "positive"),
        ({"scale": ["1", "1"]}, "1 numbers each"),
        ({"shift": []}, "1 numbers each"),
        ({"shape": [4]}, "one for each"),
        ({"shape": [1], "values": ["0"]}, "2 or more"),
        ({"shape": [3] * 4}, "axes"),
        ({"version": 2}, "version 1"),
        ({"eps": "0.25"}, "rational"),
    ],
)
def test_what_is_malformed_is_named(change, said):
    with pytest.raises(CertificateError, match=said):
        accepted(document("a square") | change)


def accepted_of_changed(count=400):
    """Documents with one or two places changed, that are accepted all the same."""
    rng = random.Random(0)
    for _ in range(count):
        entry = json.loads(canonical_json(document("a saddle")))
        steps = entry["function"]
        if rng.randrange(2):
            place = rng.choice(["values", "shift", "scale", "eps"])
            new = rng.choice(["0", "1", "1/4", "2", "-1", "1/8", "3/8"])
            if place == "eps":
                entry[place] = new
            else:
                entry[place][rng.randrange(len(entry[place]))] = new
        else:
            mutate(entry, rng)
            if type(entry) is not dict or entry.get("function") != steps:
                continue
        try:
            if accepted(entry):
                yield entry
        except CertificateError as error:
            assert str(error)


def false(entry) -> bool:
    return off(entry, FUNCTIONS["a saddle"][2], 4) > Fraction(entry["eps"])


def test_what_is_accepted_of_changed_documents_is_true():
    found = list(accepted_of_changed())
    assert len({canonical_json(entry) for entry in found}) >= 3
    assert not any(map(false, found))


FAULTS = {
    "off_at": lambda f, point, value: Fraction(0),  # the values are believed
    "curvature": lambda f, cell: Fraction(1, 8),  # half of the distance
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_checker_that_accepts_too_much_is_noticed(fault, monkeypatch):
    monkeypatch.setattr(_interpolants, fault, FAULTS[fault])
    assert any(map(false, accepted_of_changed()))
