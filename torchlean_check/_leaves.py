"""Leaves of a search: boxes that cover a root, each with a bound above its threshold
(`abcrown_leaf_artifact_v0_1`).

The bounds are those of another program and the file holds no network, so by itself it
shows no more than this: if they hold, every input of the root clears a threshold.
`torchlean verify leaf-cert` derives them from the network instead.
"""

from fractions import Fraction
from typing import NamedTuple

from torchlean_check._errors import NotProved
from torchlean_check._plain_json import Range, box, number, numbers, take
from torchlean_check._schema import fail

MAX_LEAVES, MAX_BOXES = 20_000, 200_000
FORMAT = "abcrown_leaf_artifact_v0_1"
MARGIN_TOLERANCE = Fraction(1, 10**6)  # of the format, for its redundant field


class Leaf(NamedTuple):
    box: list[Range]
    lb: list[Fraction]
    threshold: list[Fraction]
    witness: int  # an output whose bound clears its threshold


def read_leaves(document: dict) -> tuple[list[Range], list[Leaf]]:
    """Root and leaves; NotProved if they do not cover it, or a threshold is missed."""
    document = take(document, "leaves", input_dim=int, root=None, leaves=list)
    size, entries = document["input_dim"], document["leaves"]
    if size < 1 or not 1 <= len(entries) <= MAX_LEAVES:
        fail("leaves", f"1 to {MAX_LEAVES}, with 1 input or more")
    root = box(document["root"], "root", size)
    leaves = [_leaf(e, root, f"leaves[{k}]") for k, e in enumerate(entries)]
    missed = uncovered(root, [leaf.box for leaf in leaves])
    if missed is not None:
        at = [float(x) for x in missed]
        raise NotProved(f"no leaf holds the point {at} of the root", "leaves")
    return root, leaves


def _leaf(entry, root: list[Range], where: str) -> Leaf:
    fields = take(entry, where, ("witness_idx", "witness_margin"), lb=None,
                  threshold=None, witness_idx=int, witness_margin=None)  # fmt: skip
    own = box(entry, where, len(root))
    lb = numbers(fields["lb"], f"{where}.lb")
    threshold = numbers(fields["threshold"], f"{where}.threshold", len(lb))
    if not lb:
        fail(f"{where}.lb", "is empty")
    for k, ((a, b), (lo, hi)) in enumerate(zip(own, root, strict=True)):
        if a < lo or b > hi:
            raise NotProved(f"[{a}, {b}] leaves [{lo}, {hi}] in input {k}", where)
    witness = fields["witness_idx"]
    if witness is None:
        witness = max(range(len(lb)), key=lambda k: lb[k] - threshold[k])
    if not 0 <= witness < len(lb):
        fail(f"{where}.witness_idx", f"must be in 0 .. {len(lb) - 1}")
    margin = lb[witness] - threshold[witness]
    if margin <= 0:
        raise NotProved(
            f"lb[{witness}] <= threshold[{witness}]: {float(lb[witness])!r} and "
            f"{float(threshold[witness])!r}",
            where,
        )
    if fields["witness_margin"] is not None:
        said = number(fields["witness_margin"], f"{where}.witness_margin")
        if abs(said - margin) > MARGIN_TOLERANCE * max(1, abs(margin)):
            raise NotProved(f"witness_margin is {said}, not {margin}", where)
    return Leaf(own, lb, threshold, witness)


def uncovered(root: list[Range], leaves: list[list[Range]]) -> list[Fraction] | None:
    """A point of the root in no leaf, or None: exact, by cutting at faces of leaves."""
    left, count = [(root, leaves)], 0
    while left:
        part, near = left.pop()
        count += 1
        if count > MAX_BOXES:
            raise NotProved(f"more than {MAX_BOXES} parts to look at", "leaves")
        near = [leaf for leaf in near if _overlap(part, leaf)]
        if not near:
            return [(a + b) / 2 for a, b in part]
        cut = _face_inside(part, near[0])
        if cut is not None:  # else that leaf holds the whole part
            axis, x = cut
            a, b = part[axis]
            for half in ((a, x), (x, b)):
                left.append(([*part[:axis], half, *part[axis + 1 :]], near))
    return None


def _overlap(part: list[Range], leaf: list[Range]) -> bool:
    """In more than a face; a side of no length only has to be met."""
    return all(
        c < b and a < d if a < b else c <= a <= d
        for (a, b), (c, d) in zip(part, leaf, strict=True)
    )


def _face_inside(part: list[Range], leaf: list[Range]):
    for axis, ((a, b), ends) in enumerate(zip(part, leaf, strict=True)):
        for x in ends:
            if a < x < b:
                return axis, x
    return None


def check_leaves(document: dict) -> str:
    root, leaves = read_leaves(document)
    return (
        f"The {len(leaves)} leaves lie in the root box of {len(root)} inputs and cover "
        "it, and each has an output whose bound is above its threshold: if the bounds "
        "of the file hold, every input of the root clears one. Assumed: those bounds, "
        "for the file holds no network (torchlean verify leaf-cert derives them)."
    )
