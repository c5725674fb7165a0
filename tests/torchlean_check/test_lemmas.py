"""Lemmas: ends of values inside the graph, proved before what uses them.

relu(x) written as relu(2 x) - relu(x) is at least 0, which bounds of it do not see: so
whether the layer after it is decided is known by hand, with and without a lemma.
"""

from fractions import Fraction

import numpy as np
import pytest

from tests.torchlean_check.builder import Certificate, dyadic, exact, leaf
from tests.torchlean_check.evaluator import Claim
from tests.torchlean_check.examples import EXAMPLES, dense, relu
from tests.torchlean_check.executions import Execution
from torchlean_check import CertificateError, _verdict, check

LIFT = Fraction(1, 16)


def hidden(c, x):
    """relu(x) + LIFT for the one entry of x, in a way that bounds do not see."""
    r = relu(c, dense(c, x, np.array([[2.0, 1.0]]), np.zeros(2)), [2])
    return dense(c, r, np.array([[1.0], [-1.0]]), np.array([float(LIFT)]))


def above(value, at, index=0) -> dict:
    return {"value": value, "index": index, "at": dyadic(at), "at_most": False}


def below(value, at, index=0) -> dict:
    return above(value, at, index) | {"at_most": True}


def cut(value, at: float | Fraction = 0, index=0) -> dict:
    return {"split": {"value": value, "index": index, "at": dyadic(at)}}


def positive(lo=-1.0) -> tuple[Certificate, int, int, int]:
    """v - relu(v) > -1/8 for v = relu(x) + LIFT, x in [lo, 1]: that is 0 where bounds
    know that v is positive, and cannot be shown in one leaf where they do not."""
    c = Certificate()
    x = c.box([lo], [1.0])
    v = hidden(c, x)
    r = relu(c, v, [1])
    c.output(v, r)
    c.property = c.rows([[1, -1]], [-0.125])
    return c, x, v, r


def by_cases(x) -> list[dict]:
    """The tree by which a bound of `hidden` is exact."""
    return [cut(x), leaf(), leaf()]


def rejected(c, place, words="a lemma is not derived") -> None:
    report = check(c.pack())
    assert not report.accepted
    assert report.reason.startswith(f"proof[{place}]: ") and words in report.reason


def exact_by_hand():
    """With the lemma, and not without it. (Where the claim is true by far, no leaf is
    tried a second time, without what is shared.)"""
    for shared in ({}, {"method": "crown"}):
        for offset in (-0.125, -64.0):
            c, x, v, _ = positive()
            c.arrays[c.property["offset"]] = np.array([offset])
            assert exact(check(c.pack()).margin) < -offset
            ends = [above(v, 0), above(v, -4)]
            c.proof = [{"lemmas": ends, **shared}, *by_cases(x), leaf(), leaf()]
            report = check(c.pack())
            assert report.accepted and report.leaves == 4
            assert exact(report.margin) == -offset


def test_a_lemma_makes_a_margin_exact():
    exact_by_hand()


def test_the_margin_is_that_of_the_property():
    """The lemma holds by 2**-20 and no more."""
    c, x, v, _ = positive()
    near = LIFT - Fraction(1, 2**20)
    c.proof = [{"lemmas": [above(v, near)]}, *by_cases(x), leaf()]
    assert exact(check(c.pack()).margin) == Fraction(1, 8)


def test_lemmas_are_strict():
    """v is 1/16 where x is not positive, and at most 17/16."""
    for end, accepted in (
        (above(2, LIFT), False),
        (above(2, LIFT - Fraction(1, 2**40)), True),
        (below(2, LIFT + 1), False),
        (below(2, LIFT + 1 + Fraction(1, 2**40)), True),
    ):
        c, x, v, _ = positive()
        c.proof = [{"lemmas": [{**end, "value": v}]}, *by_cases(x), *by_cases(x)]
        assert check(c.pack()).accepted is accepted


