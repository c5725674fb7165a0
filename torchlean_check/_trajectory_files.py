"""The document of a trajectory: a field, a start, steps, and a box at the end.

Each step has the time at which it ends, a box that holds the solutions until then, and
the frame of the set at its end; both are evidence, and only what follows from them is
believed (`_trajectories`).
"""

from torchlean_check._errors import NotProved
from torchlean_check._fixed import exact, fixed
from torchlean_check._programs import digest, read_program
from torchlean_check._ranges import read_ranges
from torchlean_check._schema import fail, fields
from torchlean_check._splines import rational
from torchlean_check._trajectories import Matrix, begin, step

MAX_SIZE, MAX_DEGREE, MAX_STEPS = 12, 40, 20_000


def _frame(entry, where: str, size: int) -> Matrix:
    if len(entry) != size or any(len(row) != size for row in entry):
        fail(where, f"must be {size} rows of {size} numbers")
    points = [[fixed(rational(x, where))[0] for x in row] for row in entry]
    return [[(x, x) for x in row] for row in points]


def check_trajectory(document: dict) -> str:
    """The claim of a document, in words; NotProved if a step does not follow."""
    document = fields(document, "trajectory", format=str, version=int, field=dict,
                      begin=str, start=dict, order=int, steps=[dict],
                      end=dict)  # fmt: skip
    if document["version"] != 1:
        fail("version", "must be 1")
    lo = document["start"].get("lo")
    size, order = len(lo) if type(lo) is list else 0, document["order"]
    if not 1 <= size <= MAX_SIZE or not 1 <= order <= MAX_DEGREE:
        fail("order", f"1 to {MAX_DEGREE}, of 1 to {MAX_SIZE} coordinates")
    if not 1 <= len(document["steps"]) <= MAX_STEPS:
        fail("steps", f"1 to {MAX_STEPS} of them")
    field = read_program(document["field"], "field", 1 + size, size)
    start, end = (read_ranges(document[k], k, size) for k in ("start", "end"))
    first = now = rational(document["begin"], "begin")
    state = begin([fixed(*x) for x in start])
    for k, entry in enumerate(document["steps"]):
        where = f"steps[{k}]"
        entry = fields(entry, where, until=str, lo=[str], hi=[str], frame=[[str]])
        until = rational(entry["until"], f"{where}.until")
        if until <= now:
            fail(f"{where}.until", f"{until} is not after {now}")
        held = {name: entry[name] for name in ("lo", "hi")}
        around = [fixed(*x) for x in read_ranges(held, where, size)]
        chosen = _frame(entry["frame"], f"{where}.frame", size)
        try:
            state = step(field, order, state, now, until, around, lambda _, a=chosen: a)
        except NotProved as error:
            raise NotProved(error.message, where) from error
        now = until
    for k, (x, (low, high)) in enumerate(zip(state.box, end, strict=True)):
        if exact(x[0]) < low or exact(x[1]) > high:
            raise NotProved(f"y[{k}] may be {float(exact(x[0]))!r} or "
                            f"{float(exact(x[1]))!r}", "end")  # fmt: skip
    ends = [[float(x[i]) for x in end] for i in (0, 1)]
    return (
        f"Every solution of y' = f(t, y), f the program of the file "
        f"({digest(document['field'])[:12]}), with y({first}) in the box from "
        f"{[float(x[0]) for x in start]} to {[float(x[1]) for x in start]} exists on "
        f"[{first}, {now}], is in the boxes of the file on the way, and y({now}) is in "
        f"the box from {ends[0]} to {ends[1]}. Assumed: nothing further."
    )
