"""The verdict on one certificate: every leaf re-derived, the last inequality strict."""

import functools
import time
from collections import OrderedDict
from collections.abc import Callable

from torchlean_check._bounds import Bounds, Empty, End, Region
from torchlean_check._cases import Each, Leaf, Lemmas, parts_of, read_cases
from torchlean_check._claim import Formula, greatest, least, read_region
from torchlean_check._container import read_manifest, read_members
from torchlean_check._errors import NotProved
from torchlean_check._executions import Executions, read_error_model
from torchlean_check._graph import Program, lower
from torchlean_check._phases import subtract_splits
from torchlean_check._report import Report, claim_text, to_decimal
from torchlean_check._schema import Arrays, checked, fail, fields, graph_digest
from torchlean_check._turns import share
from torchlean_check._zonotope_bounds import Zonotopes

VERSION = 1
_PROGRAMS: OrderedDict[str, Program] = OrderedDict()  # by digest, the last few


def check_bytes(
    blob: bytes,
    watch: Callable[[], None] = lambda: None,
    missed: list[int] | None = None,
    turn: tuple[int, int] = (0, 1),
) -> Report:
    """Re-derive the claim in `blob`; CertificateError if it is not well formed.

    watch: called between pieces of work; what it raises ends the check. missed: gets
    the number, from 0, of each leaf that is not derived, after which the check goes on;
    without it the first one ends the check. turn: (k, n) for the k-th of n parts of the
    leaves. Such a report speaks of these alone: the claim needs all n (`_jobs`).
    """
    start = time.perf_counter()
    members = read_members(blob)
    manifest = fields(
        read_manifest(members["manifest.json"]),
        "manifest",
        ("error_model",),
        format=str,
        version=int,
        semantics=str,
        assumptions=[str],
        error_model=dict,
        arrays=dict,
        graph=dict,
        graph_digest=str,
        input_set=dict,
        property=dict,
        proof=list,
    )
    if manifest["format"] != "torchlean-certificate" or manifest["version"] != VERSION:
        fail("format", f"not a torchlean-certificate of version {VERSION}")
    model = read_error_model(manifest)
    arrays = Arrays(manifest["arrays"], members)
    program, digest = _program(manifest["graph"], arrays)
    if digest != manifest["graph_digest"]:
        fail("graph_digest", f"the graph has digest {digest}")
    region = read_region(manifest["input_set"], arrays, program)
    formula = Formula(arrays, program)
    root = formula.read(manifest["property"], "property")
    reading = arrays, program, formula, root, region.halfspaces
    cases = read_cases(manifest["proof"], *reading)
    for name in arrays.entries.keys() - arrays.used:
        fail("arrays", f"array {name} is not used")
    accepted, reason, margin = True, "the claim was re-derived", None
    where, leaves = "proof", 0
    try:
        for place, leaf, part, shared in _leaves(program, cases, region, watch, turn):
            watch()
            where = f"proof[{place}]"
            leaves += 1
            if part is None:
                continue
            last = leaf.last(part.splits, program)
            kind = Zonotopes if leaf.method == "zonotope" else Bounds
            bounds = functools.partial(kind, program, part, last=last, watch=watch)
            both = functools.partial(bounds, outer=shared)
            low = _leaf_margin(program, leaf, both, formula, model)
            if shared and low is not None and low[0] <= 0:
                # lines that turn with narrower boxes are not always for the better
                low = _leaf_margin(program, leaf, bounds, formula, model)
            if low is None:
                continue
            if not isinstance(leaf.goal, End):
                margin = least([low, margin or low])
            if low[0] <= 0:
                bound = to_decimal(low)
                error = f"the derived lower bound {bound} is not above 0"
                if isinstance(leaf.goal, End):
                    error = f"a lemma is not derived: {error}"
                if missed is None:
                    raise NotProved(error, "property")
                if accepted:
                    accepted, reason = False, f"{where}: property: {error}"
                missed.append(leaves - 1)
    except NotProved as error:
        accepted, reason = False, f"{where}: {error}"
    return Report(
        accepted,
        reason,
        claim_text(manifest, digest, formula, root, model),
        margin,
        to_decimal(margin),
        digest,
        leaves,
        time.perf_counter() - start,
    )


