"""Sets {x in D: V(x) <= c} that x' = f(x) never leaves and that are drawn to 0.

Four facts suffice (Khalil, Nonlinear Systems, 2002, theorem 4.1), all derived here from
the two programs of the file, in exact intervals: f(0), V(0) and the gradient of V at 0
are 0; V > c on the faces of the box D; V > 0 and W = grad V . f < 0 at all other points
of the set. Cells are cut until each lies where V > c, where V > 0 > W, or in the box N
around 0, of which `_nearby` speaks. Where N is D, V is at least x^T A x / 2 on it by
Taylor's theorem, A below all of its Hessians, and on the face where x_k = b that is at
least b^2 / (2 B_kk), B the inverse of A.
"""

from fractions import Fraction

from torchlean_check._cells import cut, told_box
from torchlean_check._errors import NotProved
from torchlean_check._fixed import fixed, text
from torchlean_check._loops import Box, Loop, all_grades, bounds, parts
from torchlean_check._nearby import require_near
from torchlean_check._programs import NOTHING, digest, read_program
from torchlean_check._ranges import read_ranges
from torchlean_check._schema import fail, fields
from torchlean_check._splines import rational

MAX_SIZE, MAX_CELLS = 8, 20_000


def least_on_faces(lower: list, box: Box) -> Fraction:
    """The least x^T A x / 2 on the faces of a box around 0, or 0 if A is not definite.

    On x_k = b it is b^2 / (2 B_kk); and B_kk, of the inverse, is the inverse of the
    last pivot when k is eliminated last.
    """
    size, found = len(box), []
    for k in range(size):
        order = [i for i in range(size) if i != k] + [k]
        rows = [[lower[i][n] for n in order] for i in order]
        for p in range(size):
            if rows[p][p] <= 0:
                return Fraction(0)
            for i in range(p + 1, size):
                factor = rows[i][p] / rows[p][p]
                rows[i] = [
                    a - factor * b for a, b in zip(rows[i], rows[p], strict=True)
                ]
        found.append(rows[-1][-1] * min(x * x for x in box[k]) / 2)
    return min(found)


def require_stable(loop: Loop, box: Box, inner: Box, level: Fraction) -> int:
    """NotProved unless the four facts hold; how many cells it took."""
    _require_equilibrium(loop)
    lower, seen = require_near(loop, inner, level, MAX_CELLS)
    whole = inner == box
    if whole and least_on_faces(lower, box) > level:
        return seen
    waiting: list[tuple[Box, bool]] = [] if whole else [(box, False)]
    waiting += [(face, True) for face in walls(box)]
    limit = fixed(level)[1]
    while waiting:
        cell, face = waiting.pop()
        if not face and all(
            a <= lo and hi <= b for (lo, hi), (a, b) in zip(cell, inner, strict=True)
        ):
            continue
        seen += 1
        v, w = bounds(loop, cell)
        if v[0] > limit or (not face and v[0] > 0 and w[1] < 0):
            continue
        halves = cut(cell, box) if seen <= MAX_CELLS else []
        if not halves:
            said = f"V is in {text(v)}, its rate in {text(w)}"
            where = "face" if face else "box"
            raise NotProved(f"a {where} is open at {told_box(cell)}: {said}")
        waiting += [(half, face) for half in halves]
    return seen


def walls(box: Box) -> list[Box]:
    """Its faces."""
    return [
        [*box[:k], (end, end), *box[k + 1 :]] for k, x in enumerate(box) for end in x
    ]


def _require_equilibrium(loop: Loop) -> None:
    origin = [NOTHING] * loop.size
    v = parts(loop.function, all_grades(loop.size, 1), origin, 2)
    rates = parts(loop.field, all_grades(loop.size, 0), origin, 1)
    for name, part in (
        ("f(0)", [rate[0] for rate in rates[0]]),
        ("V(0)", v[0][0]),
        ("the gradient of V at 0", v[1][0]),
    ):
        if any(x != NOTHING for x in part):
            raise NotProved(f"{name} is not exactly 0")


def check_stability(document: dict) -> str:
    """The claim of a document, in words; NotProved if it does not follow."""
    document = fields(document, "stability", format=str, version=int, size=int,
                      field=dict, function=dict, box=dict, inner=dict,
                      level=str)  # fmt: skip
    size, level = document["size"], rational(document["level"], "level")
    if document["version"] != 2 or not 1 <= size <= MAX_SIZE:
        fail("size", f"1 to {MAX_SIZE}, and version 2")
    loop = Loop(
        read_program(document["field"], "field", size, size),
        read_program(document["function"], "function", size, 1),
        size,
    )
    box, inner = (read_ranges(document[k], k, size) for k in ("box", "inner"))
    for (a, b), (lo, hi) in zip(box, inner, strict=True):
        if not a <= lo < 0 < hi <= b:
            fail("inner", "must have 0 inside, and lie in the box")
    if level <= 0:
        fail("level", "must be positive")
    require_stable(loop, box, inner, level)
    name = digest(document["field"], document["function"])[:12]
    return (
        f"Every solution of x' = f(x) that starts in {{V <= {level}}} within the box "
        f"{told_box(box)} stays there and tends to 0; f and V are the programs of the "
        f"file ({name}). Assumed: nothing further."
    )
