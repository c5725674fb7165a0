"""Bounds of scientific models over whole regions, beside what points attain.

Each line is one `torchlean science TOPIC NAME` in a process of its own, so that its
seconds are a user's: with imports, training and compilation. They are seconds of the
processor, which hold on a busy machine too; those by the clock are in the file. The
last line is the second derivative of a network of 128 and 128 tanh units.

    python benchmarks/science.py [TOPIC/NAME ...] [--json FILE]
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

from torchlean_jax.science import supremum

# seconds of the processor; what the certified figure may be, or its excess over the
# sampled one
GOALS = {
    "approximate/sin": (10, "certified", 1e-3),
    "approximate/bump": (60, "certified", 1e-2),
    "pinn/poisson": (180, "excess", 0.25),
    "pinn/heat": (180, "excess", 0.25),
    "pinn/burgers": (900, "excess", 0.25),
    "pinn/allen-cahn": (900, "excess", 0.25),
    "control/pendulum": (60, None, None),
    "control/van-der-pol": (60, None, None),
    "control/neural": (60, "share", 0.5),
    "control/executed": (30, None, None),
    "control/barrier": (60, None, None),
    "ode/logistic": (10, None, None),
    "ode/lorenz": (60, "certified", 1e-8),
    "F_xx": (60, "excess", 0.01),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(GOALS), metavar="TOPIC/NAME")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    unknown = sorted(set(options.names) - GOALS.keys())
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(GOALS)}")
    result = _paired.circumstances("torchlean-jax", "jax", "jaxlib")
    result["examples"] = {}
    for name in options.names:
        outcome = _second_derivative() if name == "F_xx" else _command(name)
        result["examples"][name] = outcome
        print(_line(name, outcome), flush=True)
    _paired.write(options.json or "science", result)


def _line(name, outcome) -> str:
    limit, figure, most = GOALS[name]
    seconds = outcome["processor_seconds"]
    if name == "control/executed":
        seconds = outcome["seconds"]  # the stage; training is not counted
    said = f"{name:<20} {outcome['status']:<8} {_beside(seconds, limit, 's')}"
    if figure is None:
        return said
    value = outcome["certified"]
    if figure == "excess":
        value = value / outcome["sampled"] - 1
    if figure == "share":  # of what is proved, that the regulator's ellipse has at most
        value = outcome["sampled"] / value if value else float("inf")
    return f"{said}  {figure} {_beside(value, most)}"


def _beside(value, goal, unit="") -> str:
    word = "met" if value <= goal else "NOT"
    return f"{value:.4g} {unit} (goal {goal:g}: {word})"


def _command(name) -> dict:
    topic, example = name.split("/")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outcome.json"
        arguments = ["science", topic, example, "--json", str(file)]
        start, spent = time.perf_counter(), _spent_by_children()
        done = subprocess.run(
            [sys.executable, "-m", "torchlean_jax.cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = {
            "wall_seconds": time.perf_counter() - start,
            "processor_seconds": _spent_by_children() - spent,
        }
        if not file.exists():
            raise SystemExit(f"{name}: exit code {done.returncode}\n{done.stderr}")
        outcome = json.loads(file.read_text())
    return outcome | seconds


def _spent_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _second_derivative() -> dict:
    """sup |F_xx| on [-1, 1]^2 of a network with random weights."""
    keys = jax.random.split(jax.random.key(0), 3)
    sizes = ((2, 128), (128, 128), (128, 1))
    first, second, last = (
        jax.random.normal(key, size, jnp.float32) / size[0] ** 0.5
        for key, size in zip(keys, sizes, strict=True)
    )

    def network(x):
        return (jnp.tanh(jnp.tanh(x @ first) @ second) @ last)[0]

    start, spent = time.perf_counter(), time.process_time()
    found = supremum(network, [-1.0, -1.0], [1.0, 1.0], order=(0, 0))
    return {
        "status": "proved" if found.finished else "unknown",
        "certified": found.bound,
        "sampled": found.sampled,
        "cells": found.cells,
        "wall_seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - spent,
    }


if __name__ == "__main__":
    main()
