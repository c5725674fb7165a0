"""Certificates of residuals, beside polynomials and networks whose own are known."""

import itertools
import json
import random
from dataclasses import replace
from fractions import Fraction
from math import perm

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
from tests.torchlean_check.test_fuzz import mutate
from torchlean_check import _cells, _residuals
from torchlean_check._container import canonical_json
from torchlean_check._errors import MalformedCertificate
from torchlean_jax.science import pinn
from torchlean_jax.science._pinn import Certified
from torchlean_jax.science._supremum import Supremum

COUNT = 120
# 1/8, which binary numbers hold, in the place of heat's 0.1
HEAT = replace(
    pinn.PROBLEMS["heat"],
    residual=lambda x, d: d[(0,)] - 0.125 * d[(1, 1)],
    conditions=(
        pinn.Condition("at t = 0", lambda s: jnp.stack([s * 0, s]), lambda s: s * 0,
                       0.0, 1.0),
        pinn.Condition("both ends", lambda t: jnp.stack([t, t * 0 + 1]),
                       lambda t: t * 0, 0.0, 1.0, (0,),
                       lambda t: jnp.stack([t, t * 0])),
    ),
)  # fmt: skip


def u(x):
    """t x (1 - x) + x t^2 / 4, whose residual is known."""
    return x[0] * x[1] * (1 - x[1]) + x[1] * x[0] ** 2 / 4


TERMS = {(1, 1): Fraction(1), (1, 2): Fraction(-1), (2, 1): Fraction(1, 4)}


def derivative(order, point) -> Fraction:
    """Of u, from its terms."""
    total = Fraction(0)
    for powers, c in TERMS.items():
        if all(n >= k for n, k in zip(powers, order, strict=True)):
            for n, k, x in zip(powers, order, point, strict=True):
                c *= perm(n, k) * x ** (n - k)
            total += c
    return total


# E of the claims, from the derivatives in the order of the document
EQUATIONS = (
    lambda d: d[0] - Fraction(1, 8) * d[1],
    lambda d: d[0],
    lambda d: d[0] - d[1],
)


def certified(residual, *conditions):
    there = dict(zip((c.name for c in HEAT.conditions), conditions, strict=True))
    found = {k: supremum(v) for k, v in there.items()}
    return Certified(supremum(residual), found, None, "")


def supremum(bound) -> Supremum:
    return Supremum(
        bound, 0.0, np.zeros(2), 0.0, (np.zeros(2), np.zeros(2)), 0, True, 0.0
    )


# u_t - u_xx / 8 = x (1 - x) + t x / 2 + t / 4: at most 13/16, at t = 1, x = 3/4; at the
# end x = 1 u_t is t / 2, at the other 0
MOST = (13 / 16, 0.0, 0.5)


@pytest.fixture(scope="module")
def original():
    found = certified(MOST[0] + 2**-8, *MOST[1:])
    return pinn.residual_document(HEAT, u, found)


def largest(equation, claim) -> Fraction:
    """|E| at points of a lattice in the box."""
    box = [sorted(map(Fraction, x)) for x in zip(*claim["box"].values(), strict=True)]
    axes = [[a + (b - a) * Fraction(k, 8) for k in range(9)] for a, b in box]
    shifts = [list(map(Fraction, shift)) for shift in claim["shifts"]]
    return max(
        abs(equation([
            derivative(order, [x + s for x, s in zip(point, shift, strict=True)])
            for shift in shifts for order in claim["orders"]
        ]))
        for point in itertools.product(*axes)
    )  # fmt: skip


def false(document) -> bool:
    """Of documents whose function and equations are still those."""
    return any(
        largest(equation, claim) > Fraction(claim["bound"])
        for equation, claim in zip(EQUATIONS, document["claims"], strict=True)
    )


def test_what_is_written_is_accepted_and_true(original):
    report = torchlean_check.check(original)
    assert report.accepted and "|E| <= " in report.claim
    document = json.loads(original)
    assert not false(document)
    found = [largest(e, c) for e, c in zip(EQUATIONS, document["claims"], strict=True)]
    assert [float(x) for x in found] == pytest.approx(MOST, abs=1e-2)
    boxes = [(c["box"]["lo"], c["box"]["hi"]) for c in document["claims"]]
    assert boxes[1] == (["0", "0"], ["0", "1"]) and boxes[2] == (["0", "1"], ["1", "1"])
    assert document["claims"][2]["shifts"] == [["0", "0"], ["0", "-1"]]


