"""Bounds by zonotopes: one pass forward, no linear form carried back.

A rest that would be met twice is made a number of its own, so that it can cancel. Of
products that are summed, as in attention, or squares, that is after the sum.
"""

from collections import Counter

from torchlean_check._bounds import Bounds, common
from torchlean_check._linear import Blocks, Sum
from torchlean_check._tensor import Tensor, total
from torchlean_check._zonotope_steps import added, image, mixed, most
from torchlean_check._zonotopes import Zonotope, numbered


class Zonotopes(Bounds):
    """Boxes narrowed by what zonotopes reach, where a step is not linear."""

    def __init__(self, program, region, refine, slopes, outer=None, last=None, **more):
        self.count = 0  # numbers in use
        self.zonotopes: dict[int, Zonotope] = {}
        self.met: Counter = Counter()  # how often an entry of a value is, at most
        self.left: Counter = Counter()  # steps that will need a value
        for step, operands in zip(program.steps, program.operands, strict=True):
            self.left.update(operands)
            for j in operands:
                self.met[j] += most(step)
        self.left.update(x.id for x in (*program.inputs, *program.outputs))
        self.keeps = last is not None  # for a lemma, which may be about any value
        super().__init__(program, region, refine, slopes, outer, last, **more)

    def _refine(self, step, operands, slopes) -> None:
        for j in {*operands}:
            z = self.zonotopes[j] = self._zonotope(j).measured(self.count)
            self.boxes[j] = common(self.boxes[j], z.hull())

    def _forward(self, k: int, step, operands, outer) -> Tensor:
        self.watch()
        box = super()._forward(k, step, operands, outer)
        zs = [self._zonotope(j) for j in operands]
        boxes = [self.boxes[j] for j in operands]
        z = image(step, zs, boxes, self.count)
        self.zonotopes[k] = self._numbered(z) if self.met[k] > 1 else z
        self.left.subtract(operands)
        for j in operands:
            if not self.left[j] and not self.keeps:
                self.zonotopes.pop(j, None)
        return box

    def _zonotope(self, j: int) -> Zonotope:
        if j not in self.zonotopes:  # an input or a constant
            z = Zonotope(self.boxes[j], [0] * self.program.values[j].size)
            known = self.program.values[j].known is not None
            self.zonotopes[j] = z if known else self._numbered(z)
        return self.zonotopes[j]

    def _numbered(self, z: Zonotope) -> Zonotope:
        z, self.count = numbered(z, self.count)
        return z

    def minimum(self, forms: dict, slopes, constant=None) -> tuple[list[int], int]:
        parts = []
        for k, some in forms.items():
            for rows, exp in some:
                n, size = len(rows), len(rows[0])
                step = Blocks([(range(n), range(size), rows)], exp, size, n)
                parts.append(mixed(step, self._zonotope(k), self.count))
        z = added(Sum((1,) * len(parts)), parts, self.count)
        values, exp = constant or ([0] * len(z.columns), 0)
        rest = total([z.rest, Tensor(values, values, exp)])
        hull = z._replace(rest=rest).measured(self.count).hull()
        return hull.lo, hull.exp
