"""Zonotopes: forms carried forward, in numbers that values share.

Minima are known by hand where what two values share cancels, and where they are sums.
Elsewhere exact fractions at points of the input set are never below what was derived.
"""

import json
import random
from fractions import Fraction

import numpy as np
import pytest

from tests.torchlean_check.builder import Certificate, dyadic, exact, leaf
from tests.torchlean_check.evaluator import Claim, fractions
from tests.torchlean_check.examples import EXAMPLES, dense, relu
from tests.torchlean_check.test_phases import del_unused
from torchlean_check import CertificateError, _zonotope_steps, _zonotopes, check
from torchlean_check._linear import Blocks, Move, Scale, Sum
from torchlean_check._tensor import Tensor
from torchlean_check._zonotopes import KEEP, ROOM, WIDTH, Zonotope

ZONOTOPE = leaf("zonotope")
FAR = -(2.0**20)  # below all that is bounded here: the margin of every leaf counts
NEAR = Fraction(1, 2**24)  # KEEP bits of a coefficient, a few rounded one after another


def margin(c, row, method="zonotope") -> Fraction:
    """The least value that is derived of a row."""
    c.property = c.rows([row], [0.0])
    c.proof = [leaf(method)]
    return exact(check(c.pack()).margin)


def cancelled() -> tuple[Certificate, list]:
    """x - x."""
    c = Certificate()
    x = c.box([-1.0], [3.0])
    c.output(c.node("sub", [x, c.node("copy", [x], [1])], [1]))
    return c, [1]


def product() -> tuple[Certificate, list]:
    """x y - 4 x - 1.5 y = (x - 1.5) (y - 4) - 6 on [1, 2] x [3, 5]."""
    c = Certificate()
    x, y = c.box(1.0, 2.0), c.box(3.0, 5.0)
    c.output(c.node("mul", [x, y], []), x, y)
    return c, [1, -4, -1.5]


def square() -> tuple[Certificate, list]:
    """x x - 2 x on [0, 2]."""
    c = Certificate()
    x = c.box(0.0, 2.0)
    c.output(c.node("mul", [x, x], []), x)
    return c, [1, -2]


def line() -> tuple[Certificate, list]:
    """relu(x) - x / 2 on [-1, 1]: the lower line has the slope of the chord."""
    c = Certificate()
    x = c.box([-1.0], [1.0])
    c.output(relu(c, x, [1]), x)
    return c, [1, -0.5]


def largest() -> tuple[Certificate, list]:
    """x - max(x, x + z), z in [-1, 3/2]: how far z is above 0, whatever x is."""
    c = Certificate()
    x, z = c.box([0.0], [1.0]), c.box([-1.0], [1.5])
    both = c.node("concatenate", [x, c.node("add", [x, z], [1])], [2], dimension=0)
    c.output(c.node("reduce_max", [both], [], axes=[0]), x)
    return c, [-1, 1]


def attention() -> tuple[Certificate, list]:
    """A sum of two products, met twice: its error is one number, and cancels."""
    c = Certificate()
    x = c.box([0.0, -1.0], [1.0, 1.0])
    y = c.box([1.0, 0.0], [2.0, 4.0])
    both = c.node("dot_general", [x, y], [], dimension_numbers=[[[0], [0]], [[], []]])
    c.output(c.node("sub", [both, c.node("copy", [both], [])], []))
    return c, [1]


BY_HAND = [
    (cancelled, 0),
    (product, -6.5),
    (square, -1),
    (line, 0),
    (largest, -1.5),
    (attention, 0),
]


def by_hand():
    """What boxes alone derive is less in each case but one: x y is no difference."""
    for build, least in BY_HAND:
        derived = margin(*build())
        assert least - NEAR <= derived <= least, build.__name__
        assert margin(*build(), method="ibp") < least - Fraction(1, 4)


def test_minima_known_by_hand():
    by_hand()


