"""Where a surface {f = 0} is not, for a function f given as a program.

A part of a box is free if an enclosure of f over it leaves out 0. Along a ray x = o +
t d the same is asked of segments one after the other from t = 0: there is no point of
the surface up to the end of the last. Where f is seen to have another sign at a later
t, and its program is defined on all of the way there, f is continuous there, so there
is a point of the surface between the two. f is bounded by its values, and by its value
at a middle and its slopes over the set (the mean value theorem).
"""

from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._fixed import Fixed, fixed, minus, plus, text, times
from torchlean_check._loops import all_grades, common
from torchlean_check._programs import NOTHING, Program, Series, digest, read_program
from torchlean_check._programs import values as values_of
from torchlean_check._ranges import read_ranges, told
from torchlean_check._schema import fail, fields
from torchlean_check._splines import rational
from torchlean_check._subdivision import Box, parts, share

MAX_SIZE, MAX_RAYS, MAX_SEGMENTS = 8, 10_000, 100_000
FREE, OPEN = "f", "o"
ONE_UNIT = fixed(Fraction(1))


def over_box(f: Program, cell: Box) -> Fixed:
    """An enclosure of f on a box."""
    size = range(f.inputs)
    middles = [fixed((a + b) / 2) for a, b in cell]
    ranges = [fixed(a, b) for a, b in cell]
    moves = [[ONE_UNIT if i == k else NOTHING for i in size] for k in size]
    offs = [minus(x, m) for x, m in zip(ranges, middles, strict=True)]
    return _enclosed(f, ranges, middles, moves, offs)


class Ray:
    """x = o + t d."""

    def __init__(self, origin: list[Fraction], direction: list[Fraction]):
        self.origin, self.direction = origin, direction

    def at(self, t: Fraction) -> list[Fixed]:
        along = zip(self.origin, self.direction, strict=True)
        return [fixed(o + t * d) for o, d in along]

    def over(self, f: Program, start: Fraction, end: Fraction) -> Fixed:
        """An enclosure of f on a segment."""
        middle = (start + end) / 2
        ranges = []
        for o, d in zip(self.origin, self.direction, strict=True):
            ends = sorted((o + start * d, o + end * d))
            ranges.append(fixed(*ends))
        moves = [[fixed(d)] for d in self.direction]
        off = fixed(start - middle, end - middle)
        return _enclosed(f, ranges, self.at(middle), moves, [off])


def _enclosed(f: Program, ranges, middles, moves, offs: list[Fixed]) -> Fixed:
    """moves: by how much each input moves along each of the offsets."""
    series = Series(f, all_grades(len(offs), 1))
    (whole,), *_ = series.extend([[x] for x in ranges])
    slopes, *_ = series.extend(moves)
    mean = values_of(f, middles)[0]
    for slope, off in zip(slopes, offs, strict=True):
        mean = plus(mean, times(slope, off))
    return common(whole, mean)


def sign(x: Fixed) -> int:
    """1 or -1 of an enclosure that leaves out 0, else 0."""
    return (x[0] > 0) - (x[1] < 0)


def _require_ray(f: Program, ray: Ray, ends: list[Fraction], met, where: str) -> None:
    start, first = Fraction(0), 0
    for end in ends:
        if end <= start:
            fail(f"{where}.ends", "must increase from 0")
        found = ray.over(f, start, end)
        first = sign(found)
        if not first:
            said = f"t from {told(start)} to {told(end)}"
            raise NotProved(f"f is in {text(found)} for {said}", where)
        start = end
    if not ends:
        fail(f"{where}.ends", "a segment is needed")
    if met is None:
        return
    if met <= start:
        fail(f"{where}.met", "must be beyond the segments")
    ray.over(f, start, met)  # f is defined on all of it, hence continuous
    there = values_of(f, ray.at(met))[0]
    if sign(there) != -first:
        raise NotProved(f"f is in {text(there)} at t = {told(met)}", where)


def check_surface(document: dict) -> str:
    """The claim of a document, in words; NotProved if it does not follow."""
    document = fields(document, "surface", format=str, version=int, size=int,
                      function=dict, box=dict, tree=str, rays=list)  # fmt: skip
    size = document["size"]
    if document["version"] != 1 or not 1 <= size <= MAX_SIZE:
        fail("size", f"1 to {MAX_SIZE}, and version 1")
    f = read_program(document["function"], "function", size, 1)
    box = read_ranges(document["box"], "box", size)
    if any(lo == hi for lo, hi in box):
        fail("box", "must have an inside")
    free, count = Fraction(0), 0
    for letter, part, depth in parts(document["tree"], FREE + OPEN, box, "tree"):
        if letter == OPEN:
            continue
        found = over_box(f, part)
        if not sign(found):
            raise NotProved(f"f is in {text(found)} on {_text(part)}", "tree")
        free, count = free + share(depth), count + 1
    rays = document["rays"]
    if len(rays) > MAX_RAYS or not (count or rays):
        fail("rays", f"at most {MAX_RAYS}; and a free part or a ray is needed")
    read = [_read_ray(ray, f"rays[{k}]", size) for k, ray in enumerate(rays)]
    if sum(len(ends) for _, ends, _ in read) > MAX_SEGMENTS:
        fail("rays", f"more than {MAX_SEGMENTS} segments")
    for k, (ray, ends, met) in enumerate(read):
        _require_ray(f, ray, ends, met, f"rays[{k}]")
    met = sum(met is not None for *_, met in read)
    return (
        f"f has no zero in {count} cells, about {told(free)} of the box {_text(box)} "
        f"by volume; along {len(rays)} rays it has none up to the last of their ends, "
        f"and on {met} of these one before the t at which they met it. f is the "
        f"program of the file ({digest(document['function'])[:12]}). Assumed: nothing "
        "further."
    )


def _read_ray(entry, where: str, size: int):
    """(ray, ends, met), met a number or None."""
    entry = fields(entry, where, origin=[str], direction=[str], ends=[str], met=None)
    start, along, ends = (
        [rational(text, f"{where}.{name}[{k}]") for k, text in enumerate(entry[name])]
        for name in ("origin", "direction", "ends")
    )
    if len(start) != size or len(along) != size or not any(along):
        fail(where, f"{size} numbers each, and a direction that is not 0")
    met = None if entry["met"] is None else rational(entry["met"], f"{where}.met")
    return Ray(start, along), ends, met


def _text(cell: Box) -> str:
    return f"{[float(a) for a, _ in cell]} .. {[float(b) for _, b in cell]}"
