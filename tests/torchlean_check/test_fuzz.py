"""Whatever the bytes, the checker answers or raises CertificateError, and soon."""

import copy
import json
import random
import time

import pytest

from tests.torchlean_check.builder import archive, members_of
from tests.torchlean_check.examples import EXAMPLES
from tests.torchlean_check.test_tamper import at, paths, sealed
from torchlean_check import CertificateError, check

BLOBS = {name: build().pack() for name, build in EXAMPLES.items()}
SLOWEST = 3.0  # seconds for one input; they take milliseconds


def answer(blob: bytes):
    start = time.process_time()
    try:
        report = check(blob)
    except CertificateError as error:
        assert str(error)
        report = None
    assert time.process_time() - start < SLOWEST
    return report


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(seed):
    rng = random.Random(seed)
    for _ in range(300):
        blob = bytearray(rng.choice(list(BLOBS.values())))
        for _ in range(rng.randint(1, 8)):
            kind, place = rng.randrange(4), rng.randrange(len(blob))
            if kind == 0:
                blob[place] = rng.randrange(256)
            elif kind == 1:
                del blob[place : place + rng.randint(1, 40)]
            elif kind == 2:
                blob[place:place] = rng.randbytes(rng.randint(1, 40))
            else:
                end = rng.randrange(len(blob))
                blob[place : place + 30] = blob[end : end + 30]
        answer(bytes(blob))
        answer(rng.randbytes(rng.randrange(200)))


@pytest.mark.parametrize("seed", range(4))
def test_random_manifest_text(seed):
    """Characters of the manifest changed, the archive put right again."""
    rng = random.Random(seed)
    for _ in range(300):
        members = members_of(rng.choice(list(BLOBS.values())))
        text = bytearray(members["manifest.json"])
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(text))
            text[place] = rng.choice(b'0123456789-,:[]{}"aex.')
        answer(archive({**members, "manifest.json": bytes(text)}))


VALUES = [
    *(0, 1, -1, 2, 3, 7, 64, 2**16, 2**31, 2**53, -(2**62), 10**18),
    *(True, None, "", "0", "1", "crown", "float32", "add", "exp", "max", [], {}),
    *([0], [1, 1], [[0, 0]], [[[0], [0]], [[], []]], {"all": []}, [0, 0], [1, 1000]),
]


def mutate(manifest, rng) -> None:
    """One place replaced by a number nearby, another value, or another part."""
    every = list(paths(manifest))[1:]
    path = rng.choice(every)
    old, parent = at(manifest, path), at(manifest, path[:-1])
    kind = rng.randrange(6)
    if kind < 3 and isinstance(old, int):
        parent[path[-1]] = old + rng.choice([-2, -1, 1, 2])
    elif kind == 3 and isinstance(parent, list):
        parent.insert(path[-1], copy.deepcopy(old))
    elif kind == 4:
        del parent[path[-1]]
    elif kind == 5:
        parent[path[-1]] = copy.deepcopy(at(manifest, rng.choice(every)))
    else:
        parent[path[-1]] = copy.deepcopy(rng.choice(VALUES))


def test_random_structure():
    """Places of the manifest replaced, moved and repeated, all digests valid."""
    rng = random.Random(0)
    answered = 0
    for _ in range(1800):
        members = members_of(rng.choice(list(BLOBS.values())))
        manifest = json.loads(members["manifest.json"])
        for _ in range(rng.choice([1, 1, 2, 3])):
            mutate(manifest, rng)
        answered += answer(sealed(members, manifest)) is not None
    assert answered > 0  # the fuzzer reaches beyond the parser
