"""One linear map applied to many rows of integers at once.

The k-th coefficients of all rows make one long integer, each in a field of its own.
Multiplication by weights and addition act on all fields at once, several times faster
than row by row, and no field overflows: it is wide enough for the largest sum.
"""

from collections.abc import Callable


def all_at_once(
    apply: Callable[[list[int]], list[int]], rows: list[list[int]], weight: int
) -> list[list[int]]:
    """apply(row) for each row; apply is linear, and no entry of its result is more than
    `weight` times the largest of its argument."""
    if len(rows) < 4:
        return list(map(apply, rows))
    reach = max(*map(max, rows), -min(map(min, rows))) * weight
    width = (reach.bit_length() + 1) // 8 + 1  # bytes of a field, with its sign
    step = 8 * width
    packed = []
    for column in zip(*rows, strict=True):
        total = 0
        for a in reversed(column):
            total = (total << step) + a
        packed.append(total)
    half, size = 1 << (step - 1), width * len(rows)
    offset = sum(half << (step * r) for r in range(len(rows)))
    starts = range(0, size, width)
    columns = []
    for total in apply(packed):
        raw = (total + offset).to_bytes(size, "little")  # every field non-negative
        fields = [int.from_bytes(raw[i : i + width], "little") for i in starts]
        columns.append([field - half for field in fields])
    return [list(row) for row in zip(*columns, strict=True)]
