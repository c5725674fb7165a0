"""VNN-LIB instances decided, beside the published verdicts.

Each instance is read from its two files and decided by `torchlean_jax.vnnlib.decide`:
bounds, then the attack, then tighter bounds; or, with a time limit, by parts. No
verdict may differ from a published one; the exit code is 1 if one does. All instances
run in one process, which therefore compiles once for instances that share a program:
the first one of each shape says how long that takes.

The published verdicts speak of the reals. With --semantics fp32 ours speak of
executions, and one that differs is counted ("differing") without being wrong.

    python benchmarks/vnnlib.py acasxu|acasxu_all|mnist_fc [--methods crown,alpha-crown]
        [--semantics real|fp32] [--timeout S] [--check] [--limit N] [--only TEXT]
        [--resume] [--processor] [--json FILE]

Results are written after each instance; --resume goes on with those that the file does
not have yet. With --processor, limits and figures are seconds of the processor.
"""

import argparse
import csv
import os
import statistics
import sys
from pathlib import Path

import _paired

import torchlean_check
import torchlean_jax as tl
from torchlean_jax.vnnlib import decide

ROOT = Path(__file__).resolve().parents[1]
BENCH = Path(os.environ.get("TORCHLEAN_BENCH", ROOT.parent / "shared" / "bench"))
# which instances, and where their verdicts are published
SUITES = {
    "acasxu": ("acasxu", "sample26.csv", "expected_24.csv", ""),
    "acasxu_all": ("acasxu", "instances.csv", "expected_24.csv", ""),
    "mnist_fc": ("mnist_fc", "instances.csv", "expected_22.csv", "256x2"),
}


LINE = "{onnx:<34} {vnnlib:<16} {status:<8} {expected:<8} {seconds:7.2f} s {parts:>8}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--methods", default="crown,alpha-crown")
    parser.add_argument("--semantics", default="real", choices=("real", "fp32"))
    parser.add_argument("--timeout", type=float)
    parser.add_argument("--check", action="store_true", help="write and check proofs")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--only", default="", help="instances whose names hold this")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--processor", action="store_true", help=_paired.PROCESSOR)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    clock = _paired.clock(options.processor)
    target = options.json or _paired.named("vnnlib", options.suite, options.semantics)
    result = _paired.circumstances("torchlean-jax", "jax", "onnx", "onnxruntime")
    methods = tuple(options.methods.split(","))
    result |= {"methods": methods, "timeout": options.timeout, "clock": clock}
    result |= {"semantics": options.semantics}
    rows = _paired.known(target).get("instances", []) if options.resume else []
    done = {(row["onnx"], row["vnnlib"]) for row in rows}
    for network, prop, expected in instances(options.suite)[: options.limit]:
        name = Path(network).name, Path(prop).name
        if options.only in f"{network},{prop}" and name not in done:
            rows.append(one(options, network, prop, expected, methods))
            print(LINE.format(**rows[-1]), flush=True)
            _paired.write(
                target, result | summary(rows, options.semantics) | {"instances": rows}
            )
    counts = summary(rows, options.semantics)
    print(counts)
    sys.exit(bool(counts.get("wrong")))


def instances(suite):
    """(network, property, published verdict) for each instance of the sample."""
    name, listed, published, only = SUITES[suite]
    folder = BENCH / name
    if not folder.is_dir():
        sys.exit(f"no folder {folder}; name another one by TORCHLEAN_BENCH")
    with (folder / published).open() as stream:
        verdicts = {
            (r["onnx"], r["vnnlib"]): r["expected"] for r in csv.DictReader(stream)
        }
    with (folder / listed).open() as stream:
        rows = [(row[0], row[1]) for row in csv.reader(stream) if only in row[0]]
    return [(*row, verdicts[row]) for row in rows]


def one(options, network, prop, expected, methods) -> dict:
    folder = BENCH / SUITES[options.suite][0]
    seconds, answer = _paired.timed(
        lambda: _decide(options, folder / network, folder / prop, methods)
    )
    proofs = [v.certificate for v in answer.verdicts if v.certificate is not None]
    return {
        "onnx": Path(network).name,
        "vnnlib": Path(prop).name,
        "status": answer.status,
        "expected": expected,
        "margin": min((v.margin for v in answer.verdicts), default=None),
        "seconds": round(seconds, 3),
        "parts": sum(v.parts for v in answer.verdicts),
        "tried": answer.tried,
    } | (_checked(proofs) if options.check and answer.status == "unsat" else {})


def _checked(proofs) -> dict:
    """What the independent checker says of the proofs of all cases."""
    reports = [torchlean_check.check(proof.bytes) for proof in proofs]
    return {
        "accepted": bool(reports) and all(report.accepted for report in reports),
        "leaves": sum(report.leaves for report in reports),
        "proof_bytes": sum(len(proof.bytes) for proof in proofs),
        "check_seconds": round(sum(report.seconds for report in reports), 3),
    }


def _decide(options, network, prop, methods):
    net, params = tl.from_onnx(network)
    query = tl.read_vnnlib(prop)
    return decide(
        net,
        params,
        query,
        methods=methods,
        semantics=options.semantics,
        certificate=options.check,
        timeout=options.timeout,
    )


def summary(rows, semantics) -> dict:
    decided = [r for r in rows if r["status"] != "unknown"]
    known = [r for r in decided if r["expected"] in ("sat", "unsat")]
    return {
        "total": len(rows),
        "unsat": sum(r["status"] == "unsat" for r in rows),
        "sat": sum(r["status"] == "sat" for r in rows),
        "unknown": len(rows) - len(decided),
        _paired.DIFFERENCE[semantics]: sum(r["status"] != r["expected"] for r in known),
        "median_s": statistics.median(r["seconds"] for r in rows),
        "total_s": sum(r["seconds"] for r in rows),
        "rejected": sum(not r.get("accepted", True) for r in rows),
    }


if __name__ == "__main__":
    main()
