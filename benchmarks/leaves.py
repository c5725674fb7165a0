"""Certificates of many leaves: what writing and checking one takes in time and memory.

The tree is given as hints, even cuts along both inputs of a small network, so that its
size is exact; each leaf is bounded, recorded and checked as that of any search. The
checker runs in a process of its own, without site-packages.

    python benchmarks/leaves.py [--leaves N] [--width W] [--keep FILE] [--json FILE]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _paired
import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.search import Branching

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import json, re, sys
sys.path.append(sys.argv[1])
import torchlean_check
report = torchlean_check.check(open(sys.argv[2], "rb").read())
# what getrusage says is never below what the parent took
status = open("/proc/self/status").read()
print(json.dumps({
    "accepted": report.accepted,
    "leaves": report.leaves,
    "seconds": report.seconds,
    "peak": int(re.search(r"VmHWM:\\s*(\\d+)", status)[1]) * 1024,
}))
"""
BEGINNING = 4096  # leaves of the run that compiles


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--keep", type=Path, help="where the certificate is kept")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = _paired.circumstances("torchlean-jax", "jax")
    question = network(options.width)
    proved(question, min(BEGINNING, options.leaves))
    start = time.process_time()
    verdict = proved(question, options.leaves)
    result["write_cpu_s"] = round(time.process_time() - start, 1)
    result["write_peak"] = peak()
    if verdict.certificate is None:
        sys.exit(f"{verdict.status}: {verdict.why_no_certificate}")
    result["bytes"] = len(verdict.certificate.bytes)
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "leaves.tlc"
        verdict.certificate.save(path)
        result["check"] = checked(path)
    report = result["check"]
    print(
        f"{report['leaves']} leaves, {result['bytes']:,} bytes: written in "
        f"{result['write_cpu_s']:.0f} s of the processor ({result['write_peak'] >> 20} "
        f"MiB), checked in {report['seconds']:.0f} s ({report['peak'] >> 20} MiB)"
    )
    _paired.write(options.json or "leaves", result)
    sys.exit(not (report["accepted"] and report["leaves"] == options.leaves))


def network(width):
    """A ReLU network of two inputs and the question whether it exceeds a bound."""
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = (2, width), (width, width), (width, 1)
    weights = [
        jax.random.normal(k, s) / s[0] ** 0.5 for k, s in zip(keys, shapes, strict=True)
    ]

    def function(x):
        for w in weights[:-1]:
            x = jax.nn.relu(x @ w)
        return x @ weights[-1]

    return function


def proved(function, leaves):
    box = tl.box(jnp.full(2, -1.0), jnp.full(2, 1.0))
    return tl.verify(
        function,
        box,
        tl.spec.linear([1.0], -100.0),
        split=Branching(batch=2048),
        hints={"format": "torchlean hints, version 1", "leaves": even(leaves)},
        method="crown",
        certificate=True,
    )


def even(leaves) -> list:
    """The decisions of each leaf of a tree whose halves differ by one leaf at most."""
    found, waiting = [], [((), leaves, ((-1.0, 1.0), (-1.0, 1.0)))]
    while waiting:
        path, count, box = waiting.pop()
        if count == 1:
            found.append(list(path))
            continue
        axis = len(path) % 2
        lo, hi = box[axis]
        at = (lo + hi) / 2
        for side, own, part in (
            (">=", count // 2, (at, hi)),
            ("<=", count - count // 2, (lo, at)),
        ):
            inner = (part, box[1]) if axis == 0 else (box[0], part)
            waiting.append(((*path, [axis, side, at]), own, inner))
    return found


def checked(path) -> dict:
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(ROOT), str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
