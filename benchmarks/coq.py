"""Certificates as Coq theorems: goal 0.5 s a piece, all of the digits in one run within
5 minutes, and no false evidence accepted.

The first certificate of the folder is proved alone and all of one graph in one run of
coqc; the difference, by the number of theorems, is what one costs once Coq has started
and read the network. Then each neuron's evidence is changed in ways that a point of the
box contradicts, and Coq is asked about every change.

    python benchmarks/coq.py --certificates DIR [--many 20] [--tampered 1000] [--json F]
    python benchmarks/coq.py --alone X.tlc Y.tlc [--extracted] [--part N] [--json F]

The second form proves each of the files in a run of its own: large networks (goal for
mnist_fc 256x2: 60 s), trees (ACAS Xu with 100 leaves: 120 s), smooth functions. Both
have the checker extracted to OCaml read the same files, where it can be built: goal 20
times less processor time than coqc. With --extracted it reads them alone; with --part N
only the first subtree of at most N leaves is proved.
"""

import argparse
import dataclasses
import json
import resource
import sys
import tempfile
from pathlib import Path

import _paired
import numpy as np

from torchlean_check._cases import Leaf
from torchlean_check._tensor import Tensor, aligned
from torchlean_jax import coq
from torchlean_jax.coq import _run
from torchlean_jax.coq._core import Core
from torchlean_jax.coq._evidence import Prover, dense
from torchlean_jax.coq._reading import read
from torchlean_jax.coq._text import _leaf, checker, network_text, theorem_text

GOAL = 0.5  # seconds of the processor for one certificate


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--certificates", type=Path)
    form.add_argument("--alone", type=Path, nargs="+")
    parser.add_argument("--many", type=int, default=20, help="theorems in one run")
    parser.add_argument("--tampered", type=int, default=1000)
    parser.add_argument("--extracted", action="store_true")
    parser.add_argument("--part", type=int, help="leaves")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    reason = coq.missing()
    if reason is not None:
        sys.exit(reason)
    coq.build()
    result = _paired.circumstances("torchlean-jax", "jax")
    if options.alone:
        result["alone"] = {
            file.stem: alone(file.read_bytes(), options) for file in options.alone
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
    named = {f"c{k}": blob for k, blob in enumerate(blobs)}
    one, many = (
        measured(coq.theorems(some), some) for some in ({"c0": blobs[0]}, named)
    )
    result["first"], result["theorems"], result["all"] = one, len(blobs), many
    spent = many["processor_s"] - one["processor_s"]
    result["each_s"], result["goal_s"] = spent / max(1, len(blobs) - 1), GOAL
    if options.tampered:
        result |= tampered(blobs[0], options.tampered)


def alone(blob: bytes, options) -> dict:
    if options.part:
        return measured(part(blob, options.part), {}, not options.extracted)
    blobs = {"c0": blob}
    return measured(coq.theorems(blobs), blobs, not options.extracted)


def measured(text: str, blobs: dict[str, bytes], with_coqc: bool = True) -> dict:
    """Leaves, bytes of the files, seconds of coqc by the clock and of the processor,
    and those of the extracted program; the ratio is that of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Proof.v"
        source.write_text(text)
        found = {
            "leaves": text.count("Leaf ["),
            "tlc_bytes": sum(map(len, blobs.values())),
            "v_bytes": len(text),
        }
        if with_coqc:
            coq.build(coq.needed(text))
            outcome, found["processor_s"] = timed(lambda: coq.prove(source))
            if blobs:
                coq.compare(outcome.digests, blobs)
            found["seconds"] = outcome.seconds
        if extractable(text):
            verdicts, spent = timed(lambda: coq.run_extracted(source))
            assert all(verdicts.accepted.values()) and verdicts.accepted
            found["extracted_s"] = verdicts.seconds
            found["extracted_processor_s"] = spent
            if with_coqc:
                found["ratio"] = found["processor_s"] / spent
    return found


def part(blob: bytes, leaves: int) -> str:
    """The theorem about the first part of the input set with at most so many leaves:
    the lower sides of the first cuts, which are of inputs."""
    reading = read(blob)
    core, cases, boxes = Core(reading), reading.cases, dict(reading.region.boxes)
    while sum(isinstance(case, Leaf) for case in cases) > leaves:
        cut = cases[0]
        box, at = aligned([boxes[cut.value], cut.at])
        upper = list(box.hi)
        upper[cut.entry] = at.lo[0]
        boxes[cut.value] = Tensor(box.lo, upper, box.exp)
        end, open_ = 1, 1
        while open_:
            open_ += -1 if isinstance(cases[end], Leaf) else 1
            end += 1
        cases = cases[1:end]
    region = reading.region._replace(boxes=boxes)
    reading = reading._replace(region=region, cases=cases)
    text = network_text(reading, core) + theorem_text(reading, core, "c0")
    return text + "End Certificates.\nPrint Assumptions Certificates.holds_c0.\n"


def timed(run) -> tuple:
    """What it returns, and the processor's seconds of the programs that it ran."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return result, spent


def extractable(text: str) -> bool:
    if coq.missing_extracted() is not None or "Smooth" in coq.needed(text):
        return False
    coq.build_extracted()
    return True


def tampered(blob: bytes, count: int) -> dict:
    """How many changes were tried, and how many of them Coq's checker accepted, and the
    extracted one, which has to answer the same."""
    reading = read(blob)
    core = Core(reading)
    boxes = [
        tuple(np.ldexp(np.array(side, float), box.exp) for side in (box.lo, box.hi))
        for box in reading.region.boxes.values()
    ]
    prover, middle = Prover(core, boxes, [], {}), differences(core, boxes)
    text = network_text(reading, core)
    text += theorem_text(reading, core, "c").partition("Theorem")[0]
    rng, right = np.random.default_rng(0), dict(prover.evidence)
    for k in range(count):
        value = rng.choice(list(right))
        prover.evidence = right | {value: changed(right[value], middle[value], rng)}
        text += f"Definition box_{k} : box := box_c.\n"
        text += f"Definition property_{k} : property := property_c.\n"
        text += f"Definition proof_{k} : tree := {_leaf(core, prover)}.\n"
        call = f"{checker(core)} network box_{k} property_{k} proof_{k}"
        text += f"Eval vm_compute in {call}.\n"
    text += "End Certificates.\n"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Ask.v"
        source.write_text(text)
        said, spent = timed(lambda: _run._coqc(source, None))
        answers = [
            line.split()[1] == "true" for line in said.splitlines() if "= " in line
        ]
        assert len(answers) == count
        found = {"tampered": count, "accepted": sum(answers), "tampered_s": spent}
        if extractable(text):
            verdicts, spent = timed(lambda: coq.run_extracted(source))
            again = [verdicts.accepted[str(k)] for k in range(count)]
            assert again == answers and verdicts.accepted["c"]
            found["extracted_tampered_s"] = spent
    return found


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
