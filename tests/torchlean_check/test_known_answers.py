"""Verdicts on networks whose exact minimum is known by enumeration.

A ReLU network on a box in the plane is linear between the lines where a pre-activation
is zero, so its minimum is attained where two of these lines or edges of the box meet.
The minimum over those points, in fractions, is the oracle.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from tests.torchlean_check.builder import Certificate, dyadic, exact, leaf
from tests.torchlean_check.evaluator import Claim, fractions
from tests.torchlean_check.examples import EXAMPLES, dense, mlp, relu
from torchlean_check import CertificateError, check

TINY = Fraction(1, 2**60)


def network(rng, c, x, hidden, bits=4):
    """A random network with dyadic weights; returns (output, weights as fractions)."""
    scale = 2.0**bits
    w = np.round(rng.normal(size=(2, hidden)) * scale) / scale
    b = np.round(rng.normal(size=hidden) * scale) / scale
    v = np.round(rng.normal(size=(hidden, 1)) * scale) / scale
    h = dense(c, x, w, b)
    y = dense(c, relu(c, h, [hidden]), v, np.zeros(1))
    return h, y, tuple(map(fractions, (w, b, v)))


def minimum(weights, lo, hi) -> Fraction:
    """The exact minimum over a box in the plane."""
    w, b, v = weights
    lines = [(w[0, k], w[1, k], -b[k]) for k in range(len(b))]
    lines += [(1, 0, lo[0]), (1, 0, hi[0]), (0, 1, lo[1]), (0, 1, hi[1])]
    best = None
    for (a, c, e), (p, q, r) in itertools.combinations(lines, 2):
        det = a * q - c * p
        if det == 0:
            continue
        x, y = (e * q - c * r) / det, (a * r - e * p) / det
        if lo[0] <= x <= hi[0] and lo[1] <= y <= hi[1]:
            hidden = [max(w[0, k] * x + w[1, k] * y + b[k], 0) for k in range(len(b))]
            value = sum(h * v[k, 0] for k, h in enumerate(hidden))
            best = value if best is None else min(best, value)
    return best


def two_layers(seed, method="crown", final=False):
    """A random network on a random box, and the exact minimum of its output."""
    rng = np.random.default_rng(seed)
    c = Certificate()
    lo = np.round(rng.normal(size=2) * 16) / 16
    hi = lo + rng.integers(0, 24, 2) / 16
    x = c.box(lo, hi)
    h, y, weights = network(rng, c, x, int(rng.integers(2, 6)))
    c.output(y)
    c.property = c.rows([[1]], [0])
    slopes = {}
    if final:
        size = len(weights[1])
        slopes = {str(h + 2): c.array(rng.random(size).astype(np.float32))}
    c.proof = [leaf(method, final=slopes)]
    return c, h, minimum(weights, fractions(lo), fractions(hi))


@pytest.mark.parametrize("method", ["crown", "crown-ibp", "ibp"])
def test_the_margin_never_exceeds_the_minimum(method):
    reached = 0
    for seed in range(150):
        c, _, least = two_layers(seed, method, final=seed % 2 == 1)
        margin = exact(check(c.pack()).margin)
        assert margin <= least
        reached += margin == least
    assert method == "ibp" or reached > 30  # or the test would say nothing of tightness


def deeper(seed, method, offset=0) -> Certificate:
    """Three hidden layers, whose boxes have to be refined."""
    rng = np.random.default_rng(seed)
    c = Certificate()
    lo = np.round(rng.normal(size=2) * 16) / 16
    x = c.box(lo, lo + rng.integers(1, 12, 2) / 16)
    for size in (4, 4, 4):
        shape = (c.graph["nodes"][-1]["shape"] if c.graph["nodes"] else [2])[0]
        w = np.round(rng.normal(size=(shape, size)) * 8) / 8
        x = relu(c, dense(c, x, w, np.round(rng.normal(size=size) * 8) / 8), [size])
    c.output(dense(c, x, np.round(rng.normal(size=(4, 1)) * 8) / 8, np.zeros(1)))
    c.property = c.rows([[1]], [offset])
    c.proof = [leaf(method)]
    return c


def test_refined_bounds_hold_and_are_nearer():
    rng, nearer = np.random.default_rng(0), 0
    for seed in range(40):
        margins = []
        for method in ("ibp", "crown-ibp", "crown"):
            blob = deeper(seed, method).pack()
            margins.append(exact(check(blob).margin))
        claim = Claim(blob)
        least = min(claim.margin(point) for point in claim.points(25, rng))
        assert max(margins) <= least
        nearer += margins[0] < margins[1] < margins[2]
    assert nearer > 5


def test_points_and_decided_networks_are_exact():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        c = Certificate()
        place = np.round(rng.normal(size=2) * 64) / 64
        x = c.box(place, place)
        _, y, weights = network(rng, c, x, 4)
        c.output(y)
        c.property = c.rows([[1]], [0])
        least = minimum(weights, fractions(place), fractions(place))
        assert exact(check(c.pack()).margin) == least


def pieces(lo, hi, kinks):
    """A chain of splits of [lo, hi] at `kinks`, as a tree in preorder."""
    proof = []
    for kink in sorted(k for k in kinks if lo < k < hi):
        split = {"value": 0, "index": 0, "at": dyadic(kink)}
        proof += [{"split": split}, leaf()]
    return [*proof, leaf()]


def kinked(seed, sign):
    """A network with exact minimum 0 on [-1, 1.25]; the claim is y > sign * 2**-60.

    x -> sum v relu(x - t) is linear between its kinks, so these cases prove it exactly.
    """
    rng = np.random.default_rng(seed)
    kinks = rng.permutation(np.arange(-12, 13))[:4] / 8
    v = rng.integers(-8, 9, (4, 1)) / 4
    places = [-1.0, 1.25, *(k for k in kinks if -1 < k < 1.25)]
    least = min((v[:, 0] * np.maximum(p - kinks, 0)).sum() for p in places)
    c = Certificate()
    x = c.box([-1.0], [1.25])
    h = relu(c, dense(c, x, np.ones((1, 4)), -kinks), [4])
    c.output(dense(c, h, v, np.array([-least])))
    c.property = c.rows([[1]], [sign * 2.0**-60])
    c.proof = pieces(-1.0, 1.25, kinks.tolist())
    return c


@pytest.mark.parametrize("seed", range(20))
def test_true_by_one_part_in_two_to_the_sixty_is_accepted_and_false_is_not(seed):
    report = check(kinked(seed, -1).pack())
    assert report.accepted
    assert exact(report.margin) == TINY
    for sign in (0, 1):
        report = check(kinked(seed, sign).pack())
        assert not report.accepted
        assert exact(report.margin) >= -sign * TINY


def test_nothing_lies_between_the_halves_of_a_cut():
    """|x - m| > 2**-56 but for m between neighbouring floats: the half with m fails."""
    ulp = 2.0**-54
    for cuts, failing in (([0.25], 2), ([0.25, 0.25 + ulp], 3), ([0.25 + ulp], 1)):
        report = check(far_from_a_sliver(cuts, ulp, ulp / 4).pack())
        assert not report.accepted
        assert report.reason.startswith(f"proof[{failing}]: property: ")
        assert check(far_from_a_sliver(cuts, ulp, -ulp / 4).pack()).accepted


def far_from_a_sliver(cuts, ulp, offset):
    """|x - 1/4 - ulp/2| > offset on [ulp, 1]."""
    c = Certificate()
    x = c.box([ulp], [1.0])
    h = c.node("sub", [x, c.constant(np.array([0.25]))], [1])
    h = c.node("sub", [h, c.constant(np.array([ulp / 2]))], [1])
    c.output(c.node("abs", [h], [1]))
    c.property = c.rows([[1]], [offset])
    c.proof = pieces(ulp, 1.0, cuts)
    return c


class Late(Exception):
    pass


def test_who_watches_may_end_a_check():
    """At every leaf, and before every block of refined entries."""
    c = kinked(0, -1)
    calls = []
    assert check(c.pack(), watch=lambda: calls.append(1)).accepted
    assert len(calls) >= len(c.proof) // 2 + 1
    left = iter(range(len(calls) - 1))

    def watch():
        if next(left, None) is None:
            raise Late

    with pytest.raises(Late):
        check(c.pack(), watch=watch)


def test_a_relu_split_decides_the_neuron():
    """relu(h) - h over h in [-1, 1] is at least 0; the triangle alone gives -1/2."""
    c = Certificate()
    x = c.box([-1.0], [1.0])
    h = c.node("neg", [x], [1])
    y = c.node("sub", [relu(c, h, [1]), h], [1])
    z = relu(c, c.node("neg", [h], [1]), [1])
    c.output(c.node("sub", [y, z], [1]))  # relu(h) - h - relu(-h) = 0
    c.property = c.rows([[1]], [-0.25])
    assert exact(check(c.pack()).margin) < 0
    other = {"split": {"value": h + 3, "index": 0, "at": [0, 0]}}
    c.proof = [
        {"split": {"value": h, "index": 0, "at": [0, 0]}},
        *[other, leaf(), leaf()] * 2,
    ]
    report = check(c.pack())
    assert report.accepted
    assert report.leaves == 4


def in_quarters(seed, method, shared: dict) -> Certificate:
    """A deeper network whose box is cut twice, the splits with fields `shared`."""
    c = deeper(seed, method, -100)  # true, so that every leaf is looked at
    lo, hi = (c.arrays[c.sets[0][end]] for end in ("lo", "hi"))
    cuts = [
        {"split": {"value": 0, "index": k, "at": dyadic((lo[k] + hi[k]) / 2)}} | shared
        for k in (0, 1)
    ]
    c.proof = [cuts[0], *[cuts[1], leaf(method), leaf(method)] * 2]
    return c


def test_bounds_that_leaves_share_hold_and_are_as_near():
    """What is derived for a part holds on its halves, which need not derive it anew;
    each half has its own bounds besides."""
    shared, counts = {"method": "crown"}, np.zeros(3, int)
    for seed in range(40):
        alone, together, own, taken = (
            exact(check(in_quarters(seed, method, fields).pack()).margin)
            for method in ("crown", "crown-ibp")
            for fields in ({}, shared)
        )
        assert max(alone, together, own, taken) <= least_found(seed)
        # narrower boxes may turn a lower line, which is not always for the better
        counts += [together >= alone, taken >= own, taken > own]
    assert counts[:2].min() >= 38 and counts[2] >= 3, counts


def least_found(seed) -> Fraction:
    """The least output met, which the exact minimum is not above."""
    claim = Claim(in_quarters(seed, "crown", {}).pack())
    return min(map(claim.margin, claim.points(64, np.random.default_rng(seed))))


def test_a_part_without_inputs_has_none_in_its_halves():
    c = mlp()
    away = {"split": {"value": 0, "index": 0, "at": dyadic(100)}}
    inner = {"split": {"value": 0, "index": 1, "at": dyadic(0)}, "method": "crown"}
    c.proof = [away, leaf(), inner, inner, leaf(), leaf(), leaf()]
    report = check(c.pack())
    assert report.accepted and report.leaves == 4


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"method": "ibp"}, "by crown"),
        ({"method": 1}, "of type str"),
        ({"refining": {}}, "without a method"),
        ({"method": "crown", "refining": {"0": "0"}}, "has slopes"),
        ({"method": "crown", "final": {}}, "unknown field"),
    ],
)
def test_bad_fields_of_a_split_are_refused(fields, words):
    with pytest.raises(CertificateError, match=words):
        check(in_quarters(0, "crown", fields).pack())


def test_an_empty_leaf_holds_vacuously():
    c = mlp()
    c.proof = [{"split": {"value": 0, "index": 0, "at": dyadic(100)}}, leaf(), leaf()]
    assert check(c.pack()).accepted
    c.proof = [{"split": {"value": 0, "index": 0, "at": dyadic(-100)}}, leaf(), leaf()]
    assert check(c.pack()).accepted


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_accepted_and_true(name):
    blob = EXAMPLES[name]().pack()
    report = check(blob)
    assert report.accepted, report.reason
    claim = Claim(blob)
    rng = np.random.default_rng(0)
    least = min(claim.margin(point) for point in claim.points(60, rng))
    assert 0 < exact(report.margin) <= least
    assert float(report.margin_decimal) == pytest.approx(float(exact(report.margin)))


def test_balls_use_the_dual_norm():
    """Over |x - c|_2 <= r the least a.x is a.c - r|a|_2: here 3, 4 and 5."""
    for norm, size in ((1, 4), (2, 5)):
        c = Certificate()
        x = c.ball([0.5, 0.25], 0.125, norm)
        c.output(c.node("dot_general", [c.constant(np.array([3.0, 4.0])), x], [],
                        dimension_numbers=[[[0], [0]], [[], []]]))  # fmt: skip
        c.property = c.rows([[1]], [0])
        assert exact(check(c.pack()).margin) == Fraction(5, 2) - Fraction(size, 8)


def square(rows, bounds, multipliers, method="crown"):
    """x + y > 1/2 on the unit square, where some constraints hold."""
    c = Certificate()
    x = c.box([0.0, 0.0], [1.0, 1.0])
    c.output(c.node("reduce_sum", [x], [], axes=[0]))
    c.property = c.rows([[1]], [0.5])
    c.constraints = [c.rows(rows, bounds)]
    c.proof = [leaf(method, multipliers=c.array(np.array(multipliers)))]
    return c


def constraints_are_used():
    """Where x + y >= 1 the margin is 1/2; where x - y >= 1/2 it is 0, at (1/2, 0)."""
    for method in ("crown", "crown-ibp"):
        report = check(square([[1, 1]], [1.0], [[1.0]], method).pack())
        assert exact(report.margin) == Fraction(1, 2)
        assert "A @ x >= b" in report.claim
        half = check(
            square([[1, 1], [1, -1]], [0.25, 0.5], [[0.0, 1.0]], method).pack()
        )
        assert not half.accepted and exact(half.margin) == 0
    assert not check(square([[1, 1]], [1.0], [[0.5]]).pack()).accepted
    useless = check(square([[-1, 0]], [-0.25], [[2.0]]).pack())  # x <= 1/4
    assert exact(useless.margin) == -1


def test_constraints_are_used():
    constraints_are_used()


def test_multipliers_go_with_their_rows():
    """The second row needs the second constraint; slopes by row regroup the rows."""
    for rows, accepted in (([[1, 0], [0, 1]], True), ([[0, 1], [1, 0]], False)):
        c = Certificate()
        x = c.box([-1.0, -1.0], [1.0, 1.0])
        h = c.node("max", [x, c.constant(np.float64(0))], [2])
        c.output(h, x)
        c.property = c.rows([[0, 0, 1, 0], [0, 0, 0, 1]], [0.25, 0.25])
        c.constraints = [c.rows([[1.0, 0.0]], [0.5]), c.rows([[0.0, 1.0]], [0.5])]
        slopes = {str(h): c.array(np.ones((2, 2)))}
        c.proof = [leaf(final=slopes, multipliers=c.array(np.array(rows)))]
        assert check(c.pack()).accepted is accepted


def test_contradictory_constraints_prove_anything():
    """No x, y in the unit square has x - y >= 2: four times that is proof enough."""
    for method in ("crown", "ibp"):
        assert check(square([[1, -1]], [2.0], [[4.0]], method).pack()).accepted
    assert not check(square([[1, -1]], [0.5], [[4.0]]).pack()).accepted


@pytest.mark.parametrize(
    ("multipliers", "words"),
    [
        ([[-1.0]], "negative"),
        ([1.0], "shape"),
        ([[1.0, 1.0]], "shape"),
        ([[1.0], [1.0]], "shape"),
    ],
)
def test_bad_multipliers_are_refused(multipliers, words):
    with pytest.raises(CertificateError, match=words):
        check(square([[1, 1]], [1.0], multipliers).pack())


def test_multipliers_without_constraints_are_refused():
    c = square([[1, 1]], [1.0], [[1.0]])
    c.constraints = []
    with pytest.raises(CertificateError, match="no constraints"):
        check(c.pack())


def test_any_needs_one_clause_on_the_whole_leaf():
    c = Certificate()
    c.output(c.box([-1.0], [1.0]))
    either = {"any": [c.rows([[1]], [-0.5]), c.rows([[-1]], [-0.5])]}
    c.property = either
    assert not check(c.pack()).accepted
    c.proof = [{"split": {"value": 0, "index": 0, "at": [0, 0]}}, leaf(), leaf()]
    assert check(c.pack()).accepted
    c.property = {"all": either["any"]}
    assert not check(c.pack()).accepted
