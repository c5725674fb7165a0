"""Splits used as constraints, parts of a conjunction, slopes of many leaves.

The networks here are small enough that what is least is known by hand, or found by
exact evaluation at points.
"""

from fractions import Fraction

import numpy as np
import pytest

from tests.torchlean_check.builder import Certificate, dyadic, exact, leaf
from tests.torchlean_check.evaluator import Claim
from tests.torchlean_check.examples import EXAMPLES, dense, relu
from torchlean_check import CertificateError, check


def magnitude(at=0.0, offset=-1.0):
    """max(h, at) - h / 2 > offset for h = -x, x from -1 to 1: it is at least at / 2."""
    c = Certificate()
    x = c.box([-1.0], [1.0])
    h = c.node("neg", [x], [1])
    r = c.node("max", [h, c.constant(np.float64(at))], [1])
    halved = c.node("mul", [h, c.constant(np.float64(0.5))], [1])
    c.output(c.node("sub", [r, halved], [1]))
    c.property = c.rows([[1]], [offset])
    c.proof = [{"split": {"value": h, "index": 0, "at": dyadic(at)}, "method": "crown"}]
    return c


def with_multipliers(c, *numbers):
    leaves = [leaf("crown-ibp", split_multipliers=[[dyadic(b)]]) for b in numbers]
    c.proof = [c.proof[0], *leaves]
    return check(c.pack())


@pytest.mark.parametrize("at", [0.0, 0.25, -0.5])
def test_the_right_multipliers_are_exact_and_others_are_weaker(at):
    report = with_multipliers(magnitude(at), 0.5, 0.5)
    assert report.accepted and exact(report.margin) == Fraction(at) / 2 + 1
    for other in (0.0, 0.25, 1.0):  # of the upper half; the lower one needs none
        weaker = with_multipliers(magnitude(at), 0.5, other)
        assert exact(weaker.margin) < exact(report.margin)


def any_multipliers_are_sound():
    """No tree over signs, with whatever multipliers, is above what is met."""
    tight = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        c = Certificate()
        x = c.box([-1.0, -0.5], [1.0, 1.5])
        weights = [rng.integers(-8, 9, s) / 4 for s in ((2, 3), (3,), (3, 1), (1,))]
        h = dense(c, x, *weights[:2])
        c.output(dense(c, relu(c, h, [3]), *weights[2:]))
        c.property = c.rows([[1]], [-64])
        first, second = rng.permutation(3)[:2].tolist()
        ats = rng.integers(-4, 5, 3) / 8
        cut = [
            {"split": {"value": h, "index": e, "at": dyadic(at)}}
            for e, at in zip((first, second, second), ats, strict=True)
        ]

        def tip(depth, rng=rng):
            numbers = [dyadic(b) for b in rng.integers(0, 9, depth) / 8]
            return leaf("crown-ibp", split_multipliers=[numbers])

        c.proof = [cut[0], cut[1], tip(2), tip(2), cut[2], tip(2), tip(2)]
        blob = c.pack()
        claim = Claim(blob)
        least = min(map(claim.margin, claim.points(60, rng)))
        derived = exact(check(blob).margin)
        assert derived <= least
        tight += least - derived < 2
    assert tight > 5
    test_the_right_multipliers_are_exact_and_others_are_weaker(0.25)


def test_any_multipliers_are_sound():
    any_multipliers_are_sound()


def test_slopes_of_many_leaves_are_found_in_their_rows():
    """Row 1 holds the slope that makes relu(v) - v / 2 exact, row 0 another."""
    assert check(EXAMPLES["phases"]().pack()).accepted
    for row, place in ((0, 1), (1, 0)):
        c = EXAMPLES["phases"]()
        c.proof[5]["final"] = {
            name: [stack, row, c.array(np.array([place], np.int32))]
            for name, (stack, *_) in c.proof[5]["final"].items()
        }
        del_unused(c)
        assert not check(c.pack()).accepted


def del_unused(c):
    """Arrays that nothing names make a certificate malformed."""
    text = str([c.graph, c.sets, c.constraints, c.property, c.proof])
    for name in [n for n in c.arrays if f"'{n}'" not in text]:
        del c.arrays[name]