def test_a_false_lemma_is_rejected_at_its_place():
    """However it is cut; what would follow from it is not asked."""
    for end in (above(0, Fraction(1, 8)), below(0, Fraction(1, 8))):
        c, x, v, _ = positive()
        wrong = {**end, "value": v}
        for tree, place in (
            ([leaf()], 1),
            (by_cases(x), 2 if wrong == above(v, Fraction(1, 8)) else 3),
        ):
            c.proof = [{"lemmas": [wrong]}, *tree, leaf()]
            rejected(c, place)
            missed = []
            assert not check(c.pack(), missed=missed).accepted and missed[0] < place


def test_a_lemma_is_no_licence_to_prove_the_property_in_its_place():
    """The property is proved twice by cases; the lemma by nothing."""
    c, x, v, _ = positive()
    c.proof = [{"lemmas": [above(v, 1)]}, *by_cases(x), *by_cases(x)]
    rejected(c, 2)


def test_a_lemma_that_bounds_do_not_see_needs_its_cases():
    c, _, v, _ = positive()
    c.proof = [{"lemmas": [above(v, 0)]}, leaf(), leaf()]
    rejected(c, 1)


def test_a_tree_that_lacks_a_leaf_is_refused():
    whole = EXAMPLES["lemmas"]().proof
    for k, case in enumerate(whole):
        if "split" not in case and "lemmas" not in case:
            c = EXAMPLES["lemmas"]()
            c.proof = whole[:k] + whole[k + 1 :]
            with pytest.raises(CertificateError, match=r"lacks|lists of"):
                check(c.pack())


def test_lemmas_do_not_prove_themselves():
    """Nor each other in one block, whichever comes first: v >= 0 would say that v >
    -1/32. What contradicts itself would say everything, as no input were left."""
    weak = Fraction(-1, 32)
    for first in (0, 1):
        c, x, v, _ = positive()
        trees = [([above(v, weak)], [leaf()]), ([above(v, 0)], by_cases(x))]
        (one, its), (two, others) = trees[::-1] if first else trees
        c.proof = [{"lemmas": one + two}, *its, *others, leaf()]
        rejected(c, 4 if first else 1)
    for ends in ([above(v, 4)], [above(v, 1), below(v, 0)]):
        c.proof = [{"lemmas": ends}, *[leaf()] * (len(ends) + 1)]
        rejected(c, 1)


def test_a_lemma_of_a_half_says_nothing_of_the_other():
    """v > 1/2 holds where x >= 3/4. Were it known below, v would be positive there, and
    one leaf enough. The same from the other side, where -x is what v is made of."""
    for sign in (1, -1):
        c = Certificate()
        x = c.box([-1.0], [1.0])
        v = hidden(c, c.node("neg", [x], [1]) if sign < 0 else x)
        c.output(v, relu(c, v, [1]))
        c.property = c.rows([[1, -1]], [-0.125])
        near = [{"lemmas": [above(v, 0.5)]}, leaf(), leaf()]
        for far in ([leaf()], by_cases(x)):
            halves = [far, near][::sign]
            c.proof = [cut(x, sign * 0.75), *halves[0], *halves[1]]
            if far == by_cases(x):
                assert check(c.pack()).accepted
            else:
                place = 1 if sign > 0 else 4
                rejected(c, place, "property: the derived lower bound")


def test_a_lemma_of_one_part_of_a_conjunction_says_nothing_of_the_next():
    c, x, v, _ = positive()
    c.property = {"all": [c.rows([[1, -1]], [-0.125]), c.rows([[1, -1]], [-0.25])]}
    del_rows(c)
    lemma = [{"lemmas": [above(v, 0)]}, *by_cases(x), leaf()]
    c.proof = [{"each": 2}, *lemma, leaf()]
    rejected(c, 6, "property: the derived lower bound")
    c.proof = [{"each": 2}, *lemma, *lemma]
    assert exact(check(c.pack()).margin) == Fraction(1, 8)