@pytest.mark.parametrize("k", range(3))
def test_no_less_than_what_is_attained_is_accepted(k, original):
    """The second is attained as 0, so that only less than nothing is too little."""
    document = json.loads(original)
    claim = document["claims"][k]
    most = largest(EQUATIONS[k], claim)
    claim["bound"] = str(most * Fraction(255, 256) - Fraction(k == 1, 2**40))
    report = torchlean_check.check(canonical_json(document))
    assert not report.accepted and "E is in [" in report.reason


NUMBERS = ["0", "1", "-1", "1/2", "-1/3", "7", "3/4", "9/8", "1/1000", "3/10"]


def accepted(original):
    """Changed documents that the checker takes; it must answer to all of them."""
    rng = random.Random(7)
    for _ in range(COUNT):
        document = json.loads(original)
        claim = rng.choice(document["claims"])
        kind = rng.randrange(6)
        if kind == 0:
            claim["bound"] = rng.choice(NUMBERS)
        elif kind == 1:
            end = claim["box"][rng.choice(("lo", "hi"))]
            end[rng.randrange(2)] = rng.choice(NUMBERS)
        elif kind == 2:
            rng.choice(claim["orders"])[rng.randrange(2)] = rng.randrange(3)
        elif kind == 3:
            rng.choice(claim["shifts"])[rng.randrange(2)] = rng.choice(NUMBERS)
        elif kind == 4:
            claim["degree"] = rng.randrange(1, 9)
        else:
            kept = programs(document)
            mutate(document, rng)
            if programs(document) != kept:
                continue
        try:
            if torchlean_check.check(canonical_json(document)).accepted:
                yield document
        except torchlean_check.CertificateError as error:
            assert str(error)


def programs(document):
    try:
        return document["function"], [c["equation"] for c in document["claims"]]
    except (KeyError, TypeError):
        return None


@pytest.fixture(autouse=True)
def few_cells(monkeypatch):
    """Before a claim is given up: what is true here takes fewer."""
    monkeypatch.setattr(_residuals, "MAX_CELLS", 24)


def test_what_is_accepted_of_changed_documents_is_true(original):
    changed = list(accepted(original))
    assert len({canonical_json(document) for document in changed}) > 15
    assert not any(map(false, changed))


def _factors_lost(self, order, n, parts):
    places = self.wide.places[n + sum(order)]
    tops = [_residuals._plus(m, order) for m in self.grades.monomials[n]]
    return [[part[places[top]] for top in tops] for part in parts]


def _middle(self, cell):
    """The values there alone."""
    here = self.series([_residuals.fixed((a + b) / 2) for a, b in cell], 0)
    return [part[0] for part in here[0]]


FAULTS = {
    "derivatives without their factors": ("_derived", _factors_lost),
    "values at middles alone": ("over", _middle),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_checker_that_accepts_too_much_is_noticed(fault, original, monkeypatch):
    monkeypatch.setattr(_residuals.Residual, *FAULTS[fault])
    assert any(map(false, accepted(original)))


def test_cells_that_are_left_out_would_be_noticed(original, monkeypatch):
    right = _cells.cut
    monkeypatch.setattr(_cells, "cut", lambda *cell: right(*cell)[1:])
    assert any(map(false, accepted(original)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"orders": []}, "exponents"),
        ({"orders": [[5, 0], [0, 2]]}, "at most 4"),
        ({"orders": [[-1, 0], [0, 2]]}, "exponents"),
        ({"orders": [[1], [0, 2]]}, "2 numbers each"),
        ({"shifts": []}, "1 and more"),
        ({"shifts": [["0"]]}, "2 numbers each"),
        ({"degree": 0}, "1 to 8"),
        ({"degree": 9}, "1 to 8"),
        ({"box": {"lo": ["0", "0"], "hi": ["0", "0"]}}, "an extent"),
        ({"equation": {"steps": [], "outputs": []}}, "1 to 8 outputs"),
        ({"equation": {"steps": [], "outputs": [4]}}, "names nothing"),
        ({"bound": 1}, "type str"),
    ],
)
def test_claims_that_are_none_are_refused(change, said, original):
    document = json.loads(original)
    document["claims"][0] |= change
    with pytest.raises(MalformedCertificate, match=said):
        torchlean_check.check(canonical_json(document))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 5}, "1 to 4"),
        ({"version": 2}, "version 1"),
        ({"fields": 0}, "1 to 8"),
        ({"claims": []}, "1 to 32"),
    ],
)
def test_documents_that_are_none_are_refused(change, said, original):
    with pytest.raises(MalformedCertificate, match=said):
        torchlean_check.check(canonical_json(json.loads(original) | change))