def network(seed: int):
    """Three layers with a choice, a product, a square and a largest entry."""
    rng = np.random.default_rng(seed)
    c = Certificate()
    if seed % 4:
        x = c.box([-1.0, -0.5, 0.25], [1.0, 1.5, 0.25 + seed % 3])
    else:
        x = c.ball([0.5, -0.25, 0.0], 1.25, 1 + seed // 4 % 2)
    shapes = (3, 4), (4,), (4, 4), (4,)
    w = [rng.integers(-8, 9, s) / (8 if k % 2 else 3) for k, s in enumerate(shapes)]
    h = relu(c, dense(c, x, *w[:2]), [4])
    k = dense(c, h, *w[2:])
    k = c.node("max", [k, c.constant(np.float64(rng.integers(-8, 1)))], [4])
    kinds = [
        lambda: c.node("mul", [h, k], [4]),
        lambda: c.node("square", [k], [4]),
        lambda: c.node("max", [h, k], [4]),
        lambda: c.node("abs", [c.node("sub", [h, k], [4])], [4]),
    ]
    p = kinds[seed % 4]()
    p = c.node("div", [p, c.constant(np.float64(3))], [4])
    m = c.node("reduce_max", [c.node("sub", [k, p], [4])], [], axes=[0])
    c.output(c.node("reduce_sum", [p], [], axes=[0]), m, h)
    row = [rng.integers(-4, 5, 6) / 2]
    c.property = c.rows(row, [FAR])
    c.proof = [ZONOTOPE]
    if seed % 3 == 0:
        place = {"value": k, "index": 1, "at": dyadic(rng.integers(-4, 5) / 4)}
        c.proof = [{"split": place}, ZONOTOPE, ZONOTOPE]
    elif seed % 3 == 1:
        place = {"value": x, "index": 0, "at": dyadic(0.25)}
        c.proof = [{"split": place, "method": "crown-ibp"}, ZONOTOPE, ZONOTOPE]
    return c, rng


def any_network(seeds=range(48)):
    """No bound is above what is met, and some are accepted, some not."""
    seen, better = set(), []
    for seed in seeds:
        c, rng = network(seed)
        claim = Claim(c.pack())
        points = list(claim.points(24, rng))
        least = min(map(claim.margin, points))
        derived = exact(check(c.pack()).margin)
        assert derived <= least, seed
        zonotopes, c.proof = c.proof, [leaf("ibp")]
        boxes, c.proof = exact(check(c.pack()).margin), zonotopes
        for near in (-NEAR, NEAR):
            offset = float(derived + Fraction(FAR) + near)
            c.arrays[c.property["offset"]] = np.array([offset])
            seen.add(check(c.pack()).accepted)
        better.append(derived - boxes > (least - boxes) / 2)
    assert seen == {True, False} and sum(better) > 8


def test_no_bound_is_above_what_is_met():
    any_network()


def curves():
    """Of one entry, by lines that need not be parallel, beside lines in it."""
    for op, params, lo, hi in (
        ("integer_pow", {"y": 3}, -1.0, 2.0),
        ("integer_pow", {"y": -1}, 0.5, 4.0),
        ("abs", {}, -1.0, 3.0),
        ("max", {}, -1.0, 3.0),
        ("sub", {}, -1.0, 3.0),
    ):
        for slope in (-4.0, -1.0, 0.0, 0.5, 2.0):
            for sign in (1, -1):
                c = Certificate()
                x = c.box([lo], [hi])
                more = [c.constant(np.float64(0.5))] if op in ("max", "sub") else []
                c.output(c.node(op, [*more, x], [1], **params), x)
                row = [sign, slope]
                derived, claim = margin(c, row), Claim(c.pack())
                for k in range(65):
                    at = Fraction(lo) + Fraction(k, 64) * Fraction(hi - lo)
                    assert derived <= claim.margin({x: np.array([at], object)})


def test_curves_between_lines():
    curves()


def long_numbers(seeds=range(24)):
    """Layers without a choice: the minimum is a sum, which no rounding may exceed."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        c = Certificate()
        middle, radius = rng.normal(size=3), 10.0 ** rng.integers(-9, 3, 3)
        lo, hi = middle - radius * rng.random(3), middle + radius
        h = c.box(lo, hi)
        total, largest = fractions(np.eye(3)), Fraction(1)
        for k in range(4):
            w = rng.normal(size=(3, 3)) * 10.0 ** rng.integers(-6, 4, (3, 3))
            h = c.node("dot_general", [h, c.constant(w)], [3],
                       dimension_numbers=[[[0], [0]], [[], []]])  # fmt: skip
            f = rng.normal(size=3)
            h = c.node("mul", [h, c.constant(f)], [3])
            if k % 2:
                h = c.node("div", [h, c.constant(np.float64(3))], [3])
            step = fractions(w) * fractions(f) / (3 if k % 2 else 1)
            total, largest = total @ step, largest * 3 * abs(step).max()
        c.output(h)
        low, high = fractions(lo), fractions(hi)
        ends = [total[:, 0] * end for end in (low, high)]
        least, most = (sum(map(turn, *ends)) for turn in (min, max))
        derived = margin(c, [1, 0, 0])
        assert derived <= least, seed
        slack = largest * max(high - low)
        assert least - derived < NEAR * slack + (most - least) / 2**60, seed


def test_rounding_is_paid_for():
    long_numbers()


@pytest.mark.parametrize("name", sorted({*EXAMPLES} - {"executions", "phases"}))
def test_with_every_part_of_the_format(name):
    """Splits, balls, windows, lemmas, constraints, with zonotopes at every leaf."""
    c = EXAMPLES[name]()
    for k, case in enumerate(c.proof):
        if "final" in case:
            kept = {name: case[name] for name in {"multipliers"} & case.keys()}
            c.proof[k] = ZONOTOPE | kept
    del_unused(c)
    table = json.dumps(c.property)
    for array in {n for n in c.arrays if f'"offset": "{n}"' in table}:
        c.arrays[array] = c.arrays[array] - 64.0
    claim, rng = Claim(c.pack()), np.random.default_rng(0)
    report = check(c.pack())
    assert report.accepted or (name == "lemmas" and "a lemma" in report.reason)
    least = min(map(claim.margin, claim.points(50, rng)))
    assert not report.accepted or exact(report.margin) <= least


def executions():
    """Every execution of a product in float32: boxes are narrower, errors as large."""
    c = EXAMPLES["executions"]()
    crown = exact(check(c.pack()).margin)
    c.proof = [ZONOTOPE]
    report = check(c.pack())
    assert report.accepted
    assert abs(exact(report.margin) - crown) < 1


def test_claims_about_executions():
    executions()


def no_slopes():
    for field in ("refining", "final", "split_multipliers"):
        c = EXAMPLES["slopes"]()
        given = [[], []] if field == "split_multipliers" else c.proof[0][field]
        c.proof = [{**ZONOTOPE, field: given}]
        del_unused(c)
        with pytest.raises(CertificateError, match="zonotopes have no slopes"):
            check(c.pack())


def test_what_zonotopes_have_none_of_is_refused():
    no_slopes()


def factors():
    """Of 4 e_0 and 4 e_1: factors from 1 to 3, and factors that are too long."""
    zero, ones, long = [0, 0], [[1]], (1 << 40) + (1 << 13)
    z = Zonotope(Tensor(zero, zero, 0), [4 << 33, 4 << 33 + WIDTH], -33, 4 << 33)
    blocks = [([0], [0], ones), ([0], [1], ones)]
    twice = [(ks, js, [[2]]) for ks, js, _ in blocks]
    longer = [([k], [k], [[long]]) for k in (0, 1)]
    for step, least in (
        (Scale(Tensor([1, 1], [3, 3], 0)), 12),
        (Scale(Tensor([long] * 2, [long] * 2, 0)), 4 * long),
        (Blocks(twice, 0, 2, 1, Blocks(blocks, 0, 2, 1)), 24),
        (Blocks(longer, 0, 2, 2), 4 * long),
        (Blocks(blocks, 0, 2, 1), 8),
        (Move([1, -1], [2], Tensor([-9], [-9], 0)), 9),
        (Sum((1, -1)), 8),
    ):
        other = z._replace(columns=z.columns[::-1])
        zs = [z, other] if isinstance(step, Sum) else [z]
        found = _zonotope_steps.image(step, zs, None, 2).measured(2).hull()
        derived = -min(found.lo) * Fraction(2) ** found.exp
        assert least <= derived < least + least * NEAR


def test_factors_that_are_intervals_and_results_of_several_blocks():
    factors()


def fields():
    """Each field alone, at its limits."""
    rng, zero = random.Random(0), [0]
    nothing = Tensor(zero, zero, 0)
    for bits in (1, KEEP, ROOM - 1):
        for count in (1, 2, 5, 8):
            limit = 1 << bits
            each = [rng.randint(-limit, limit) for _ in range(count)]
            each[0], each[-1] = -limit, limit - 1
            column = sum(a << (WIDTH * s) for s, a in enumerate(each))
            found = _split(_zonotopes.sizes(column, count), count)
            assert all(
                abs(a) - 1 <= b <= abs(a) for a, b in zip(each, found, strict=True)
            )
            total = sum(map(abs, each))
            if bits <= KEEP:
                reach = _zonotopes.reach_of(column, count)
                assert total <= reach <= total + count
            for by in (1, 7, bits):
                z = Zonotope(nothing, [column], 0, limit)
                rounded = z.coarser(by, count)
                raised = sum(1 << (WIDTH * s + WIDTH - 1) for s in range(count))
                parts = _split(rounded.columns[0] + raised, count)
                for a, b in zip(each, parts, strict=True):
                    b -= 1 << (WIDTH - 1)
                    assert abs(b) <= rounded.bound and 2 * abs((b << by) - a) <= 1 << by
                # half a unit for each
                lost = Fraction(rounded.rest.hi[0]) * Fraction(2) ** rounded.rest.exp
                assert lost == Fraction(count << by, 2)


def _split(raised: int, count: int) -> list[int]:
    return [raised >> (WIDTH * s) & ((1 << WIDTH) - 1) for s in range(count)]


def test_fields_at_their_limits():
    fields()