def _program(graph: dict, arrays: Arrays) -> tuple[Program, str]:
    """The graph as a program. Equal digests mean equal graphs, so a few are kept."""
    entries = checked(graph.get("constants"), [dict], "graph.constants")
    for k, entry in enumerate(entries):
        fields(entry, f"graph.constants[{k}]", value=int, array=str)
    digest = graph_digest(graph, arrays)
    if digest not in _PROGRAMS:
        _PROGRAMS[digest] = lower(graph, arrays)
        if len(_PROGRAMS) > 4:
            _PROGRAMS.popitem(last=False)
    return _PROGRAMS[digest], digest


def _leaves(program: Program, cases: list, region: Region, watch, turn):
    """Each leaf with its place in the proof, its part of the region (None if a split
    above found no input there, or the turn is another one's) and the bounds that hold
    on more than this part.

    The parts of a split share its point; those of a conjunction all of its inputs, and
    so do lemmas and what uses them.
    """
    below, first, last = share(cases, turn)
    seen = 0
    waiting: list[tuple] = [(region, None)]
    for place, case in enumerate(cases):
        here, shared = waiting.pop()
        if seen + below[place] <= first or seen >= last:
            here = None
        if isinstance(case, Leaf):
            yield place, case, here, shared
            seen += 1
            continue
        if here is not None and case.shared is not None:
            refine, slopes = case.shared
            try:
                shared = Bounds(program, here, refine, slopes, shared, watch=watch)
            except Empty:
                here = None
        waiting += [(part, part and shared) for part in _parts(case, here)]
    if waiting:
        fail("proof", "the tree of cases is incomplete")


def _parts(case, here: Region | None) -> list[Region | None]:
    """The regions of the trees right below a case, the first one last."""
    count = parts_of(case)
    if here is None or isinstance(case, Each):
        return [here] * count
    if isinstance(case, Lemmas):
        return [here._replace(known=(*here.known, *case.ends)), *[here] * (count - 1)]
    cuts = (End(case.value, case.entry, at_most, case.at) for at_most in (False, True))
    return [here._replace(splits=(*here.splits, cut)) for cut in cuts]


def _leaf_margin(program: Program, leaf: Leaf, derived, formula: Formula, model):
    """A lower bound of what is to hold on one leaf; None if the leaf has no input.

    derived(refine, slopes): the bounds of its part.
    """
    try:
        bounds = derived(leaf.method in ("crown", "zonotope"), leaf.refining)
        shared = leaf.method == "ibp" or all(len(p) == 1 for p in leaf.final.values())
        lows: list = []
        for group in [leaf.rows] if shared else [range(r, r + 1) for r in leaf.rows]:
            g = group[0] - leaf.rows[0]
            slopes = {k: parts[g % len(parts)] for k, parts in leaf.final.items()}
            lows += _row_bounds(program, bounds, leaf, slopes, formula, group)
    except Empty:
        return None
    if isinstance(leaf.goal, End):
        return lows[0]
    if model is not None:
        executions = Executions(bounds, model)
        pairs = zip(map(formula.rows.__getitem__, leaf.rows), lows, strict=True)
        lows = [executions.lowered(c, exp, low) for (c, exp, *_), low in pairs]
    return formula.margin(leaf.goal, dict(zip(leaf.rows, lows, strict=True)))


def _row_bounds(program: Program, bounds: Bounds, leaf, slopes, formula, group) -> list:
    """For each row the better of interval arithmetic and back-substitution."""
    if isinstance(leaf.goal, End):
        forms, constant = _beyond(leaf.goal, program)
    else:
        forms, constant = formula.starts(group, program)
    own = [r - leaf.rows[0] for r in group]
    if leaf.of_splits:
        splits, taken = bounds.region.splits, [leaf.of_splits[r] for r in own]
        constant = subtract_splits(forms, constant, splits, program, taken)
    if leaf.multipliers:
        taken = [leaf.multipliers[r] for r in own]
        halfspaces = bounds.region.halfspaces
        constant = halfspaces.subtract(forms, constant, program.inputs, taken)
    lows, low_exp = bounds.interval_minimum(forms, constant)
    if leaf.method == "ibp":
        return [(v, low_exp) for v in lows]
    values, unit = bounds.minimum(forms, slopes, constant)
    pairs = zip(values, lows, strict=True)
    return [greatest([(v, unit), (w, low_exp)]) for v, w in pairs]


def _beyond(end: End, program: Program):
    """How far an entry is beyond an end, as a linear form and a constant."""
    side = -1 if end.at_most else 1
    row = [0] * program.values[end.value].size
    row[end.entry] = side
    return {end.value: [([row], 0)]}, ([-side * end.at.lo[0]], end.at.exp)
