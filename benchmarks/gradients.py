"""Wrong derivative rules that `check_vjp` and `check_jvp` find, right ones they pass.

All plants of `_wrong_gradients.py` have to be found, and named by the rule at fault;
all functions of `_right_gradients.py` have to pass in both modes; then a transformer
of two layers, all its parameters and its input at once, and node by node.

    python benchmarks/gradients.py [--no-write]

Writes benchmarks/results/gradients.json.
"""

import argparse
import json
import pathlib
import platform
import sys
import time

import jax

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import torchlean_jax as tl
from benchmarks._right_gradients import functions
from benchmarks._transformer import transformer
from benchmarks._wrong_gradients import plants

RESULTS = pathlib.Path(__file__).parent / "results" / "gradients.json"
CHECKS = {"vjp": tl.check_vjp, "jvp": tl.check_jvp}


def timed(function, *args):
    started = time.perf_counter()
    result = function(*args)
    return result, time.perf_counter() - started


def wrong() -> list[dict]:
    rows = []
    for plant in plants():
        check = tl.check_jvp if plant.forward else tl.check_vjp
        report, seconds = timed(check(plant.f), *plant.args)
        failures = [f"{f.kind}: {f.entry or f.where}" for f in report.failures]
        named = all(failure.where for failure in report.failures)
        found = report.ok is False and named
        print(f"{'found ' if found else 'MISSED'} {seconds:5.1f} s  {plant.name}")
        rows.append(
            {"plant": plant.name, "found": found, "said": failures, "seconds": seconds}
        )
    return rows


def right() -> list[dict]:
    rows = []
    for case in functions():
        for mode in case.modes:
            report, seconds = timed(CHECKS[mode](case.f), *case.args)
            said = sorted({leaf.status for leaf in report.leaves})
            # rounding of a constant may be less than what counts as a difference
            passed = report.ok is True and set(said) <= {"agrees", case.status}
            name = f"{case.name} ({mode})"
            print(f"{'passes' if passed else 'FAILS '} {seconds:5.1f} s  {name} {said}")
            if not passed:
                print(report)
            rows.append(
                {"name": name, "passed": passed, "said": said, "seconds": seconds}
            )
    return rows


def block() -> dict:
    model, args = transformer()
    report, seconds = timed(tl.check_vjp(model), *args)
    nodes, node_seconds = timed(tl.check_vjp(model, points=1, nodes=True), *args)
    digits = min(leaf.digits for leaf in report.leaves)
    print(f"transformer: ok {report.ok}, {seconds:.1f} s, {digits} digits")
    print(
        f"node by node: ok {nodes.ok}, {len(nodes.nodes)} nodes, {node_seconds:.1f} s"
    )
    return {
        "ok": report.ok,
        "points": report.points,
        "digits": digits,
        "float_error": max(leaf.float_error for leaf in report.leaves),
        "seconds": seconds,
        "nodes": len(nodes.nodes),
        "nodes_ok": nodes.ok,
        "seconds_with_nodes": node_seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-write", dest="write", action="store_false")
    write = parser.parse_args().write
    found, passed, model = wrong(), right(), block()
    missed = [row for row in found if not row["found"]]
    failed = [row for row in passed if not row["passed"]]
    print(f"{len(found) - len(missed)} of {len(found)} wrong rules found")
    print(f"{len(passed) - len(failed)} of {len(passed)} right ones pass")
    report = {
        "jax": jax.__version__,
        "machine": platform.machine(),
        "wrong": found,
        "right": passed,
        "transformer": model,
    }
    if write:
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(bool(missed or failed or not model["ok"] or not model["nodes_ok"]))


if __name__ == "__main__":
    main()
