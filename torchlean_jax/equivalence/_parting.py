"""Where two graphs part: the first values that the other program does not have."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchlean_jax.domains._errors import TorchLeanError
from torchlean_jax.domains.finite_field import FieldArray, FiniteField
from torchlean_jax.equivalence._pair import Pair
from torchlean_jax.equivalence._residues import fourier_order
from torchlean_jax.interpreters._eager import is_float
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.interpreters._nodes import Node


@dataclass(frozen=True)
class Parting:
    """One node of each program: all its operands are values that the other program has
    too, its result is not. None for a program whose values all occur in the other."""

    nodes: tuple[Node | None, Node | None]
    names: tuple[str, str]

    def __str__(self) -> str:
        lines = []
        for name, node in zip(self.names, self.nodes, strict=True):
            if node is not None:
                place = node.place or "no source line"
                lines.append(
                    f"`{name}` parts at {node.primitive} {node.shape}  {place}"
                )
        return "\n".join(lines)


@dataclass(frozen=True)
class _Step:
    path: tuple
    eqn: Any
    operands: list
    value: FieldArray


def parting(pair: Pair, seed: int) -> Parting | None:
    """The place, from the first output that differs backward; None if there is none."""
    try:
        field, outputs, steps = _walked(pair, seed)
    except TorchLeanError:
        return None
    names = [
        np.unique(np.concatenate([field.name(s.value).ravel() for s in own.values()]))
        if own
        else np.zeros(0, np.uint64)
        for own in steps
    ]
    for a, b in zip(*outputs, strict=True):
        if not (isinstance(a, FieldArray) and isinstance(b, FieldArray)):
            continue
        if not (field.name(a) == field.name(b)).all():
            nodes = (
                _first_foreign(field, a, steps[0], names[1]),
                _first_foreign(field, b, steps[1], names[0]),
            )
            return Parting(nodes, pair.names) if any(nodes) else None
    return None


def _walked(pair, seed):
    orders = [fourier_order(t.jaxpr) for t in pair.traces]
    field = FiniteField(seed, order=math.lcm(*orders))
    leaves = [
        field.variables(x.shape, x.dtype) if is_float(x) else x for x in pair.leaves
    ]
    outputs, steps = [], []
    for traced in pair.traces:
        own: dict[int, _Step] = {}

        def observe(path, eqn, operands, results, own=own):
            for x in results:
                # a call hands on what an equation inside it made
                if isinstance(x, FieldArray) and id(x) not in own:
                    own[id(x)] = _Step(path, eqn, list(operands), x)

        consts = [field.lift(c) if is_float(c) else c for c in traced.consts]
        outputs.append(walk(traced.jaxpr, consts, leaves, field, observe))
        steps.append(own)
    for leaf in leaves:  # arguments are values of both
        if isinstance(leaf, FieldArray):
            for own in steps:
                own[id(leaf)] = _Step((), None, [], leaf)
    return field, outputs, steps


def _first_foreign(field, value, steps, others) -> Node | None:
    """Backward from `value` along operands that the other program does not have."""
    if _is_shared(field, value, others):
        return None
    seen = set()
    while True:
        step = steps.get(id(value))
        if step is None or step.eqn is None:
            return None
        seen.add(id(value))
        foreign = [
            x
            for x in step.operands
            if isinstance(x, FieldArray)
            and id(x) in steps
            and id(x) not in seen
            and not _is_shared(field, x, others)
        ]
        if not foreign:
            return Node.of(step.path, step.eqn, None)
        value = foreign[0]


def _is_shared(field, value, others):
    return value.held is not None or bool(
        np.isin(field.name(value), others).all() if value.size else True
    )
