"""Corridors between two networks of time: y' = f(t, y), segment by segment.

The theorem is that of `_corridors`, with networks for the two sides and an expression
for f, whose inequalities are bounded on cells: lower' <= f(t, lower) and upper' >= f(t,
upper) there, and f is defined on all that lies between (a pole inside would end a
solution without its crossing a side). That lower <= upper follows. `slack` and the
other settings of a file are passed over: what is accepted holds without slack.
"""

import hashlib
from fractions import Fraction
from pathlib import Path

from torchlean_check._cells import on_cells
from torchlean_check._errors import NotProved
from torchlean_check._expressions import Meaning, parse
from torchlean_check._fixed import exact, fixed, text
from torchlean_check._networks import Network, jets, read_network
from torchlean_check._plain_json import Range, number, read_plain, take
from torchlean_check._schema import fail

MAX_SEGMENTS = 1000


def check_corridor_file(document: dict, folder: Path | None) -> str:
    document = take(document, "corridor", rhs=str, segments=list)
    field = parse(document["rhs"], ("t", "u"), "rhs")
    if not 1 <= len(document["segments"]) <= MAX_SEGMENTS:
        fail("segments", f"1 to {MAX_SEGMENTS} of them")
    read, before, start, said = {}, None, None, []
    for k, entry in enumerate(document["segments"]):
        where = f"segments[{k}]"
        times, start_here, names = _segment(entry, where)
        sides = []
        for name in names:
            if name not in read:
                read[name] = _weights(name, folder, where)
                said.append(f"{name} ({read[name][1][:12]})")
            sides.append(read[name][0])
        start = start or (times[0], start_here)
        if before is not None:
            _require_chain(before, times, start_here, where)
        _require_start(sides, times[0], start_here, where)
        on_cells(*times, lambda a, b, s=sides: _open(field, s, a, b))
        before = times[1], _at(sides, times[1])
    assert start is not None and before is not None
    (first, held), (last, ends) = start, before
    at_end = [float(exact(x)) for x in (ends[0][0], ends[1][1])]
    return (
        f"Every solution of u' = {document['rhs']} with u({float(first):g}) between "
        f"{float(held[0])!r} and {float(held[1])!r} exists to t = {float(last):g} and "
        f"stays between the networks of the file: {', '.join(said)}. At the end it is "
        "between "
        f"{at_end[0]:.9g} and {at_end[1]:.9g}. Assumed: nothing further."
    )


def _segment(entry, where: str) -> tuple[Range, Range, tuple[str, str]]:
    entry = take(entry, where, t0=None, t1=None, init=None, lowerWeights=str,
                 upperWeights=str)  # fmt: skip
    times = number(entry["t0"], f"{where}.t0"), number(entry["t1"], f"{where}.t1")
    if times[0] >= times[1]:
        fail(where, f"t0 >= t1: {times[0]} >= {times[1]}")
    start = entry["init"]
    if type(start) is dict:
        start = take(start, f"{where}.init", lo=None, hi=None)
        lo, hi = (number(start[k], f"{where}.init.{k}") for k in ("lo", "hi"))
    else:
        lo = hi = number(start, f"{where}.init")
    if lo > hi:
        fail(f"{where}.init", f"lo > hi: {lo} > {hi}")
    return times, (lo, hi), (entry["lowerWeights"], entry["upperWeights"])


def _weights(name: str, folder: Path | None, where: str) -> tuple[Network, str]:
    """The network in a file that is named from the folder of the certificate, from one
    above it (they are written as seen from the root of a repository), or lies beside.
    """
    if folder is None:
        fail(where, f"names the file {name!r}; check the certificate as a file")
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        fail(where, f"{name!r} must be a path without '..'")
    folder = folder.resolve()
    places = [f / path for f in (folder, *folder.parents)] + [folder / path.name]
    found = next((p for p in places if p.is_file()), None)
    if found is None:
        fail(where, f"there is no file {name!r} at {folder} or above")
    blob = found.read_bytes()
    net = read_network(read_plain(blob), name)
    if (net.inputs, net.outputs) != (1, 1):
        fail(name, f"must have one input and one output; it has {net.inputs} and "
             f"{net.outputs}")  # fmt: skip
    return net, hashlib.sha256(blob).hexdigest()


def _at(sides, t: Fraction):
    return [jets(net, fixed(t), 0)[0][0] for net in sides]


def _require_start(sides, t, start, where) -> None:
    (_, low), (high, _) = _at(sides, t)
    if exact(low) > start[0]:
        raise NotProved(f"lower({t}) = {float(exact(low))} > {float(start[0])}", where)
    if exact(high) < start[1]:
        raise NotProved(f"upper({t}) = {float(exact(high))} < {float(start[1])}", where)


def _require_chain(before, times, start, where) -> None:
    last, ((low, _), (_, high)) = before
    if last != times[0]:
        raise NotProved(f"starts at {times[0]}, but the one before ends at {last}",
                        where)  # fmt: skip
    if exact(low) < start[0] or exact(high) > start[1]:
        raise NotProved(
            f"init [{float(start[0])}, {float(start[1])}] does not hold the end of the "
            f"one before, [{float(exact(low))}, {float(exact(high))}]",
            where,
        )


def _open(field: Meaning, sides, a: Fraction, b: Fraction) -> str:
    """The first inequality that is not shown on [a, b], or nothing."""
    t = fixed(a, b)
    (low, rise, _), (high, climb, _) = (jets(net, t, 1)[0] for net in sides)
    try:
        field({"t": t, "u": (min(low[0], high[0]), max(low[1], high[1]))})
        below, above = field({"t": t, "u": low}), field({"t": t, "u": high})
    except NotProved as error:
        return f"f is not defined between the two: {error.message}"
    if rise[1] > below[0]:
        return f"lower' <= f(t, lower) fails: {text(rise)} and {text(below)}"
    if climb[0] < above[1]:
        return f"upper' >= f(t, upper) fails: {text(climb)} and {text(above)}"
    return ""
