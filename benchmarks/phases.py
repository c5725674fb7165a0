"""ReLU networks of many inputs decided by phases, beside the published verdicts.

Each instance goes to `tl.verify` with `Branching(cut="phases")`: the attack, then the
search until its time is over. No verdict may differ from a published one; the exit code
is 1 if one does. The published ones speak of the reals: with --semantics fp32 ours
speak of executions; those that differ are counted ("differing"), and not wrong.

    python benchmarks/phases.py mnist_fc/256x2|mnist_fc/256x4|mnist_fc/256x6|oval21/base
        [--method crown|alpha-crown] [--semantics real|fp32] [--seconds S]
        [--only TEXT ...] [--check] [--resume] [--processor] [--json FILE]

--check has a certificate written for each proof, and checked. Results are written after
each instance; --resume goes on with those that the file does not have yet.
With --processor, limits and figures are seconds of the processor.
"""

import argparse
import csv
import os
import sys
import time
from pathlib import Path

import _paired

import torchlean_check
import torchlean_jax as tl
from torchlean_jax.search import Branching

ROOT = Path(__file__).resolve().parents[1]
BENCH = Path(os.environ.get("TORCHLEAN_BENCH", ROOT.parent / "shared" / "bench"))
MEANING = {"proved": "unsat", "refuted": "sat", "unknown": "unknown"}
LINE = "{vnnlib:<44} {status:<8} {expected:<8} {parts:>6} cells {seconds:7.2f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite")
    parser.add_argument("--method", default="crown", choices=("crown", "alpha-crown"))
    parser.add_argument("--semantics", default="real", choices=("real", "fp32"))
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--only", nargs="+", default=[""])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--processor", action="store_true", help=_paired.PROCESSOR)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    clock = _paired.clock(options.processor)
    target = options.json or _paired.named("phases", options.suite, options.semantics)
    result = _paired.circumstances("torchlean-jax", "jax", "onnx")
    result |= {"method": options.method, "seconds": options.seconds, "clock": clock}
    result |= {"semantics": options.semantics}
    rows = _paired.known(target).get("instances", []) if options.resume else []
    done = {row["vnnlib"] for row in rows}
    folder = BENCH / options.suite.split("/")[0]
    for network, prop, expected in instances(folder, options):
        if prop.name not in done:
            rows.append(decided(network, prop, expected, options))
            print(LINE.format(**rows[-1]), flush=True)
            _paired.write(
                target, result | summary(rows, options.semantics) | {"instances": rows}
            )
    counts = summary(rows, options.semantics)
    print(counts)
    sys.exit(bool(counts.get("wrong")))


def decided(network, prop, expected, options) -> dict:
    seconds, verdict = _paired.timed(lambda: one(network, prop, options))
    row = {
        "vnnlib": prop.name,
        "status": MEANING[verdict.status],
        "expected": expected,
        "parts": verdict.parts,
        "margin": verdict.margin,
        "seconds": round(seconds, 3),
    }
    if options.check and verdict.status == "proved":
        row |= checked(verdict)
    return row


def checked(verdict) -> dict:
    """What the checker says of the certificate, and in how much processor time."""
    if verdict.certificate is None:
        return {"accepted": False, "why": verdict.why_no_certificate}
    start = time.process_time()
    report = torchlean_check.check(verdict.certificate.bytes)
    return {
        "accepted": report.accepted,
        "leaves": report.leaves,
        "bytes": len(verdict.certificate.bytes),
        "check_cpu_seconds": round(time.process_time() - start, 3),
    }


def summary(rows, semantics) -> dict:
    known = [r for r in rows if r["expected"] in ("sat", "unsat")]
    other = [r for r in known if r["status"] not in ("unknown", r["expected"])]
    count = {s: sum(r["status"] == s for r in rows) for s in MEANING.values()}
    accepted = sum(r.get("accepted", False) for r in rows)
    count |= {"total": len(rows), _paired.DIFFERENCE[semantics]: len(other)}
    return count | {"accepted": accepted}


def instances(folder, options):
    """(network, property, published verdict) of the suite."""
    if not folder.is_dir():
        sys.exit(f"no folder {folder}; name another one by TORCHLEAN_BENCH")
    part = options.suite.split("/")[1]
    with (folder / "expected_22.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if part in r["onnx"]]
    return [
        (folder / r["onnx"], folder / r["vnnlib"], r["expected"])
        for text in options.only
        for r in rows
        if text in r["vnnlib"]
    ]


def one(network, prop, options):
    net, params = tl.from_onnx(network)
    (case,) = tl.read_vnnlib(prop).cases
    (declared,) = net.inputs
    shape = tuple(n if isinstance(n, int) else 1 for n in declared.shape)
    return tl.verify(
        net,
        (params, *case.boxes([(shape, declared.dtype)])),
        case.spec(),
        method=options.method,
        semantics=options.semantics,
        split=Branching(cut="phases", batch=64),
        timeout=options.seconds,
        certificate=options.check,
    )


if __name__ == "__main__":
    main()