def del_rows(c) -> None:
    """The arrays of the property that was replaced."""
    used = str([c.graph, c.sets, c.property])
    for name in [n for n in c.arrays if f"'{n}'" not in used]:
        del c.arrays[name]


def two_deep(more=False) -> tuple[Certificate, int, int, int]:
    """w = v - relu(v) + LIFT is LIFT where bounds know v to be positive; w - relu(w) >
    -1/8 in the same way. more: and v - relu(v) > -1/8."""
    c = Certificate()
    x = c.box([-1.0], [1.0])
    v = hidden(c, x)
    r = relu(c, v, [1])
    w = c.node("sub", [v, r], [1])
    w = c.node("add", [w, c.constant(np.float64(LIFT))], [1])
    c.output(v, r, w, relu(c, w, [1]))
    rows = [[0, 0, 1, -1], [1, -1, 0, 0]][: 1 + more]
    c.property = c.rows(rows, [-0.125] * len(rows))
    return c, x, v, w


def nested():
    """The lemma w > 0 by the lemma v > 0, which is known no further than that."""
    for shared in ({}, {"method": "crown"}):
        for more in (False, True):
            c, x, v, w = two_deep(more)
            first = [{"lemmas": [above(v, 0)], **shared}, *by_cases(x)]
            second = {"lemmas": [above(w, 0)], **shared}
            c.proof = [second, leaf(), leaf()]
            rejected(c, 1)
            c.proof = [second, *first, leaf(), leaf()]
            if more:
                rejected(c, 6, "property: the derived lower bound")
            else:
                assert exact(check(c.pack()).margin) == Fraction(1, 8)
            c.proof = [*first, second, leaf(), leaf()]
            assert exact(check(c.pack()).margin) == Fraction(1, 8)


def test_lemmas_may_be_proved_by_lemmas():
    nested()


def bounds_are_kept():
    """A split of a later value, w, holds below a block of lemmas: w is at most 0 in one
    half, and at least 0 in the other. (The claim is true by far, so that no leaf is
    tried a second time.)"""
    for shared in ({}, {"method": "crown"}):
        c, _, v, w = two_deep()
        c.output(w)
        c.property = {"any": [c.rows([[-1]], [-64]), c.rows([[1]], [-64])]}
        del_rows(c)
        lemma = [{"lemmas": [above(v, -4)], "method": "crown"}, leaf(), leaf("ibp")]
        c.proof = [cut(w) | shared, *lemma, *lemma]
        assert exact(check(c.pack()).margin) == 64


def test_splits_hold_below_lemmas_about_earlier_values():
    bounds_are_kept()


def bounds_are_shared():
    """Leaves that derive nothing have what the block has derived: v <= 17/16 by
    back-substitution, and so w >= -31/16, at the least; by intervals, v <= 33/16."""
    for first in (0, 1):
        c, _, v, w = two_deep()
        c.property = c.rows([[0, 0, 1, -1]], [-4])
        del_rows(c)
        ends = [above(w, -2), above(v, -4)][:: -1 if first else 1]
        c.proof = [{"lemmas": ends, "method": "crown"}, *[leaf("ibp")] * 3]
        assert exact(check(c.pack()).margin) >= 4 - Fraction(31 + 18, 16)
        c.proof[0] = {"lemmas": ends}
        rejected(c, 1 + first)


def test_what_a_block_derives_serves_its_leaves():
    bounds_are_shared()


def logarithm():
    """log(v) > -3.5, where v > 1/32 says that there is a logarithm. Back-substitution
    sees that in either half, and intervals do not."""
    c = Certificate()
    x = c.box([-1.0], [1.0])
    v = hidden(c, x)
    c.output(c.node("log", [v], [1]))
    c.property = c.rows([[1]], [-3.5])
    c.proof = [
        {"lemmas": [above(v, Fraction(1, 32))]},
        *[cut(x), leaf("crown-ibp"), leaf("crown-ibp")],
        leaf(),
    ]
    return c


