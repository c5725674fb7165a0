"""Slopes as a proof writes them: free parameters in [0, 1], entry by entry.

An array in the shape of the value, perhaps with the rows of the property in front. Or
`[array, row, places]` for the slopes of many leaves in one array: at the flat entries
`places` those of `array[row]`, and of the next rows for further rows of the property;
elsewhere 0, which is as valid as any.
"""

import math

from torchlean_check._relax import SLOPE_BITS
from torchlean_check._schema import Arrays, checked, fail
from torchlean_check._tensor import Tensor


def in_units(t: Tensor, where: str) -> list[int]:
    """Slopes in units of 2**-SLOPE_BITS, rounded down."""
    by = t.exp + SLOPE_BITS
    slopes = [a << by if by >= 0 else a >> -by for a in t.lo]
    if min(slopes) < 0 or max(slopes) > 1 << SLOPE_BITS:
        fail(where, "slopes must lie in [0, 1]")
    return slopes


def stacked(entry, where: str, arrays: Arrays, rows: int, own) -> list[list[int]]:
    """One list of slopes for all of some rows, or one for each of them."""
    size = math.prod(own)
    if type(entry) is list:
        return _scattered(entry, where, arrays, rows, size)
    name = checked(entry, str, where)
    shape = tuple(arrays.entry(name, where)["shape"])
    if shape not in (own, (rows, *own)):
        fail(where, f"slopes of shape {shape} for a value of shape {own}")
    slopes = in_units(arrays.load(name, where), where)
    return [slopes[i : i + size] for i in range(0, len(slopes), size)]


def _scattered(entry, where: str, arrays: Arrays, rows: int, size: int):
    name, first, indices = checked(entry, (str, int, str), where)
    shape = arrays.entry(name, where)["shape"]
    count = arrays.entry(indices, where)["shape"]
    if len(count) != 1 or len(shape) != 2 or shape[1:] != count:
        fail(where, f"slopes of shape {shape} for places of shape {count}")
    if not 0 <= first <= shape[0] - rows:
        fail(where, f"slopes of {shape[0]} rows lack some of {rows} from {first}")
    places = arrays.load(indices, where)
    if places.exp != 0 or any(not 0 <= k < size for k in places.lo):
        fail(where, f"a place beyond {size} entries")
    found = []
    for row in range(first, first + rows):
        slopes = [0] * size
        part = in_units(arrays.part(name, where, row), where)
        for k, slope in zip(places.lo, part, strict=True):
            slopes[k] = slope
        found.append(slopes)
    return found
