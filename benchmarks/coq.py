"""Certificates as Coq theorems: goal 0.5 s a piece, all of the digits in one run within
5 minutes, and no false evidence accepted.

The first certificate of the folder is proved alone and all of one graph in one run of
coqc; the difference, by the number of theorems, is what one costs once Coq has started
and read the network. Then each neuron's evidence is changed in ways that a point of the
box contradicts, and Coq is asked about every change.

    python benchmarks/coq.py --certificates DIR [--many 20] [--tampered 1000] [--json F]
    python benchmarks/coq.py --alone X.tlc Y.tlc [--json FILE]

The second form proves each of the files in a run of its own: large networks (goal for
mnist_fc 256x2: 60 s), trees (ACAS Xu with 100 leaves: 120 s), smooth functions.
"""

import argparse
import dataclasses
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import _paired
import numpy as np

from torchlean_jax import coq
from torchlean_jax.coq import _run
from torchlean_jax.coq._core import Core
from torchlean_jax.coq._evidence import Prover, dense
from torchlean_jax.coq._reading import read
from torchlean_jax.coq._text import _leaf, checker, network_text, theorem_text

GOAL = 0.5  # seconds for one certificate


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--certificates", type=Path)
    form.add_argument("--alone", type=Path, nargs="+")
    parser.add_argument("--many", type=int, default=20, help="theorems in one run")
    parser.add_argument("--tampered", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    reason = coq.missing()
    if reason is not None:
        sys.exit(reason)
    coq.build()
    result = _paired.circumstances("torchlean-jax", "jax")
    if options.alone:
        result["alone"] = {
            file.stem: alone(file.read_bytes()) for file in options.alone
        }
    else:
        measure_many(options, result)
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if result.get("accepted"):
        sys.exit("false evidence was accepted")


def measure_many(options, result: dict) -> None:
    files = sorted(options.certificates.glob("*.tlc"))
    if not files:
        sys.exit(f"no .tlc file in {options.certificates}")
    blobs = [file.read_bytes() for file in files[: options.many]]
    one, many = (seconds(some) for some in (blobs[:1], blobs))
    result["first_s"], result["theorems"], result["all_s"] = one, len(blobs), many
    result["each_s"], result["goal_s"] = (many - one) / max(1, len(blobs) - 1), GOAL
    if options.tampered:
        result["tampered"], result["accepted"] = tampered(blobs[0], options.tampered)


def alone(blob: bytes) -> dict:
    """Of one theorem: the leaves of its tree, the bytes of both files, the seconds of
    coqc by the clock and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Proof.v"
        source.write_text(coq.theorems({"c": blob}))
        text = source.read_text()
        coq.build(coq.needed(text))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = coq.prove(source).seconds
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "leaves": text.count("Leaf ["),
        "tlc_bytes": len(blob),
        "v_bytes": len(text),
        "seconds": seconds,
        "processor_s": after.ru_utime
        + after.ru_stime
        - before.ru_utime
        - before.ru_stime,
    }


def seconds(blobs: list[bytes]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Proof.v"
        source.write_text(coq.theorems({f"c{k}": b for k, b in enumerate(blobs)}))
        return coq.prove(source).seconds


def tampered(blob: bytes, count: int) -> tuple[int, int]:
    """How many changes were tried, and how many of them Coq's checker accepted."""
    reading = read(blob)
    core = Core(reading)
    boxes = [
        tuple(np.ldexp(np.array(side, float), box.exp) for side in (box.lo, box.hi))
        for box in reading.region.boxes.values()
    ]
    prover, middle = Prover(core, boxes, [], {}), differences(core, boxes)
    text = network_text(reading, core)
    text += theorem_text(reading, core, "c").partition("Theorem")[0]
    rng, asked, right = np.random.default_rng(0), 0, dict(prover.evidence)
    while asked < count:
        value = rng.choice(list(right))
        prover.evidence = right | {value: changed(right[value], middle[value], rng)}
        proof = _leaf(core, prover)
        call = f"{checker(core)} network box_c property_c ({proof})"
        text += f"Eval vm_compute in {call}.\n"
        asked += 1
    text += "End Certificates.\n"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Ask.v"
        source.write_text(text)
        start = time.perf_counter()
        said = _run._coqc(source, None)
        print(f"{count} changes: {time.perf_counter() - start:.1f} s", file=sys.stderr)
    answers = [line.split()[1] for line in said.splitlines() if "= " in line]
    assert len(answers) == count
    return count, answers.count("true")


def differences(core: Core, boxes) -> dict[int, np.ndarray]:
    """What each maximum decides about, at the middle of the box."""
    values = [(lo + hi) / 2 for lo, hi in boxes]
    found = {}
    for node in core.nodes:
        parts = [_affine(a, values) for a in (node.first, node.second) if a is not None]
        if len(parts) == 2:
            found[len(values)] = parts[0] - parts[1]
        values.append(np.maximum(*parts) if len(parts) == 2 else parts[0])
    return found


def _affine(a, values) -> np.ndarray:
    total = np.ldexp(np.array(a.bias or [0] * a.size, float), a.exp)
    for k, matrix in a.terms:
        if matrix.kind == "same":
            total = total + values[k]
        elif matrix.kind == "times":
            total = total + values[k] * np.ldexp(
                np.array(matrix.rows, float), matrix.exp
            )
        else:
            total = total + dense(matrix, len(values[k])) @ values[k]
    return total


def changed(evidence, middle, rng):
    """One neuron said to be what it is not at the middle of the box."""
    k = rng.integers(len(evidence.state))
    state, lo, hi = (a.copy() for a in (evidence.state, evidence.lo, evidence.hi))
    there = float(np.ldexp(middle[k], -evidence.exp))
    if state[k] or rng.integers(3) == 0:
        state[k] = -1 if there > 0 else 1
    elif rng.integers(2):
        lo[k] = there + 2 + (hi[k] - there) * rng.random()
    else:
        hi[k] = there - 2 - (there - lo[k]) * rng.random()
    return dataclasses.replace(evidence, state=state, lo=lo, hi=hi)


if __name__ == "__main__":
    main()
