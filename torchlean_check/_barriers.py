"""Sets {x in D: V(x) <= c} that no disturbance makes x' = f(x, w), |w_k| <= r_k, leave.

Two facts suffice, whatever w does over time, if it is measurable: V > c on the faces of
the box D, and W(x, w) = grad V . f(x, w) < 0 for all such w wherever x is in D and i <=
V(x) <= c. With i < c all solutions from the set end in {V <= i}, too: the states
between are compact, so W is at most some -m < 0 there. Nothing is asked where V < i;
with i = c it is asked where V = c alone. Cells of D are cut until each is seen to be
one or the other; V and W are bounded over a cell and all w at once. Of two boxes more
may be said: `start` lies in the set, `avoid` does not meet it.
"""

from fractions import Fraction

from torchlean_check._cells import on_boxes, told_box
from torchlean_check._errors import NotProved
from torchlean_check._fixed import Fixed, fixed, text
from torchlean_check._loops import Box, Loop, bounds
from torchlean_check._programs import digest, read_program
from torchlean_check._ranges import read_ranges, told
from torchlean_check._schema import fail, fields
from torchlean_check._splines import rational
from torchlean_check._stability import walls

MAX_SIZE, MAX_CELLS = 8, 20_000


class Disturbed:
    """f and V as a loop of x and w, in which w stands still: W is the same."""

    def __init__(self, field: dict, function: dict, size: int, reach: list[Fraction]):
        count = size + len(reach)
        rates = read_program(field, "field", count, size)
        still = rates.add("linear")
        rates.outputs += [still] * len(reach)
        v = read_program(function, "function", size, 1, among=count)
        self.loop, self.reach = Loop(rates, v, count), [(-r, r) for r in reach]

    def bounds(self, cell: Box) -> tuple[Fixed, Fixed]:
        return bounds(self.loop, [*cell, *self.reach])


def require_invariant(
    loop: Disturbed, box: Box, level: Fraction, inner: Fraction
) -> int:
    """NotProved unless the two facts hold; how many cells it took."""
    least, most = fixed(inner)[0], fixed(level)[1]

    def on_face(cell: Box) -> str:
        v, _ = loop.bounds(cell)
        return "" if v[0] > most else f"on a face V is in {text(v)}"

    def inside(cell: Box) -> str:
        v, w = loop.bounds(cell)
        if v[0] > most or v[1] < least or w[1] < 0:
            return ""
        return f"V is in {text(v)}, its rate in {text(w)}"

    seen = on_boxes(walls(box), box, on_face, MAX_CELLS)
    return seen + on_boxes([box], box, inside, MAX_CELLS)


def require_start(loop: Disturbed, start: Box, box: Box, level: Fraction) -> None:
    if any(lo < a or b < hi for (lo, hi), (a, b) in zip(start, box, strict=True)):
        raise NotProved("the box `start` reaches beyond the box")

    def within(cell: Box) -> str:
        v, _ = loop.bounds(cell)
        return "" if v[1] <= fixed(level)[0] else f"of `start` V is in {text(v)}"

    on_boxes([start], box, within, MAX_CELLS)


def require_avoided(loop: Disturbed, avoid: Box, box: Box, level: Fraction) -> None:
    """Of its part in the box: elsewhere the set has no points."""
    met = [
        (max(lo, a), min(hi, b)) for (lo, hi), (a, b) in zip(avoid, box, strict=True)
    ]
    if any(lo > hi for lo, hi in met):
        return

    def beyond(cell: Box) -> str:
        v, _ = loop.bounds(cell)
        return "" if v[0] > fixed(level)[1] else f"of `avoid` V is in {text(v)}"

    on_boxes([met], box, beyond, MAX_CELLS)


def check_barrier(document: dict) -> str:
    """The claim of a document, in words; NotProved if it does not follow."""
    document = fields(document, "barrier", format=str, version=int, size=int,
                      field=dict, function=dict, box=dict, level=str, inner=str,
                      disturbance=[str], start=None, avoid=None)  # fmt: skip
    size = document["size"]
    if document["version"] != 1 or not 1 <= size <= MAX_SIZE:
        fail("size", f"1 to {MAX_SIZE}, and version 1")
    reach = [rational(r, "disturbance") for r in document["disturbance"]]
    if len(reach) > MAX_SIZE or any(r < 0 for r in reach):
        fail("disturbance", f"at most {MAX_SIZE} numbers, none below 0")
    level, inner = (rational(document[k], k) for k in ("level", "inner"))
    if inner > level:
        fail("inner", "at most the level")
    loop = Disturbed(document["field"], document["function"], size, reach)
    box = read_ranges(document["box"], "box", size)
    if any(lo == hi for lo, hi in box):
        fail("box", "must have an inside")
    require_invariant(loop, box, level, inner)
    said = [
        f"Whatever w does within {[told(r) for r in reach]}, every solution of x' = "
        f"f(x, w) from {{V <= {level}}} within the box {told_box(box)} stays there"
    ]
    if inner < level:
        said.append(f"it comes to {{V <= {inner}}} and stays there")
    if document["start"] is not None:
        start = read_ranges(document["start"], "start", size)
        require_start(loop, start, box, level)
        said.append(f"the box {told_box(start)} is in the set")
    if document["avoid"] is not None:
        avoid = read_ranges(document["avoid"], "avoid", size)
        require_avoided(loop, avoid, box, level)
        said.append(f"the box {told_box(avoid)} does not meet it")
    name = digest(document["field"], document["function"])[:12]
    return (
        f"{'; '.join(said)}; f and V are the programs of the file ({name}). Assumed: "
        "nothing further."
    )
