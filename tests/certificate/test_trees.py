"""Certificates of trees of cuts: the checker derives at each leaf what the search had.

It shares no code with the bounds and computes in exact arithmetic. A tree that is not
the one that was searched is refused, with the place where it fails.
"""

import json
import math
import re
import time

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search.faults import notices, planted
from tests.search.networks import ROWS, network, random_layers
from tests.torchlean_check.builder import archive, canonical, leaf, members_of
from torchlean_jax.certificate import _writer
from torchlean_jax.interpreters import _crown, _refine
from torchlean_jax.search import Branching

DEEP = 2, 16, 16, 16, 16, 16, 16, 3


def problem(seed, radius):
    """Layers, a box, and a spec that asks for a little less than sampled minima."""
    layers = [
        (weights / np.float32(np.sqrt(len(weights) / 2)), bias / 2)
        for weights, bias in random_layers(seed, *DEEP)
    ]
    random = np.random.default_rng(seed + 100)
    center = random.normal(size=2).astype(np.float32)
    points = center + radius * random.uniform(-1, 1, (1000, 2)).astype(np.float32)
    outputs = np.asarray(network(layers, points), np.float64)
    least = (outputs @ ROWS.T).min(0) - 0.15 * outputs.std()
    spec = tl.spec.linear(ROWS, least.round(3))
    return (layers, tl.box(center, radius=radius)), spec


def decided(seed, radius, function=network, **options):
    arguments, spec = problem(seed, radius)
    split = Branching(most_parts=400)
    return tl.verify(function, arguments, spec, split=split, attack=False, **options)


def trees_are_accepted(monkeypatch, function):
    """Whole trees, each leaf with the very bound of the search."""
    monkeypatch.setattr(_writer, "_accepted", lambda *given: None)
    monkeypatch.setattr(_writer, "_SHARED_BY", math.inf)
    parts = 0
    for seed, radius in ((1, 2.0), (0, 1.0), (5, 2.0), (6, 1.0)):
        verdict = decided(seed, radius, function)
        assert verdict.status == "proved" and verdict.parts > 1
        report = torchlean_check.check(verdict.certificate.bytes)
        assert report.accepted, report.reason
        assert report.leaves == (verdict.parts + 1) // 2
        exact = float(report.margin_decimal)
        assert verdict.margin <= exact <= verdict.margin + 1e-9
        parts += verdict.parts
    assert parts > 100


def test_the_checker_accepts_whole_trees(monkeypatch):
    trees_are_accepted(monkeypatch, network)


def test_a_search_that_refines_more_than_the_checker_is_noticed(monkeypatch):
    """Blocks of elements hold unwanted ones, whose bounds must not count."""
    sound = "jnp.where(wanted, lo, -jnp.inf), jnp.where(wanted, hi, jnp.inf)"
    with planted(_refine, sound, "lo, hi"):
        monkeypatch.setattr(_crown, "element_bounds", _refine.element_bounds)
        # another program, so that nothing compiled before is used again
        other = lambda layers, x: network(layers, x) + 0.0
        assert notices(trees_are_accepted, monkeypatch, other)


