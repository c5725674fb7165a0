"""Bit-exact arithmetic beside everything at hand: how many results are wrong (goal 0).

* every line of Berkeley TestFloat (`../shared/bench/testfloat`), results and flags, by
  the integer forms and by the fast ones, conversions and comparisons too;
* random adversarial patterns beside the processor, through NumPy, and through C for the
  fused operation and both remainders (the library's `fmodf`, `remainderf`): 10**8 each;
* with `--exhaustive`, each pair of binary16 and of bfloat16 numbers, sums and products:
  4 * 2**32 results, hours of one core. `--rows N` takes N first operands, spread out.

    python benchmarks/softfloat_vectors.py [--patterns 1e8] [--exhaustive]
    python benchmarks/softfloat_vectors.py --only "fma, x32" --seed 7 --json fma.json

`--patterns 0` is TestFloat alone; `--only` takes the checks whose name holds that.
"""

import argparse
import ctypes
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _paired
import jax
import numpy as np

import torchlean_jax as tl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.domains.ieee32 import small, vectors, vectors_checked
from tests.domains.ieee32.patterns import adversarial, floats, same_bits

HARDWARE = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "sqrt": np.sqrt,
}
CASTS = (*vectors.CONVERSIONS, *vectors.COMPARISONS)
BLOCK = 1 << 20
IN_C = {
    "fma": "__builtin_fmaf(x[i], y[i], z[i])",
    "rem": "fmodf(x[i], y[i])",
    "remainder": "remainderf(x[i], y[i])",
}
LOOP = """
#include <math.h>
void run(const float *x, const float *y, const float *z, float *r, long n) {
    for (long i = 0; i < n; i++) r[i] = %s;
}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patterns", type=float, default=1e8, help="per operation")
    parser.add_argument("--only", default="", help="checks whose name has this")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--exhaustive", action="store_true")
    parser.add_argument("--rows", type=int, default=1 << 16)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = _paired.circumstances("jax", "jaxlib", "numpy")
    result["versions"]["torchlean-jax"] = tl.__version__
    result["checks"] = []
    for check in checks(options):
        result["checks"].append(check)
        print(
            f"{check['check']:44s} {check['results']:12,d} results "
            f"{check['wrong']:6d} wrong {check['seconds']:8.1f} s",
            flush=True,
        )
    _paired.write(options.json or "softfloat_vectors", result)
    if any(check["wrong"] for check in result["checks"]):
        raise SystemExit("some results are wrong")


def checks(options):
    for name, check in named(options):
        if options.only in name:
            yield timed(name, check)


def named(options):
    for path, (function, direction) in vectors.files(vectors.FUNCTIONS).items():
        name = f"TestFloat {path.name.split('.')[0]}"
        yield name, lambda p=path, f=function, d=direction: lines(p, f, d)
    for path, (function, direction) in vectors.files(CASTS).items():
        name = f"TestFloat {path.name.split('.')[0]}"
        yield name, lambda p=path, f=function, d=direction: casts(p, f, d)
    count, seed = int(options.patterns), options.seed
    for name in (*HARDWARE, *IN_C) if count else ():
        for x64 in (False, True):
            said = f"processor {name}, {'x64' if x64 else 'x32'}"
            yield said, lambda n=name, x=x64: beside_hardware(n, count, x, seed)
    if options.exhaustive:
        for format_name in small.FORMATS:
            for name in small.OPERATIONS:
                said = f"all pairs {name} {format_name}"
                yield said, lambda n=name, f=format_name: pairs(n, f, options.rows)


def timed(name, check) -> dict:
    start = time.perf_counter()
    results, wrong = check()
    seconds = time.perf_counter() - start
    return {"check": name, "results": results, "wrong": wrong, "seconds": seconds}


def lines(path, function, direction):
    """(results, wrong ones): bits and flags in integers, bits by the fast forms."""
    operands, results, flags = vectors.read(path)
    words = [x.astype(np.uint32) for x in operands]
    operation, expected = vectors.FUNCTIONS[function], floats(results)
    flagging = tl.IEEE32(rounding=direction, flags=True)
    got = getattr(flagging, operation)(*map(flagging.from_bits, words))
    agree = same_bits(got.to_float(), expected) & (np.asarray(got.flags) == flags)
    plain = tl.IEEE32(rounding=direction)
    with jax.enable_x64(True):
        fast = getattr(plain, operation)(*map(plain.from_bits, words))
        agree &= same_bits(fast.to_float(), expected)
    return len(results), int(np.sum(~agree))


def casts(path, function, direction):
    operands, results, flags = vectors.read(path)
    if function in vectors.COMPARISONS:
        right = vectors_checked.comparison(function, operands, results)
    else:
        right = vectors_checked.conversion(
            function, direction, operands, results, flags
        )
    return len(results), int(np.sum(~right))


def beside_hardware(name, count, x64, seed):
    numpy_has = name in HARDWARE
    operation = HARDWARE[name] if numpy_has else in_c(name)
    operands = HARDWARE[name].nin if numpy_has else 3 if name == "fma" else 2
    wrong = 0
    rng = np.random.default_rng(seed)
    blocks = -(-count // BLOCK)
    for _ in range(blocks):
        words = adversarial(rng, BLOCK, operands)
        with np.errstate(all="ignore"):
            expected = operation(*floats(words))
        with jax.enable_x64(x64):
            got = getattr(tl.IEEE32, name)(*map(tl.IEEE32.from_bits, words))
            wrong += int(np.sum(~same_bits(got.to_float(), expected)))
    return blocks * BLOCK, wrong


def in_c(name):
    """An operation on float32 arrays that NumPy lacks."""
    folder = Path(tempfile.mkdtemp())
    source, library = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text(LOOP % IN_C[name])
    flags = ["-O2", "-march=native", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, source, "-lm", "-o", library], check=True)
    call = ctypes.CDLL(str(library)).run

    def run(*floats):
        operands = [np.ascontiguousarray(x, np.float32) for x in floats]
        result = np.empty_like(operands[0])
        given = [*operands, *operands[:1]][:3]  # a third one that is not read
        places = [x.ctypes.data_as(ctypes.c_void_p) for x in (*given, result)]
        call(*places, ctypes.c_long(result.size))
        return result

    return run


def pairs(name, format_name, rows):
    """Each of `rows` first operands with every second one."""
    chosen = np.unique(np.linspace(0, 0xFFFF, rows).astype(np.uint16))
    wrong = 0
    with jax.enable_x64(True):
        for row in chosen:
            x = np.full_like(small.ALL, row)
            values = (tl.IEEE32.from_bits(v, format_name) for v in (x, small.ALL))
            got = np.asarray(getattr(tl.IEEE32, name)(*values).bits)
            wrong += small.mismatches(got, name, x, small.ALL, format_name)
    return len(chosen) * len(small.ALL), wrong


if __name__ == "__main__":
    main()