def domains():
    """Nothing after a lemma's value is asked while it is proved."""
    c = logarithm()
    margin = exact(check(c.pack()).margin)
    assert 3.5 - 5 * np.log(2) - 1e-9 < margin < 3.5 - 5 * np.log(2)
    c.proof[0]["lemmas"][0]["at"] = [0, 0]  # which has none
    rejected(c, 4, "domain")


def test_a_lemma_may_open_the_domain_of_a_function():
    domains()


def test_executions_are_bounded_on_what_lemmas_leave():
    """Of floats, with the roundings of each node."""
    c = logarithm()
    c.graph["inputs"][0]["dtype"] = "float32"
    for name in (c.sets[0]["lo"], c.sets[0]["hi"]):
        c.arrays[name] = c.arrays[name].astype(np.float32)
    for name in {k["array"] for k in c.graph["constants"]}:
        c.arrays[name] = c.arrays[name].astype(np.float32)
    blob = c.pack()
    real = check(blob)
    c.error_model = {
        "name": "one ulp",
        "ulps": {"log": 100},
        "quotient": 100,
        "products": {"operand": [0, 0], "rounding": 100},
    }
    blob = c.pack()
    report = check(blob)
    assert report.accepted and 0 < exact(report.margin) < exact(real.margin)
    rng = np.random.default_rng(0)
    claim = Claim(blob)
    run = Execution(claim, rng)
    floats = [p for p in map(run.inputs, claim.points(40, rng)) if p is not None]
    assert len(floats) > 20
    for point in floats:
        assert claim.margin_at(run.outputs(point)) >= exact(report.margin)
    c.proof = [leaf()]
    rejected(c, 0, "domain")


def halfspaces():
    """x >= 1/2 where x >= z and x + z >= 1: a lemma of an input, by multipliers of
    inputs that come after it; then relu(x) is x, up to the strictness."""
    c = Certificate()
    x = c.box([-1.0], [1.0])
    c.box([-1.0], [1.0])
    r = relu(c, x, [1])
    c.output(c.node("sub", [x, r], [1]))
    c.property = c.rows([[1]], [-0.25])
    c.constraints = [c.rows([[1, -1], [1, 1]], [0, 1])]
    weights = c.array([[0.5, 0.5]])
    for at, accepted in ((0.5, False), (0.4375, True), (0.0, True), (-0.5, False)):
        c.proof = [
            {"lemmas": [above(x, at)]},
            leaf("crown-ibp", multipliers=weights),
            leaf("crown-ibp"),
        ]
        report = check(c.pack())
        assert report.accepted is accepted
        if accepted:
            assert exact(report.margin) == Fraction(1, 4)


def test_constraints_prove_lemmas_of_inputs():
    halfspaces()


def later_splits():
    """A lemma about v by the multiplier of a split at what comes after it: w = 2 v, so
    w >= 1/2 says v >= 1/4 by half of it, in one leaf."""
    c = Certificate()
    x = c.box([-1.0], [1.0])
    v = c.node("neg", [x], [1])
    w = c.node("mul", [v, c.constant(np.float64(2))], [1])
    r = relu(c, v, [1])
    c.output(c.node("sub", [v, r], [1]), w)
    c.property = {"any": [c.rows([[0, -1]], [-0.75]), c.rows([[1, 0]], [-0.25])]}
    for b, at, accepted in (
        (0.5, 0.25, False),
        (0.5, 0.125, True),
        (0.25, 0.125, False),
    ):
        c.proof = [
            cut(w, 0.5),
            leaf("crown-ibp"),
            {"lemmas": [above(v, at)]},
            leaf("crown-ibp", split_multipliers=[[dyadic(b)]]),
            leaf("crown-ibp"),
        ]
        report = check(c.pack())
        assert report.accepted is accepted, report
        if accepted:
            assert exact(report.margin) == Fraction(1, 4)


