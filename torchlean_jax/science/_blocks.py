"""Boxes of cells of a grid: the largest ones in a set of cells, and neighbourhoods.

A box of cells in a set is largest if it is in no other. Every box of the set is in a
largest one, and in one dimension those are the runs.
"""

import numpy as np

Block = tuple[tuple[int, int], ...]  # (first, one after the last) along each axis


def largest_blocks(cells: np.ndarray) -> list[Block]:
    """The largest boxes of a set of cells, bool[n_1, .., n_d].

    Let R be a largest box of what is common to slices i .. j - 1 along the first axis.
    Then [i, j) x R is one of the whole, unless slice i - 1 or slice j holds all of R;
    and each has this form.
    """
    if cells.ndim == 1:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], cells, [0]])))
        return [((int(a), int(b)),) for a, b in edges.reshape(-1, 2)]
    size = len(cells)
    nothing = np.zeros_like(cells[0])
    walled = [nothing, *cells, nothing]  # slice i is walled[i + 1]
    found = []
    for i in range(size):
        common = cells[i]
        for j in range(i + 1, size + 1):
            common = common & cells[j - 1]
            # not even all of it together is in the slice before: nor is any R later on
            if not (common & ~walled[i]).any():
                break
            if not (common & ~walled[j + 1]).any():
                continue
            for block in largest_blocks(common):
                inside = tuple(slice(*pair) for pair in block)
                if not (walled[i][inside].all() or walled[j + 1][inside].all()):
                    found.append(((i, j), *block))
    return found


def most_nearby(values: np.ndarray, axes) -> np.ndarray:
    """The largest of each 2 by 2 .. by 2 neighbours along the axes."""
    for axis in axes:
        first = values.take(range(values.shape[axis] - 1), axis)
        second = values.take(range(1, values.shape[axis]), axis)
        values = np.maximum(first, second)
    return values
