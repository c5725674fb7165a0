"""Ends of inner values as the cases of a certificate that come before all others."""

from collections.abc import Iterator

from torchlean_jax.search._lemmas import Lemmas
from torchlean_jax.search._region import Region


def lemma_cases(
    blocks: list[Lemmas], region: Region, number: dict[int, int]
) -> Iterator[dict]:
    """number: the file's numbers of the values of the graph."""
    for k, block in enumerate(blocks):
        value = number[region.parts[block.part].operand]
        ends = zip(block.elements, block.sides, block.at, strict=True)
        yield {
            "lemmas": [
                {"value": value, "index": e, "at_most": side < 0, "at": at}
                for e, side, at in ends
            ],
            # the enclosures of the region, and from then on what lemmas make of them:
            # nearer ones could fix other phases than those of the search
            "method": "crown-ibp" if k else "crown",
        }
        places = {int(node): k for k, node in enumerate(block.node)}
        final = list(_slopes(block, region, number))
        for root in block.roots:
            yield from _tree(block, int(root), places, final, number)


def _slopes(block: Lemmas, region: Region, number) -> Iterator[tuple]:
    """(name in the file, slopes of all leaves, places) of each relaxed max(x, c)."""
    start = 0
    for part in region.parts[: block.part]:
        end = start + region.shared.enclosures[part.operand].size
        here = (block.free >= start) & (block.free < end)
        out = region.task.graph.equations[part.position].outputs[0]
        if here.any() and out in number:
            places = (block.free[here] - start).astype("int32")
            yield str(number[out]), block.slopes[:, here], places
        start = end


def _tree(block: Lemmas, root: int, places, final, number) -> Iterator[dict]:
    depths = [0]
    for node, cut in block.trees.walk(root):
        depth = depths.pop()
        if cut is not None:
            value, index, at = cut
            depths += [depth + 1] * 2
            yield {"split": {"value": number[value], "index": index, "at": at}}
            continue
        k = places[node]
        weights = [float(w) for w in block.weights[k, :depth]]
        yield {
            "method": "crown-ibp",
            "refining": {},
            "final": {name: [slopes, k, which] for name, slopes, which in final},
            "split_multipliers": [weights],
        }
