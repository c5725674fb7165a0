"""Claims on an interval or a box, decided on cells, halved where they stay open."""

from collections.abc import Callable
from fractions import Fraction

from torchlean_check._errors import NotProved

MAX_CELLS = 4096
LEAST = Fraction(1, 1 << 60)  # of a side: shorter ones are not cut

Box = list[tuple[Fraction, Fraction]]


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


def on_boxes(waiting: list[Box], whole: Box, decide: Callable[[Box], str], most: int):
    """decide(cell) is empty where the claim holds on a cell, or says what is open; a
    part of the claim that is not defined on the cell is open, too.

    Returns how many cells were looked at. NotProved with what stayed open.
    """
    waiting, seen = list(waiting), 0
    while waiting:
        cell = waiting.pop()
        seen += 1
        try:
            open_ = decide(cell)
        except NotProved as error:
            open_ = str(error)
        if not open_:
            continue
        parts = cut(cell, whole) if seen <= most else []
        if not parts:
            raise NotProved(f"{open_} on {told_box(cell)}")
        waiting += parts
    return seen


def cut(cell: Box, whole: Box) -> list[Box]:
    """Across the side that is longest beside the whole box's; none of a cell that is
    tiny. Where the whole is flat, nothing is cut."""
    sides = [
        (hi - lo) / (b - a) if a < b else Fraction(0)
        for (lo, hi), (a, b) in zip(cell, whole, strict=True)
    ]
    k = max(range(len(sides)), key=sides.__getitem__)
    lo, hi = cell[k]
    if hi - lo < LEAST:
        return []
    middle = (lo + hi) / 2
    return [[*cell[:k], part, *cell[k + 1 :]] for part in ((lo, middle), (middle, hi))]


def told_box(cell: Box) -> str:
    """For people."""
    return f"{[float(a) for a, _ in cell]} .. {[float(b) for _, b in cell]}"
