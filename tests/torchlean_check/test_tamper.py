"""Every single change of every example is rejected, or proves a true statement.

A changed certificate may still be a good certificate: of another graph, box or
property, or the same claim by another proof. Then the report must name that other
claim, and the claim must be true, which the tests ask of exact evaluation at points of
the changed input set.
"""

import contextlib
import copy
import itertools
import json

import numpy as np
import pytest

from tests.torchlean_check.builder import (
    archive,
    canonical,
    described,
    digest_of,
    exact,
    members_of,
)
from tests.torchlean_check.evaluator import Claim
from tests.torchlean_check.examples import EXAMPLES
from tests.torchlean_check.executions import Execution
from torchlean_check import CertificateError, check

BLOBS = {name: build().pack() for name, build in EXAMPLES.items()}


def verdict(blob: bytes):
    """The report, or None for a certificate that is not well formed."""
    try:
        return check(blob)
    except CertificateError:
        return None


def assert_harmless(blob: bytes, before, proof_only: bool) -> bool:
    """Whether it was accepted; if so, its claim is another one, and true at points."""
    report = verdict(blob)
    if report is None or not report.accepted:
        return False
    assert proof_only or report.claim != before.claim
    claim, rng = Claim(blob), np.random.default_rng(1)
    points = list(claim.points(4, rng))
    margins = [claim.margin(p) for p in points]
    if claim.manifest["semantics"] == "fp32":
        run = Execution(claim, rng)
        floats = [p for p in map(run.inputs, points) if p is not None]
        margins += [claim.margin_at(run.outputs(p)) for p in floats]
    assert 0 < exact(report.margin) <= min(margins, default=exact(report.margin))
    return True


@pytest.mark.parametrize("name", BLOBS)
def test_every_flipped_byte_is_rejected(name):
    """Not one byte is slack: names, sizes, dates and checksums are determined."""
    blob = BLOBS[name]
    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 1 << (place % 8)
        assert verdict(bytes(changed)) is None


@pytest.mark.parametrize("name", BLOBS)
def test_every_truncation_and_extension_is_rejected(name):
    blob = BLOBS[name]
    for place in range(len(blob)):
        assert verdict(blob[:place]) is None
    for extra in (b"\0", b"PK\5\6", blob):
        assert verdict(blob + extra) is None
        assert verdict(extra + blob) is None


@pytest.mark.parametrize("name", BLOBS)
def test_members_are_exactly_those_named(name):
    members = members_of(BLOBS[name])
    for gone in members:
        kept = {k: v for k, v in members.items() if k != gone}
        assert verdict(archive(kept)) is None
        for new in ("arrays/999", "arrays/x", "other", "manifest.json.", "arrays/00"):
            assert verdict(archive({**kept, new: members[gone]})) is None
            assert verdict(archive({**members, new: members[gone]})) is None
    names = sorted(members)
    for one, two in itertools.pairwise(names):
        swapped = {**members, one: members[two], two: members[one]}
        if swapped != members:
            assert verdict(archive(swapped)) is None


def sealed(members: dict[str, bytes], manifest: dict) -> bytes:
    """An archive in which digests and checksums agree again, if they can."""
    with contextlib.suppress(KeyError, TypeError):
        manifest["graph_digest"] = digest_of(manifest["graph"], manifest["arrays"])
    return archive({**members, "manifest.json": canonical(manifest)})


def paths(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*path, key))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from paths(inner, (*path, k))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def changes(old):
    """Other values for one place."""
    if isinstance(old, bool):
        return [not old, int(old), None]
    if isinstance(old, int):
        near = [old + 1, old - 1, -old, 2 * old, old + 2**40, str(old), None, [old]]
        return [new for new in near if new != old]
    if isinstance(old, str):
        return [old + "x", old[1:], old.upper() + "!", "", 0, None, "0", "1"]
    if isinstance(old, list):
        return [old[:-1], [*old, *old[-1:]], old[::-1], {}, None, [[]]]
    return [{**old, "unknown": 0}, {}, [], None]


@pytest.mark.parametrize("seal", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize("name", BLOBS)
def test_every_field_of_the_manifest(name, seal):
    members = members_of(BLOBS[name])
    original = json.loads(members["manifest.json"])
    before, accepted, tried = check(BLOBS[name]), 0, 0
    for path in list(paths(original))[1:]:
        for new in [*changes(at(original, path)), "removed"]:
            manifest = copy.deepcopy(original)
            if new == "removed":
                del at(manifest, path[:-1])[path[-1]]
            else:
                at(manifest, path[:-1])[path[-1]] = new
            if manifest == original:
                continue
            if seal:
                blob = sealed(members, manifest)
            else:
                blob = archive({**members, "manifest.json": canonical(manifest)})
            if blob == BLOBS[name]:
                continue  # a changed digest, brought up to date again
            tried += 1
            accepted += assert_harmless(blob, before, path[0] == "proof")
    assert tried > 300
    assert accepted < tried / 4  # the examples are tight: most changes break something


@pytest.mark.parametrize("name", BLOBS)
def test_every_element_of_every_array(name):
    """Some bits of every element, with all digests brought up to date."""
    members = members_of(BLOBS[name])
    original = json.loads(members["manifest.json"])
    before, rejected = check(BLOBS[name]), 0
    for key, entry in original["arrays"].items():
        raw = members[f"arrays/{key}"]
        width = np.dtype(entry["dtype"]).itemsize
        for place in range(0, len(raw), width):
            for bit in {
                0,
                3,
                8 * width - 12,
                8 * width - 3,
                8 * width - 2,
                8 * width - 1,
            }:
                changed = bytearray(raw)
                changed[place + max(bit, 0) // 8] ^= 1 << max(bit, 0) % 8
                array = np.frombuffer(bytes(changed), entry["dtype"])
                manifest = copy.deepcopy(original)
                manifest["arrays"][key] = described(array.reshape(entry["shape"]))
                inner = {**members, f"arrays/{key}": bytes(changed)}
                proof_only = key in json.dumps(original["proof"])
                rejected += not assert_harmless(
                    sealed(inner, manifest), before, proof_only
                )
                assert verdict(archive(inner)) is None  # a stale digest
    assert rejected > 0


def test_graph_digest_names_the_parameters():
    """One changed weight, everything resealed: accepted, but of another graph."""
    members = members_of(BLOBS["conv"])
    manifest = json.loads(members["manifest.json"])
    key = manifest["graph"]["constants"][0]["array"]
    kernel = np.frombuffer(members[f"arrays/{key}"], np.float16).copy()
    kernel[0] += 2.0**-6
    shape = manifest["arrays"][key]["shape"]
    manifest["arrays"][key] = described(kernel.reshape(shape))
    members[f"arrays/{key}"] = kernel.tobytes()
    report, before = check(sealed(members, manifest)), check(BLOBS["conv"])
    assert report.accepted
    assert report.graph_digest != before.graph_digest
    assert before.graph_digest in before.claim
