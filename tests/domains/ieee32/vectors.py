"""The vectors of Berkeley TestFloat 3e (level 1), by John Hauser.

Each line: operands, result, flags, in hexadecimal.
"""

import lzma

import numpy as np

from tests.published import BENCH

FOLDER = BENCH / "testfloat"

DIRECTIONS = {
    "near_even": "nearest-even",
    "near_maxMag": "nearest-away",
    "minMag": "toward-zero",
    "min": "down",
    "max": "up",
}
FUNCTIONS = {
    "f32_add": "add",
    "f32_sub": "sub",
    "f32_mul": "mul",
    "f32_div": "div",
    "f32_sqrt": "sqrt",
    "f32_mulAdd": "fma",
    "f32_rem": "remainder",
    "f32_roundToInt": "to_integral",
}
CONVERSIONS = ("f32_to_i32", "i32_to_f32", "ui32_to_f32", "f64_to_f32", "f32_to_f64")
COMPARISONS = {"f32_eq": "eq", "f32_le": "le", "f32_lt": "lt"}


def files(functions):
    """{file: (function, direction)} of the files at hand for these functions."""
    found = {}
    for path in sorted(FOLDER.glob("*.xz")):
        name = path.name.split(".")[0]
        for function in functions:
            direction = name.removeprefix(f"{function}_")
            if name.startswith(f"{function}_") and direction in DIRECTIONS:
                found[path] = function, DIRECTIONS[direction]
    return found


def read(path, every=1, start=0):
    """(operands, results, flags) as uint64 arrays, of every so many lines."""
    with lzma.open(path, "rt") as lines:
        rows = [line.split() for n, line in enumerate(lines) if n % every == start]
    columns = np.array([[int(c, 16) for c in row] for row in rows], np.uint64).T
    return list(columns[:-2]), columns[-2], columns[-1].astype(np.uint8)
