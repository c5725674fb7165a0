"""A claim on an interval, decided on cells that are cut in half where it stays open."""

from collections.abc import Callable
from fractions import Fraction

from torchlean_check._errors import NotProved

MAX_CELLS = 4096


def on_cells(lo: Fraction, hi: Fraction, decide: Callable[[Fraction, Fraction], str]):
    """decide(a, b) is empty where the claim holds on [a, b], or says what is open.

    Raises NotProved with what the narrowest cells left open.
    """
    cells, least, count = [(lo, hi)], (hi - lo) / MAX_CELLS, 0
    while cells:
        a, b = cells.pop()
        count += 1
        open_ = decide(a, b)
        if not open_:
            continue
        if b - a <= least or count > MAX_CELLS:
            raise NotProved(f"{open_} on [{float(a):.9g}, {float(b):.9g}]")
        middle = (a + b) / 2
        cells += [(middle, b), (a, middle)]
