"""A certificate as a Coq file that ends in a theorem about its network."""

from collections.abc import Iterable

import numpy as np

from torchlean_check._cases import Leaf
from torchlean_check._relax import SLOPE_BITS
from torchlean_check._tensor import Tensor
from torchlean_jax.coq._affine import LARGEST, Affine, Matrix
from torchlean_jax.coq._core import Core
from torchlean_jax.coq._curves import Bends, Side
from torchlean_jax.coq._evidence import GRID, SLOPE_EXP, Evidence, Prover
from torchlean_jax.coq._reading import Reading

HEADER = """\
(* Graph {digest}
   of a torchlean certificate; its arrays are the integers below. *)
From Coq Require List ZArith Uint63 Sint63 String.
From Bignums Require BigZ.
From TorchLean Require {files}.
Module Certificates.
Import String List ListNotations ZArith Uint63 Sint63 BigZ.
Import Graph Lines Checker Sound Words Evidence.
Open Scope sint63_scope.
"""

THEOREM = """\
Theorem holds_{name} : claim network box_{name} property_{name}.
Proof.
  apply {lemma} with (t := proof_{name}); vm_cast_no_check (eq_refl true).
Qed.
Check holds_{name}.
"""


def network_text(reading: Reading, core: Core) -> str:
    """The graph: one definition for each node, the last one first in the list."""
    files = "Graph Lines Checker Sound Words Evidence Digest" + (
        " Smooth" if core.is_smooth else ""
    )
    lines = [HEADER.format(digest=reading.digest, files=files)]
    for k, node in enumerate(core.nodes):
        here = core.inputs + k
        first = _affine(node.first, here)
        if node.curve is not None:
            term = f"Curve {node.curve} {node.first.size}%nat {first}"
        elif node.second is None:
            term = f"Affine {first}"
        else:
            term = f"Max {first} {_affine(node.second, here)}"
        lines.append(f"Definition n{here} : node := {term}.")
    names = [f"n{core.inputs + k}" for k in reversed(range(len(core.nodes)))]
    lines.append(f"Definition network : graph := {_list(names)}.\n")
    return "\n".join(lines)


def theorem_text(reading: Reading, core: Core, name: str) -> str:
    """Box, property, proof and theorem of one certificate about that network."""
    boxes = [reading.region.boxes[x.id] for x in reading.program.inputs]
    sides = [f"({_block(b.lo, b.exp)}, {_block(b.hi, b.exp)})" for b in reversed(boxes)]
    parts = [
        f"Definition box_{name} : box := {_list(sides)}.",
        f"Definition property_{name} : property := {_property(reading, core)}.",
        f"Definition proof_{name} : tree := {_proof(reading, core)}.",
        THEOREM.format(name=name, lemma=f"{checker(core)}_sound"),
    ]
    return "\n".join(parts)


def checker(core: Core) -> str:
    """The proved function that decides about this graph, by its name in proofs/."""
    return "Smooth.check_smooth" if core.is_smooth else "check"


def _property(reading: Reading, core: Core) -> str:
    last = core.inputs + len(core.nodes) - 1

    def row(number: int) -> str:
        c, exp, d, unit = reading.formula.rows[number]
        by_value: dict[int, list[int]] = {}
        start = 0
        for y in reading.program.outputs:
            part = c[start : start + y.size]
            start += y.size
            place = core.place[y.id]
            old = by_value.get(place, [0] * y.size)
            by_value[place] = [a + b for a, b in zip(old, part, strict=True)]
        blocks = [
            _block(by_value.get(k, []), exp) for k in range(last, min(by_value) - 1, -1)
        ]
        return (
            f"Row {{| coefficients := {_list(blocks)}; "
            f"constant := (({unit})%Z, {_exact(-d)}) |}}"
        )

    def text(part) -> str:
        if isinstance(part, range):
            return f"All {_list(map(row, part))}"
        kind, parts = part
        return f"{kind.title()} {_list(map(text, parts))}"

    return text(reading.root)


def _proof(reading: Reading, core: Core) -> str:
    """The tree of cases, each leaf with its evidence."""
    last = core.inputs + len(core.nodes) - 1
    cases = iter(reading.cases)
    boxes = [
        tuple(np.ldexp(np.array(side, float), b.exp) for side in (b.lo, b.hi))
        for b in (reading.region.boxes[x.id] for x in reading.program.inputs)
    ]

    def text(boxes, splits) -> str:
        case = next(cases)
        if isinstance(case, Leaf):
            return _leaf(core, Prover(core, boxes, splits, _slopes(core, case)))
        k, entry, at = case.value, case.entry, case.at
        value, number = core.place[k], float(np.ldexp(float(at.lo[0]), at.exp))
        halves = []
        for at_most in (True, False):
            parts = list(boxes)
            if value < core.inputs:
                lo, hi = (side.copy() for side in parts[value])
                (hi if at_most else lo)[entry] = number
                parts[value] = lo, hi
            more = [*splits, (value, entry, at_most, number)]
            halves.append(text(parts, more))
        at_text = _number(at)
        return f"Cut {last - value} {entry} {at_text} ({halves[0]}) ({halves[1]})"

    return text(boxes, [])


