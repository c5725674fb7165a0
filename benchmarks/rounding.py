"""What honest rounding costs: the same CROWN code with and without its error terms.

Both programs compute in float64; the second one is traced with every rounding error
taken to be zero (`_plain.py`), so its numbers are estimates and no bounds. Ratio = with
/ without; goal at most 1.6.

    python benchmarks/rounding.py [--only mnist] [--seconds 20] [--json FILE]
"""

import argparse
from pathlib import Path

import _paired
import jax
import numpy as np
from _networks import networks
from _plain import rounding_off

import torchlean_jax as tl

GOAL = 1.6
MOST_BATCH = 64  # the larger ones say nothing new and take long


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="to spend on each case"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = _paired.circumstances("jax", "jaxlib", "numpy")
    result["versions"]["torchlean-jax"] = tl.__version__
    result |= {"device": str(jax.devices()[0]), "goal_ratio": GOAL, "cases": []}
    print("network          batch   with ms without ms  ratio")
    for network in networks():
        if options.only.lower() not in network.name.lower():
            continue
        for batch in network.batches:
            if batch > MOST_BATCH:
                continue
            case = measure(network, batch, options.seconds)
            result["cases"].append(case)
            print(
                f"{case['network']:16s} {batch:5d} {case['with_ms']:9.3f} "
                f"{case['without_ms']:10.3f} {case['ratio']:6.2f}",
                flush=True,
            )
    if options.json or not options.only:
        _paired.write(options.json or "rounding", result)


def measure(network, batch, seconds) -> dict:
    lo, hi = network.corners(batch)
    honest, width, size = _compiled(network.function, lo, hi)
    with rounding_off():
        plain, plain_width, plain_size = _compiled(network.function, lo, hi)
    widened = float(np.max(plain_width - width))
    if plain_size >= size or widened > 0:
        raise SystemExit(
            f"{network.name}: switching rounding off took {size} instructions to "
            f"{plain_size} and widened bounds by {widened:.3g}: `_plain.py` is out of "
            "date"
        )
    a, b = _paired.paired(honest, plain, seconds=seconds)
    return {
        "network": network.name,
        "batch": batch,
        "with_ms": 1e3 * a.median,
        "without_ms": 1e3 * b.median,
        "ratio": a.median / b.median,
        "ratio_of_best": a.best / b.best,
        "instructions": [size, plain_size],
        "mean_widening": float(np.mean(width - plain_width)),
    }


def _compiled(function, lo, hi):
    """(call without arguments, widths, instructions) of CROWN bounds in float64."""
    bound = tl.bounds(function, method="crown")
    with jax.enable_x64(True):
        boxes = tl.Interval(*(jax.numpy.asarray(end, np.float64) for end in (lo, hi)))
        compiled = jax.jit(jax.vmap(bound)).lower(boxes).compile()
    y = compiled(boxes)
    size = sum(" = " in line for line in compiled.as_text().splitlines())
    return (
        lambda: jax.block_until_ready(compiled(boxes)),
        np.asarray(y.hi) - np.asarray(y.lo),
        size,
    )


if __name__ == "__main__":
    main()
