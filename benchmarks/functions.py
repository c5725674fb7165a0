"""Correctly rounded binary32 functions beside those of XLA, which err by up to 68 ulps.

The same arguments in one run, each function compiled alone, 65,536 numbers at a time
where the function is curved; ratio = our throughput / XLA's; goal at least 1/8. `huge`
are arguments up to 2**127, which take the other reduction of the sine.

    python benchmarks/functions.py [--only exp] [--seconds 2] [--json FILE]
"""

import argparse
from pathlib import Path

import _paired
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains.ieee32._functions import NAMES

GOAL = 1 / 8
COUNT = 1 << 16
REPEATS = 10  # calls in one timed call: one alone takes a tenth of a millisecond
NATIVE = {
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "atan": jnp.arctan,
    "asinh": jnp.arcsinh,
    "acosh": jnp.arccosh,
    "atanh": jnp.arctanh,
    "logistic": jax.nn.sigmoid,
    "erf": lax.erf,
    "erfc": lax.erfc,
    "rsqrt": lax.rsqrt,
    "atan2": jnp.arctan2,
    "pow": jnp.power,
}


def native(name):
    """XLA's function on float32 arrays."""
    return NATIVE.get(name) or getattr(jnp, name)


def arguments(name, huge):
    """One or two float32 arrays."""
    random = np.random.default_rng(0)
    low, high = {
        "acosh": (1, 9),
        "asin": (-1, 1),
        "acos": (-1, 1),
        "atanh": (-1, 1),
    }.get(name, (-5, 5))
    if name in ("log", "log2", "sqrt", "rsqrt", "pow"):
        low = 0
    if huge:
        low, high = -(2.0**127), 2.0**127
    count = 2 if name in ("pow", "atan2") else 1
    return [
        jnp.asarray(random.uniform(low, high, COUNT).astype(np.float32))
        for _ in range(count)
    ]


def repeated(function, inputs):
    """A call without arguments that runs a compiled function REPEATS times."""
    # a first call that compiled would be long enough to be counted
    compiled = jax.jit(function).lower(*inputs).compile()

    def call():
        results = [compiled(*inputs) for _ in range(REPEATS)]
        return results[-1].block_until_ready()

    return call


def measure(name, seconds, huge=False):
    """One function beside XLA's."""
    floats = arguments(name, huge)
    bits = [lax.bitcast_convert_type(x, jnp.uint32) for x in floats]
    ours, theirs = _paired.paired(
        repeated(NAMES[name], bits), repeated(native(name), floats), seconds=seconds
    )
    scale = 1e-6 * COUNT * REPEATS
    return {
        "function": name + (" huge" if huge else ""),
        "ours_millions_per_second": round(scale / ours.median, 1),
        "xla_millions_per_second": round(scale / theirs.median, 1),
        "ratio": round(theirs.median / ours.median, 4),
        "ratio_of_best": round(theirs.best / ours.best, 4),
    }


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="functions whose name contains this")
    parser.add_argument("--seconds", type=float, default=2.0, help="on each function")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = _paired.circumstances("jax", "jaxlib", "numpy")
    result["versions"]["torchlean-jax"] = tl.__version__
    result |= {"device": str(jax.devices()[0]), "goal_ratio": GOAL, "cases": []}
    print("function   ours M/s   XLA M/s   ratio")
    rows = [(n, False) for n in NAMES] + [(n, True) for n in ("sin", "cos", "tan")]
    for name, huge in rows:
        if options.only in name:
            case = measure(name, options.seconds, huge)
            result["cases"].append(case)
            print(
                f"{case['function']:10s} {case['ours_millions_per_second']:8.1f} "
                f"{case['xla_millions_per_second']:9.1f}  {case['ratio']:6.3f}",
                flush=True,
            )
    if options.json or not options.only:
        _paired.write(options.json or "functions", result)


if __name__ == "__main__":
    main()
