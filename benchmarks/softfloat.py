"""Bit-exact arithmetic beside XLA's own: million operations per second on one core.

Each operation runs over blocks that fit the cache, so that computing is timed and not
memory; ours and XLA's alternate in one run. Goals to nearest even: a third of XLA's
throughput, and 10 times Berkeley SoftFloat's; 3 times in the other directions.

With `--berkeley FOLDER`, a checkout of SoftFloat 3e with `softfloat.a` built in
`build/Linux-x86_64-GCC`, its C functions are timed in the same run.

    python benchmarks/softfloat.py [--only add] [--berkeley FOLDER] [--json FILE]
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import _paired
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains.ieee32._domain import arithmetic_of
from torchlean_jax.domains.ieee32._kernels._dispatch import compute

COUNT, BLOCK = 1 << 20, 1 << 13
GOALS = {"nearest-even": {"xla": 1 / 3, "berkeley": 10.0}, "other": {"berkeley": 3.0}}
OPERANDS = {"add": 2, "mul": 2, "fma": 3, "div": 2, "sqrt": 1}
NATIVE = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "fma": lambda x, y, z: x * y + z,
    "div": lambda x, y: x / y,
    "sqrt": jnp.sqrt,
}
BERKELEY = {"add": "add", "mul": "mul", "fma": "mulAdd", "div": "div", "sqrt": "sqrt"}
BERKELEY_MODES = {"nearest-even": 0, "toward-zero": 1, "down": 2, "up": 3}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", default="", help="operations whose name contains this"
    )
    parser.add_argument("--berkeley", type=Path, help="a checkout of SoftFloat 3e")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each pair")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    # one core for all, set before JAX counts them
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    result = _paired.circumstances("jax", "jaxlib", "numpy")
    result["versions"]["torchlean-jax"] = tl.__version__
    result |= {"device": str(jax.devices()[0]), "goals": GOALS, "cases": []}
    library = _Berkeley(options.berkeley) if options.berkeley else None
    print("operation direction     x64    ours     XLA  ratio  SoftFloat  ratio")
    for name in OPERANDS:
        if options.only not in name:
            continue
        for direction, x64 in (
            ("nearest-even", True),
            ("nearest-even", False),
            ("toward-zero", True),
            ("up", True),
        ):
            case = measure(name, direction, x64, options.seconds, library)
            result["cases"].append(case)
            print(_row(case), flush=True)
    if options.json or not options.only:
        _paired.write(options.json or "softfloat", result)


def measure(name, direction, x64, seconds, library) -> dict:
    words = _words(OPERANDS[name])
    arithmetic = arithmetic_of(tl.IEEE32(rounding=direction))
    with jax.enable_x64(x64):
        ours = _compiled(lambda *x: compute(arithmetic, name, *x), words)
    native = _compiled(_on_bits(NATIVE[name]), words)
    a, b = _paired.paired(ours, native, seconds=seconds)
    case = {
        "operation": name,
        "direction": direction,
        "x64": x64,
        "mops": COUNT / a.median / 1e6,
        "xla_mops": COUNT / b.median / 1e6,
        "ratio_xla": b.median / a.median,
        "ratio_xla_of_best": b.best / a.best,
    }
    if library is not None:
        results, seconds = library.run(name, direction, words)
        agree = results == np.asarray(ours()).ravel()
        nan = (results & 0x7FFFFFFF) > 0x7F800000
        if not (agree | nan).all():
            raise SystemExit(f"{name} {direction}: the results differ")
        case["berkeley_mops"] = COUNT / seconds / 1e6
        case["ratio_berkeley"] = seconds / a.median
    return case


def _words(operands):
    """Ordinary numbers of both signs, exponents within 2**30 of each other."""
    rng = np.random.default_rng(7)
    words = rng.integers(0x38000000, 0x47000000, (operands, COUNT), dtype=np.uint32)
    if operands > 1:
        words |= rng.integers(0, 2, words.shape, dtype=np.uint32) << np.uint32(31)
    return words


def _on_bits(f):
    def run(*words):
        floats = [lax.bitcast_convert_type(w, jnp.float32) for w in words]
        return lax.bitcast_convert_type(f(*floats), jnp.uint32)

    return run


def _compiled(f, words):
    """A call without arguments that runs `f` over blocks of the words."""
    blocks = [jnp.asarray(w.reshape(-1, BLOCK)) for w in words]
    compiled = jax.jit(lambda *x: lax.map(lambda row: f(*row), x)).lower(*blocks)
    compiled = compiled.compile()
    return lambda: jax.block_until_ready(compiled(*blocks))


class _Berkeley:
    """SoftFloat's functions in loops of C, compiled for the occasion."""

    def __init__(self, folder: Path):
        built = folder / "build" / "Linux-x86_64-GCC" / "softfloat.a"
        if not built.is_file():
            raise SystemExit(f"no {built}: run make in that folder first")
        self._scratch = Path(tempfile.mkdtemp())
        self._program = self._scratch / "loops"
        source = self._scratch / "loops.c"
        source.write_text(_LOOPS)
        include = f"-I{folder / 'source' / 'include'}"
        command = ["cc", "-O2", include, source, built, "-o", self._program]
        subprocess.run(command, check=True)

    def run(self, name, direction, words):
        """(results, median seconds of one pass over all words)."""
        there, back = self._scratch / "words", self._scratch / "results"
        np.ascontiguousarray(words).tofile(there)
        mode = BERKELEY_MODES[direction]
        command = [self._program, BERKELEY[name], str(mode), str(COUNT), there, back]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = sorted(float(line) for line in done.stdout.split())
        return np.fromfile(back, np.uint32), seconds[len(seconds) // 2]


_LOOPS = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "softfloat.h"
#define F(k) ((float32_t){w[(k) * n + i]})
#define LOOP(name, call) if (!strcmp(argv[1], name)) \\
    for (size_t i = 0; i < n; i++) r[i] = (call).v;
int main(int argc, char **argv) {
    size_t n = atol(argv[3]);
    softfloat_roundingMode = atoi(argv[2]);
    uint32_t *w = calloc(3 * n, 4), *r = calloc(n, 4);
    FILE *in = fopen(argv[4], "rb"), *out = fopen(argv[5], "wb");
    if (fread(w, 4, 3 * n, in) < n) return 1;
    for (int pass = 0; pass < 9; pass++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        LOOP("add", f32_add(F(0), F(1)))
        LOOP("mul", f32_mul(F(0), F(1)))
        LOOP("div", f32_div(F(0), F(1)))
        LOOP("sqrt", f32_sqrt(F(0)))
        LOOP("mulAdd", f32_mulAdd(F(0), F(1), F(2)))
        clock_gettime(CLOCK_MONOTONIC, &b);
        printf("%.9f\\n", (b.tv_sec - a.tv_sec) + 1e-9 * (b.tv_nsec - a.tv_nsec));
    }
    return fwrite(r, 4, n, out) != n;
}
"""


def _row(case) -> str:
    line = (
        f"{case['operation']:9s} {case['direction']:12s} {case['x64']!s:>5} "
        f"{case['mops']:7.0f} {case['xla_mops']:7.0f} {case['ratio_xla']:6.2f}"
    )
    if "berkeley_mops" in case:
        line += f" {case['berkeley_mops']:10.0f} {case['ratio_berkeley']:6.1f}"
    return line


if __name__ == "__main__":
    main()