def test_later_splits_prove_lemmas_by_their_multipliers():
    later_splits()


def test_a_turn_that_uses_a_lemma_does_not_prove_it():
    """Of two processes one has the lemma, the other what follows from it: both accept
    what is true, and of what is false the first says so. No margin is of a lemma."""
    for at, accepted in ((0, True), (0.5, False)):
        c, _, v, _ = positive(0.0)
        c.property = c.rows([[1, -1]], [-0.125])
        del_rows(c)
        c.proof = [{"lemmas": [above(v, at)]}, leaf("crown-ibp"), leaf()]
        first, second = (_verdict.check_bytes(c.pack(), turn=(k, 2)) for k in (0, 1))
        assert first.accepted is accepted and first.margin is None
        assert second.accepted and exact(second.margin) == Fraction(1, 8)
        assert check(c.pack()).accepted is accepted


class Forest:
    """Random lemmas with random proofs, in a random network met on a grid.

    Weights and points are multiples of 1/4, so float64 has what is met exactly.
    """

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng(seed)
        weights = [rng.integers(-8, 9, s) / 4 for s in ((2, 3), 3, (3, 2), 2, (2, 1))]
        c = self.c = Certificate()
        x = c.box([-1.0, -0.5], [1.0, 1.5])
        h = dense(c, x, *weights[:2])
        v = dense(c, relu(c, h, [3]), *weights[2:4])
        y = dense(c, relu(c, v, [2]), weights[4], np.zeros(1))
        c.output(y)
        sizes = ((x, 2), (h, 3), (v, 2))
        self.places = [(value, k) for value, size in sizes for k in range(size)]
        grid = np.stack(np.meshgrid(np.arange(-4, 5), np.arange(-2, 7)), -1) / 4
        inputs = grid.reshape(-1, 2)
        if rng.integers(2):
            c.constraints = [c.rows([[1, 1]], [0])]
            inputs = inputs[inputs.sum(1) >= 0]
        first = inputs @ weights[0] + weights[1]
        second = np.maximum(first, 0) @ weights[2] + weights[3]
        self.met = np.concatenate([inputs, first, second], 1)
        least = (np.maximum(second, 0) @ weights[4]).min()
        offset = least - rng.integers(1, 40) / 4
        self.margin = Fraction(least - offset)
        c.property = c.rows([[1]], [offset])
        self.is_true = True  # every lemma, wherever it is said
        c.proof = self.tree(np.ones(len(inputs), bool), 0, 2)

    def tree(self, part, depth, room) -> list[dict]:
        """A proof for the points in `part`, with so many splits above it."""
        rng = self.rng
        kind = rng.integers(4) if room else 0
        shared = [{}, {"method": "crown"}, {"method": "crown-ibp"}][rng.integers(3)]
        if kind == 0:
            return [self.tip(depth)]
        if kind == 1:
            k, at = rng.integers(len(self.places)), rng.integers(-2, 3) / 4
            value, entry = self.places[k]
            found = [cut(value, at, entry) | shared]
            for half in (self.met[:, k] <= at, self.met[:, k] >= at):
                found += self.tree(part & half, depth + 1, room - 1)
            return found
        ends = [self.end(part) for _ in range(rng.integers(1, 3))]
        found = [{"lemmas": ends, **shared}]
        for _ in range(len(ends) + 1):
            found += self.tree(part, depth, room - 1)
        return found

    def end(self, part) -> dict:
        """As far as what is met there, or further; or not so far."""
        k, is_upper = self.rng.integers(len(self.places)), self.rng.integers(2)
        column = self.met[part, k] * (1 if is_upper else -1)
        beyond = self.rng.choice([-8.0, -0.25, 0.0, *[0.0625, 0.5, 2.0] * 3])
        end = column.max(initial=-4) + beyond
        self.is_true &= bool((column < end).all())
        side = (
            below(self.places[k][0], end)
            if is_upper
            else above(self.places[k][0], -end)
        )
        return side | {"index": self.places[k][1]}

    def tip(self, depth) -> dict:
        rng, more = self.rng, {}
        if self.c.constraints and rng.integers(2):
            more["multipliers"] = self.c.array(rng.integers(0, 5, (1, 1)) / 4)
        if rng.integers(2):
            weights = rng.integers(0, 3, depth) / 4
            more["split_multipliers"] = [[dyadic(b) for b in weights]]
        return leaf(rng.choice(["crown", "crown-ibp", "ibp"]).item(), **more)