def _slopes(core: Core, leaf: Leaf) -> dict[int, np.ndarray]:
    """Of the last back-substitution where there is one set for all rows, else of the
    refinements: every choice is sound. Interval arithmetic knows relu(x) >= 0."""
    if leaf.method == "ibp":
        relaxed = ((n.step, n.first.size) for n in core.nodes)
        return {k: np.zeros(size) for k, size in relaxed if k is not None}
    given = dict(leaf.refining)
    given |= {k: parts[0] for k, parts in leaf.final.items() if len(parts) == 1}
    return {k: np.ldexp(np.array(s, float), -SLOPE_BITS) for k, s in given.items()}


def _leaf(core: Core, prover: Prover) -> str:
    entries = []
    for k in range(core.inputs, core.inputs + len(core.nodes)):
        units, neurons, lines = (0, 0, 0), [], []
        if k in prover.evidence:
            e = prover.evidence[k]
            units, neurons = (e.exp, SLOPE_EXP, GRID), _neurons(e)
        elif k in prover.bends:
            e = prover.bends[k]
            units, lines = (e.exp, e.slope_exp, GRID), _bends(e)
        scale = " ".join(f"({u})" for u in units)
        entries.append(
            f"Build_evidence (Build_units {scale})%Z {_list(neurons)} {_list(lines)} "
            "(0%Z, [])"
        )
    return f"Leaf {_list(reversed(entries))}"


def _bends(e: Bends) -> list[str]:
    def side(s: Side, k: int) -> str:
        words = (s.slope[k], s.level[k], s.touch[k], s.touch[k])
        return "(Side " + " ".join(_integer(int(w)) for w in words) + ")"

    return [
        f"Bends {_integer(int(lo))} {_integer(int(hi))} "
        f"{side(e.under, k)} {side(e.upper, k)}"
        for k, (lo, hi) in enumerate(zip(e.lo, e.hi, strict=True))
    ]


def _neurons(e: Evidence) -> list[str]:
    words = []
    for state, *rest in zip(e.state, e.lo, e.hi, e.below, e.above, strict=True):
        if state:
            words.append("On" if state > 0 else "Off")
        else:
            words.append("Lies " + " ".join(_integer(int(v)) for v in rest))
    return words


def _affine(a: Affine, here: int) -> str:
    """Operands count back from the node: 0 is the value just before."""
    terms = [f"({here - 1 - k}%nat, {_matrix(m)})" for k, m in a.terms]
    bias = _block(a.bias, a.exp)
    return f"{{| bias := {bias}; terms := {_list(terms)} |}}"


def _matrix(m: Matrix) -> str:
    if m.kind == "same":
        return "Same"
    if m.kind == "times":
        return f"Times ({_block(m.rows, m.exp)})"
    if m.kind == "full":
        rows = (_list(map(_integer, row)) for row in m.rows)
        return f"full ({m.exp})%Z {_list(rows)}"
    return f"gaps ({m.exp})%Z {_list(_list(_with_gaps(row)) for row in m.rows)}"


def _with_gaps(row) -> list[str]:
    words, end = [], 0
    for j, weight in row:
        words += [str(j - end), _integer(weight)]
        end = j + 1
    return words


def _block(values, exp: int) -> str:
    if all(map(_is_narrow, values)):
        return f"numbers ({exp})%Z {_list(map(_integer, values))}"
    return f"(({exp})%Z, {_list(map(_exact, values))})"


def _number(t: Tensor) -> str:
    return f"(({t.exp})%Z, {_exact(t.lo[0])})"


def _is_narrow(m: int) -> bool:
    return -LARGEST < m < LARGEST


def _exact(m: int) -> str:
    """Of any size. Coq reads machine integers some ten times as fast as the others."""
    return f"integer {_integer(m)}" if _is_narrow(m) else f"({m})%bigZ"


def _integer(m: int) -> str:
    assert _is_narrow(m), m
    return str(m) if m >= 0 else f"({m})"


def _list(words: Iterable[str]) -> str:
    return "[" + "; ".join(words) + "]"
