"""Every float32 run of 200 random programs, against the FP32 enclosures.

50 inputs of each program run eagerly, under `faithful_jit`, vmapped, batched, scanned,
with sums in two other orders, and under a plain jit where its audit is clean; each run
has to lie inside the execution enclosure and within the error of the exact result.
Then, for dot, softmax and layer norm of width 64 to 1024: how far the bound is from the
largest deviation that was found, over random inputs and over inputs made to lose much.

    python benchmarks/float_error.py [--programs 200] [--inputs 50] [--widths 64,256]

Writes benchmarks/results/float_error.json.
"""

import argparse
import json
import pathlib
import platform
import sys
import time

import jax
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import torchlean_jax as tl
from benchmarks import _float_programs as programs
from benchmarks._float_widths import measure

RESULTS = pathlib.Path(__file__).parent / "results" / "float_error.json"


def main():
    arguments = parse()
    started = time.time()
    soundness = check_programs(arguments.programs, arguments.inputs, arguments.first)
    widths = [
        measure(kind, width)
        for kind in ("dot", "softmax", "layer norm")
        for width in arguments.widths
    ]
    for row in widths:
        print(
            f"{row['kind']:<11} {row['width']:>5}: bound / largest deviation "
            f"{row['ratio']:.1f} (random inputs, orders as they come: "
            f"{row['ratio_random']:.1f})"
        )
    report = {
        "jax": jax.__version__,
        "machine": platform.machine(),
        "model": tl.ErrorModel.xla_cpu().name,
        "seconds": round(time.time() - started),
        "soundness": soundness,
        "widths": widths,
    }
    if arguments.write:
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(bool(soundness["violations"]))


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--inputs", type=int, default=50)
    parser.add_argument(
        "--first", type=int, default=0, help="seed of the first program"
    )
    parser.add_argument("--write", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--widths",
        default=(64, 256, 1024),
        type=lambda text: [int(w) for w in text.split(",") if w],
    )
    return parser.parse_args()


def check_programs(count, inputs, first=0):
    """How many runs were compared, and which of them were outside."""
    compared, violations, unbounded, shares, ways = 0, [], 0, [], {}
    for seed in range(first, first + count):
        case = programs.program(seed)
        points = case.inputs(np.random.default_rng(seed), inputs)
        value = enclosure(case)
        unbounded += int(not np.isfinite(np.asarray(value.error)).all())
        exact = {p.tobytes(): case.exact(p) for p in points}
        largest = 0.0
        for how, at, results in programs.executions(case, points, seed):
            truth = [exact[p.tobytes()] for p in at]
            found, used = programs.outside(value, results, truth)
            violations += [f"program {seed} ({case.name}), {how}, {w}" for w in found]
            compared += results.size
            ways[how] = ways.get(how, 0) + len(results)
            largest = max(largest, used)
        shares.append(largest)
        print(
            f"{seed:>4}  largest share of the error used {largest:6.1%}   {case.name}",
            flush=True,
        )
    return {
        "programs": count,
        "inputs": inputs,
        "runs": ways,
        "numbers_compared": compared,
        "violations": violations,
        "programs_without_a_bound": unbounded,
        "median_share_of_the_error_used": float(np.median(shares)),
        "largest_share_of_the_error_used": float(np.max(shares)),
    }


def enclosure(case):
    """The FP32 value of a program on its box, with float64 endpoints."""
    box = tl.box(case.lo, case.hi)
    with jax.enable_x64(True):
        return jax.jit(tl.interpret(case.run, domain=tl.FP32))(tl.FP32.lift(box))


if __name__ == "__main__":
    main()
