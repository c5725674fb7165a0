"""The proof of a search by phases, as the tree of cases of a certificate.

Enclosures of the whole hold on all cells and are derived once, at the top. A leaf has a
slope for each element of a switch that they leave undecided and a multiplier for each
split above it. Both may be rounded as one likes: any slope and any multiplier makes a
valid bound. Around what bends otherwise the checker draws lines by a rule of its own.
"""

import math
import operator
from collections.abc import Iterator

import numpy as np

from torchlean_jax.certificate._lemmas import lemma_cases
from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.interpreters._phases import Bend
from torchlean_jax.search._cells import Cells, Proofs, clauses

_BITS = range(8, 25)  # of a multiplier: as few as its part's margin allows


def phase_cases(proofs: Proofs, number: dict[int, int]) -> list[dict]:
    """The tree of cases; number: the file's numbers of the values of the graph.

    Raises CertificateWriteError for what the format has no word for.
    """
    undecided = _undecided(proofs, number)
    stacks: dict[str, list] = {name: [] for name, *_ in undecided}
    cases, row = [], 0
    for case in _conjunction(proofs.shape, iter(proofs.parts), number, undecided):
        if "final" in case:
            for name, slopes in case["final"].items():
                stacks[name].append(slopes)
            case["final"], row = row, row + len(case["split_multipliers"])
        cases.append(case)
    stacked = {name: np.concatenate(slopes) for name, slopes in stacks.items()}
    places = {name: place.astype(np.int32) for name, _, place in undecided}
    for case in cases:
        if "final" in case:
            row = case["final"]
            case["final"] = {n: [stacked[n], row, places[n]] for n in stacked}
    cases[0]["method"] = "crown-ibp" if proofs.lemmas else "crown"
    if proofs.lemmas is None:
        raise CertificateWriteError(
            "what ends of inner values were proved with takes more memory than the "
            "search may use"
        )
    return [*lemma_cases(proofs.lemmas, proofs.region, number), *cases]


def _undecided(proofs: Proofs, number) -> list[tuple]:
    """(its name in the file, position, undecided places) of each relaxed max(x, c)."""
    region, found = proofs.region, []
    for part in region.parts:
        if isinstance(part, Bend):
            continue
        value, level = (
            d[part.operand] for d in (region.shared.enclosures, region.shared.levels)
        )
        lo, hi, at = (np.ravel(end) for end in (value.lo, value.hi, level.lo))
        (places,) = np.nonzero((lo < at) & (at < hi))
        out = region.task.graph.equations[part.position].outputs[0]
        if len(places) and out in number:
            found.append((str(number[out]), part.position, places))
    return found


def _conjunction(shape, parts, number, undecided) -> Iterator[dict]:
    """A property part by part, each with the tree of its own search."""
    kind, *rest = shape
    inner = [("rows", r, r + 1) for r in range(*rest)] if kind == "rows" else rest[0]
    if kind == "any" or (kind == "rows" and len(inner) == 1):
        if len(clauses(shape)) > 1:
            raise CertificateWriteError(
                "searches by phases proved each clause of a disjunction of conjunctions"
            )
        cells, search = next(parts)
        yield from _tree(cells, search, number, undecided)
        return
    yield {"each": len(inner)}
    for part in inner:
        yield from _conjunction(part, parts, number, undecided)


def _tree(cells: Cells, search, number, undecided) -> Iterator[dict]:
    rows = search.evidence.rows
    places = {int(node): k for k, node in enumerate(rows.get("node", ()))}
    if not rows:
        raise CertificateWriteError(
            "what the cells were proved with takes more memory than the search may use"
        )
    choices, above = cells.choices(rows), [()]
    reach = _reach(cells.region)
    for node, cut in search.tree.walk():
        path = above.pop()
        if cut is not None:
            value, index, at = cut
            if value not in number:
                raise CertificateWriteError("a value that was split is not in the file")
            above += [(*path, (value, index, side)) for side in (1, -1)]
            yield {"split": {"value": number[value], "index": index, "at": at}}
            continue
        k = places[node]
        flat = {v: m[k].reshape(len(m[k]), -1) for v, m in choices.multipliers.items()}
        of_splits = [_of_splits(path, flat, r) for r in _rows(flat)]
        bits = _bits_for(of_splits, path, reach, rows["margin"][k])
        yield {
            "method": "crown-ibp",
            "refining": {},
            "final": {
                name: _short_slopes(choices.slopes[position][k], which)
                for name, position, which in undecided
            },
            "split_multipliers": [[_short(b, bits) for b in row] for row in of_splits],
        }


def _of_splits(path, flat, row: int) -> list[float]:
    """The multiplier of each split above a leaf, for a row of the property.

    An element has one number, positive on the side of its first cut. Of several cuts on
    a side the last one says the most.
    """
    found, last = [0.0] * len(path), {}
    for depth, (value, index, side) in enumerate(path):
        last.setdefault((value, index), {})[side] = depth
    for (value, index), cuts in last.items():
        first = next(iter(cuts))
        multiplier = float(flat[value][row, index])
        side = first if multiplier > 0 else -first
        if side in cuts:
            found[cuts[side]] = abs(multiplier)
    return found


def _short_slopes(slopes, places):
    flat = np.asarray(slopes).reshape(len(slopes), -1)[:, places]
    return np.clip(np.nan_to_num(flat), 0, 1).astype(np.float16)


def _reach(region) -> dict[int, np.ndarray]:
    """By operand, how far from where it is cut each element may be."""
    found = {}
    for part in region.parts:
        value = region.shared.enclosures[part.operand]
        if isinstance(part, Bend):
            found[part.operand] = np.ravel(value.hi - value.lo)
            continue
        level = region.shared.levels[part.operand]
        ends = (
            np.abs(np.ravel(end) - np.ravel(level.lo)) for end in (value.lo, value.hi)
        )
        found[part.operand] = np.maximum(*ends)
    return found


def _bits_for(of_splits, path, reach, margin: float) -> int:
    """Of multipliers whose rounding costs at most half of a margin.

    A multiplier b of n bits is at most b 2^-n off, and so is the bound by that times
    the reach of its element.
    """
    reaches = [reach[value][index] for value, index, _ in path]
    most = [sum(map(operator.mul, row, reaches)) for row in of_splits]
    for bits in _BITS:
        if math.ldexp(max(most), 1 - bits) <= margin:
            return bits
    return _BITS[-1]


def _rows(flat) -> range:
    return range(len(next(iter(flat.values()))))


def _short(multiplier: float, bits: int) -> float:
    """A number of few bits near a multiplier; 0 for what is none."""
    if not 0 < multiplier < math.inf:
        return 0.0
    m, e = math.frexp(multiplier)
    return math.ldexp(round(math.ldexp(m, bits)), e - bits)