def any_lemmas_are_sound():
    """Whatever is said and however it is proved: accepted only if all of it is true
    where points are met, and then the margin is no more than theirs."""
    counts = np.zeros(3, int)
    for seed in range(200):
        forest = Forest(seed)
        if "lemmas" not in str(forest.c.proof):
            continue
        report = check(forest.c.pack())
        counts += [report.accepted, forest.is_true, 1]
        if report.accepted:
            assert forest.is_true and exact(report.margin) <= forest.margin
    accepted, true, tried = counts
    assert 20 < accepted < true < tried - 20, counts


def test_any_lemmas_are_sound():
    any_lemmas_are_sound()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lemmas": []}, "empty"),
        ({"lemmas": {}}, "type list"),
        ({"lemmas": [0]}, "an object"),
        ({"method": "ibp"}, "by crown"),
        ({"refining": {}}, "without a method"),
        ({"method": "crown", "refining": {"0": "0"}}, "has slopes"),
        ({"final": {}}, "unknown field"),
        ({"split": {}}, "unknown field|missing"),
    ],
)
def test_bad_blocks_are_refused(change, words):
    c, _, v, _ = positive()
    c.proof = [{"lemmas": [above(v, 0)]} | change, leaf(), leaf()]
    with pytest.raises(CertificateError, match=words):
        check(c.pack())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": 99}, "depends on the inputs"),
        ({"value": 1}, "depends on the inputs"),  # a constant
        ({"value": True}, "type int"),
        ({"index": 1}, "out of range"),
        ({"index": -1}, "out of range"),
        ({"at": [2, 0]}, "m odd"),
        ({"at": [1, 1101]}, "m odd"),
        ({"at": [1]}, "length 2"),
        ({"at_most": 1}, "type bool"),
        ({"at_most": None}, "type bool"),
        ({"strict": True}, "unknown field"),
        ("value", "missing"),
        ("index", "missing"),
        ("at", "missing"),
        ("at_most", "missing"),
    ],
)
def test_bad_ends_are_refused(change, words):
    c, _, v, _ = positive()
    end = above(v, 0)
    if isinstance(change, str):
        del end[change]
    else:
        end |= change
    c.proof = [{"lemmas": [end]}, leaf(), leaf()]
    with pytest.raises(CertificateError, match=words) as caught:
        check(c.pack())
    assert caught.value.field.startswith("proof[0].lemmas[0]")


def test_nothing_comes_after_the_last_tree():
    c, x, v, _ = positive()
    block = {"lemmas": [above(v, 0)]}
    whole = [block, *by_cases(x), leaf()]
    for proof, words in (
        ([*whole, block], "beyond the end"),
        ([*whole, leaf()], "beyond the end"),
        ([*whole[:-1], block], "lacks 2"),
        ([block], "lacks 2"),
    ):
        c.proof = proof
        with pytest.raises(CertificateError, match=words):
            check(c.pack())
    c.proof = [{"lemmas": [above(v, 0)]}, {"each": 1}, leaf(), leaf()]
    with pytest.raises(CertificateError, match="conjunction of 1"):
        check(c.pack())