def test_each_leaf_proves_its_own_part():
    """x > -1/2 and y < -1/4 hold where x is in [0, 1] and y in [-1, -1/2]; y > -1/2
    does not, whichever leaf it is for."""
    rows = {"x": ([[1, 0]], [-0.5]), "-y": ([[0, -1]], [0.25]), "y": ([[0, 1]], [-0.5])}
    for names, false in (
        (("x", "-y"), None),
        (("x", "y"), "proof[2]"),
        (("y", "x"), "proof[1]"),
    ):
        c = Certificate()
        c.output(c.box([0.0, -1.0], [1.0, -0.5]))
        c.property = {"all": [c.rows(*rows[name]) for name in names]}
        c.proof = [{"each": 2}, leaf("ibp"), leaf("ibp")]
        report = check(c.pack())
        assert report.accepted is (false is None)
        if false is None:
            assert report.leaves == 2 and exact(report.margin) == Fraction(1, 4)
        else:
            assert report.reason.startswith(false)


def test_each_counts_all_rows():
    c = Certificate()
    c.output(c.box([0.0, -1.0], [1.0, -0.5]))
    c.property = c.rows([[1, 0], [0, 1]], [-0.5, -0.5])
    for count in (1, 2, 3):
        c.proof = [{"each": count}, *[leaf("ibp")] * count]
        if count == 2:
            assert not check(c.pack()).accepted
            continue
        with pytest.raises(CertificateError, match="conjunction of 2"):
            check(c.pack())


def test_a_disjunction_is_not_proved_part_by_part():
    """One part being true says nothing of the other, and two trees are not needed."""
    c = Certificate()
    c.output(c.box([0.0], [1.0]))
    c.property = {"any": [c.rows([[1]], [-0.5]), c.rows([[1]], [2.0])]}
    c.proof = [{"each": 2}, leaf("ibp"), leaf("ibp")]
    with pytest.raises(CertificateError, match="conjunction of 1"):
        check(c.pack())


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"split_multipliers": [[[-1, 0]]]}, "negative"),
        ({"split_multipliers": [[]]}, "1 lists of 1"),
        ({"split_multipliers": [[[1, 0], [1, 0]]]}, "1 lists of 1"),
        ({"split_multipliers": [[[1, 0]]] * 2}, "1 lists of 1"),
        ({"split_multipliers": [[[2, 0]]]}, "m odd"),
        ({"split_multipliers": [1]}, "must be a list"),
        ({"final": {"3": ["0", 0]}}, "list of length 3"),
        ({"final": {"3": ["0", 0, "99"]}}, "no array"),
        ({"final": {"3": ["99", 0, "0"]}}, "no array"),
    ],
)
def test_bad_fields_are_refused(fields, words):
    c = magnitude()
    c.proof += [leaf("crown-ibp", **fields), leaf("crown-ibp")]
    with pytest.raises(CertificateError, match=words):
        check(c.pack())


@pytest.mark.parametrize(
    "slopes, row, places, words",
    [
        (np.ones((2, 1)), 2, [1], "lack some of 1"),
        (np.ones((2, 1)), -1, [1], "lack some of 1"),
        (np.ones((2, 2)), 0, [1], "places of shape"),
        (np.ones(2), 0, [1], "places of shape"),
        (np.ones((2, 1)), 0, [2], "beyond 2"),
        (np.ones((2, 1)), 0, [-1], "beyond 2"),
        (np.ones((2, 1)), 0, [0.5], "beyond 2"),
        (2 * np.ones((2, 1)), 0, [1], r"lie in \[0, 1\]"),
    ],
)
def test_bad_stacks_of_slopes_are_refused(slopes, row, places, words):
    c = EXAMPLES["phases"]()
    (name,) = c.proof[5]["final"]
    stack = [c.array(slopes), row, c.array(np.array(places))]
    c.proof[5] = c.proof[5] | {"final": {name: stack}}
    del_unused(c)
    with pytest.raises(CertificateError, match=words):
        check(c.pack())


def test_a_tree_that_lacks_a_part_is_refused():
    c = EXAMPLES["phases"]()
    for k in range(len(c.proof)):
        if "split" not in c.proof[k]:
            without = EXAMPLES["phases"]()
            del without.proof[k]
            with pytest.raises(CertificateError):
                check(without.pack())
