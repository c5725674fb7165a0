"""Sums and products of the 16-bit formats: a few numbers with each of the 65,536.

`benchmarks/softfloat_vectors.py --exhaustive` tries each with each.
"""

import jax
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.ieee32 import small

# of binary16: zero, subnormal, the smallest normal, near 1, the largest, infinity
ROWS = np.array([0x8000, 0x0001, 0x03FF, 0x0400, 0x3BFF, 0x3C01, 0x7BFF, 0xFC00])


@pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"])
@pytest.mark.parametrize("format_name", small.FORMATS)
@pytest.mark.parametrize("name", small.OPERATIONS)
def test_a_slice_of_all_pairs(name, format_name, x64):
    x, y = (v.ravel() for v in np.meshgrid(ROWS.astype(np.uint16), small.ALL))
    with jax.enable_x64(x64):
        values = (tl.IEEE32.from_bits(v, format_name) for v in (x, y))
        got = np.array(getattr(tl.IEEE32, name)(*values).bits)
    assert small.mismatches(got, name, x, y, format_name) == 0
    got[12345] ^= 1
    assert small.mismatches(got, name, x, y, format_name) == 1


def test_the_oracle_rounds_as_numpy_does():
    """Midpoints, their neighbours, and the edge of the format."""
    numbers = small.values(small.ALL[:0x7C00], "float16")
    middle = (numbers[1:] + numbers[:-1]) / 2
    near = [np.nextafter(middle, np.inf), np.nextafter(middle, 0), [65519.99, 65520]]
    tried = np.concatenate([numbers, middle, *near])
    with np.errstate(over="ignore"):
        expected = tried.astype(np.float16).astype(float)
    assert (small.rounded(tried, "float16") == expected).all()
