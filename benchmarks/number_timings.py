"""Every timing of the number systems in one run of under five minutes.

Bit-exact arithmetic beside XLA's and, with `--berkeley FOLDER`, beside SoftFloat's
(`softfloat.py`); correctly rounded functions beside XLA's (`functions.py`); int8 beside
float32 (`quantized.py --speed`). Each writes its own file in `results/`; at the end
stands what is below its goal. For a machine that does nothing else.

    python benchmarks/number_timings.py [--berkeley FOLDER]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import _paired
import functions
import softfloat

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berkeley", type=Path, help="a checkout of SoftFloat 3e")
    options = parser.parse_args()
    there = ["--berkeley", options.berkeley] if options.berkeley else []
    start = time.perf_counter()
    run("softfloat.py", "--seconds", "5", *there)
    run("functions.py", "--seconds", "3")
    run("quantized.py", "--speed")
    print(
        f"\n{time.perf_counter() - start:.0f} s in all, load {os.getloadavg()[0]:.1f}"
    )
    missed = [*slow_operations(), *slow_functions()]
    print("below the goal:" if missed else "every goal is met")
    for line in missed:
        print(f"  {line}")


def run(script, *arguments):
    print(f"\n{script}", flush=True)
    subprocess.run([sys.executable, HERE / script, *arguments], check=True)


def slow_operations():
    for case in read("softfloat")["cases"]:
        nearest = case["direction"] == "nearest-even"
        goals = softfloat.GOALS["nearest-even" if nearest else "other"]
        where = "with x64" if case["x64"] else "without x64"
        for peer, goal in goals.items():
            ratio = case.get(f"ratio_{peer}")
            if ratio is not None and ratio < goal:
                yield (
                    f"{case['operation']} {case['direction']} {where}: {ratio:.2f} of "
                    f"{peer}, goal {goal:.2f}"
                )


def slow_functions():
    for case in read("functions")["cases"]:
        if case["ratio"] < functions.GOAL:
            yield f"{case['function']}: {case['ratio']:.3f} of XLA, goal 0.125"


def read(name):
    return json.loads((_paired.RESULTS / f"{name}.json").read_text())


if __name__ == "__main__":
    main()