@pytest.fixture(scope="module")
def written():
    """The members of the certificate of a tree whose leaves share nothing, and its
    proof."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_writer, "_SHARED_BY", math.inf)
        verdict = decided(0, 1.0)
    members = members_of(verdict.certificate.bytes)
    proof = json.loads(members["manifest.json"])["proof"]
    assert len(proof) == verdict.parts > 10
    return members, proof


def test_leaves_that_share_bounds_prove_the_same(written):
    verdict = decided(0, 1.0)
    assert verdict.certificate is not None, verdict.why_no_certificate
    members = members_of(verdict.certificate.bytes)
    proof = json.loads(members["manifest.json"])["proof"]
    shared = [k for k, case in enumerate(proof) if "split" in case and "method" in case]
    assert shared and len(shared) < len(proof) // 2
    for k in shared:
        del proof[k]["method"]
    assert proof == written[1]


def refusal(members, proof):
    """Why the checker refuses another proof of the same claim."""
    manifest = json.loads(members["manifest.json"]) | {"proof": proof}
    blob = archive({**members, "manifest.json": canonical(manifest)})
    with pytest.raises(tl.RejectedError) as caught:
        tl.check(blob)
    return str(caught.value)


def cuts_and_leaves(proof):
    places = range(len(proof))
    return (
        [k for k in places if "split" in proof[k]],
        [k for k in places if "split" not in proof[k]],
    )


def test_a_missing_leaf(written):
    members, proof = written
    for k in cuts_and_leaves(proof)[1]:
        said = refusal(members, proof[:k] + proof[k + 1 :])
        assert "proof: the tree of cases lacks 1 leaves" in said


def test_a_leaf_twice(written):
    members, proof = written
    for k in cuts_and_leaves(proof)[1]:
        said = refusal(members, proof[: k + 1] + proof[k:])
        # the tree that this begins ends early: with the last leaf below a lower half
        place = re.search(r"proof\[(\d+)\]: not an object, or beyond the end", said)
        assert place and k < int(place[1]) <= len(proof)


def test_a_truncated_tree(written):
    members, proof = written
    for k in range(len(proof)):
        cuts, leaves = cuts_and_leaves(proof[:k])
        missing = len(cuts) + 1 - len(leaves)
        said = refusal(members, proof[:k])
        assert f"proof: the tree of cases lacks {missing} leaves" in said


def test_a_leaf_whose_claim_fails(written):
    """By interval arithmetic no part is proved; the first leaf in order is named."""
    members, proof = written
    first, last = (cuts_and_leaves(proof)[1][k] for k in (0, -1))
    for k in (first, last):
        said = refusal(members, [*proof[:k], leaf("ibp"), *proof[k + 1 :]])
        assert f"rejected: proof[{k}]: property: the derived lower bound -" in said


def test_one_part_instead_of_two(written):
    """The halves of a cut were needed."""
    members, proof = written
    cuts, leaves = cuts_and_leaves(proof)
    k = next(k for k in cuts if k + 1 in leaves and k + 2 in leaves)
    said = refusal(members, [*proof[:k], *proof[k + 1 : k + 2], *proof[k + 3 :]])
    assert f"rejected: proof[{k}]: property: the derived lower bound -" in said


def test_a_cut_on_a_wrong_coordinate(written):
    members, proof = written
    for index, said in ((2, "proof[0].split: index out of range"), (-1, "proof[0]")):
        split = {"split": {**proof[0]["split"], "index": index}}
        assert said in refusal(members, [split, *proof[1:]])
    other = [{"split": {**c["split"], "index": 1 - c["split"]["index"]}}
             if "split" in c else c for c in proof]  # fmt: skip
    assert "rejected: proof[" in refusal(members, other)


def test_a_cut_is_one_number_for_both_halves(written):
    """Moved by one ulp it moves for both; apart they cannot be."""
    members, proof = written
    inner = proof[0]["split"]
    m, e = inner["at"]
    apart = {"split": {**inner, "at": [[m, e], [m + 2, e]]}}
    assert "proof[0].split.at" in refusal(members, [apart, *proof[1:]])
    by = 53 - abs(m).bit_length()
    moved = {"split": {**inner, "at": [m * 2**by + 1, e - by]}}
    manifest = json.loads(members["manifest.json"])
    blobs = [
        archive({**members, "manifest.json": canonical(manifest | {"proof": p})})
        for p in (proof, [moved, *proof[1:]])
    ]
    before, after = map(torchlean_check.check, blobs)
    assert after.accepted and after.claim == before.claim


def test_no_certificate_where_no_time_is_left_to_check_it():
    f = lambda x: jnp.tanh(x) + 2.0
    arguments = f, tl.box([0.0, 0.0], radius=1.0), tl.spec.linear(np.eye(2))
    timely = tl.verify(*arguments, split=True, attack=False)
    assert timely.certificate is not None
    late = tl.verify(
        *arguments, timeout=3.0, attack=False, watch=lambda _: time.sleep(3.0)
    )
    assert late.status == "proved" and late.certificate is None
    assert late.why_no_certificate == "no time left to check it"
    assert late.seconds < 8
