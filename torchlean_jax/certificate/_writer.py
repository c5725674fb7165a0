"""Certificates of verdicts: what was proved, on which graph, by which method."""

import functools
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import jax
import numpy as np

import torchlean_check
from torchlean_jax._halfspaces import Halfspaces
from torchlean_jax._problem import is_set, problem_of
from torchlean_jax.certificate import _format
from torchlean_jax.certificate._cells import phase_cases
from torchlean_jax.certificate._error_model import error_model_for
from torchlean_jax.certificate._lowering import lower
from torchlean_jax.domains._errors import CertificateWriteError, MissingRuleError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.fp32 import FP32, ErrorModel
from torchlean_jax.domains.interval import Interval
from torchlean_jax.search._cells import Proofs
from torchlean_jax.search._tree import Tree


@dataclass(frozen=True)
class Certificate:
    """Evidence that a property holds, as bytes that `torchlean-check` re-derives.

    `graph_digest` identifies the network with its parameters, on every JAX version.
    `report`: what the checker said of these bytes when they were written; None where
    its relaxations are those of the bounds, so that it was not asked.
    """

    bytes: bytes
    graph_digest: str
    report: torchlean_check.Report | None = field(default=None, compare=False)

    def save(self, path: str | os.PathLike) -> None:
        """Write the certificate; readers see the old file or the whole new one."""
        _format.save(path, self.bytes)

    def __repr__(self) -> str:
        return f"Certificate({len(self.bytes)} bytes, graph {self.graph_digest[:12]})"


def certify(
    function,
    args,
    spec_tree,
    method: str,
    slopes=None,
    where: Halfspaces | None = None,
    multipliers=None,
    tree: Tree | None = None,
    cells: Proofs | None = None,
    errors: ErrorModel | None = None,
    until: float = math.inf,
    jobs: int = 1,
) -> Certificate:
    """The certificate that `spec_tree` holds of `function` on the sets among `args`.

    spec_tree: nested {"all": [...]}, {"any": [...]}, {"rows": C, "offset": d}. method:
    the bound method that proved it; slopes: what `alpha-crown` found, by value number;
    where, multipliers: constraints among the inputs, and float64[R, m] for the rows.
    tree: the parts into which boxes were cut, each of which `method` bounds, by their
    places among the sets; cells: the searches by phases, if that is how it was proved.
    errors: the error model if the claim is about executions,
    None if it is about the reals. until: when, by `time.perf_counter`, the checker is
    to stop trying it. jobs: processes in which it does.
    Raises CertificateWriteError, with the reason, for what the format cannot express or
    the checker cannot follow: MissedLeaves if that is for want of tightness.
    """
    semantics = "real" if errors is None else "fp32"
    task, arrays, sets = _task(function, args)
    graph, number = _lowered_graph(task, arrays, semantics)
    input_set = {
        "inputs": [{"value": k, **_set(x)} for k, x in enumerate(sets)],
        "constraints": [] if where is None else [{"rows": where.A, "offset": where.b}],
    }
    leaf = {"method": _METHODS[method], **_stored(slopes, number)}
    if where is not None:
        leaf["multipliers"] = multipliers
    if cells is not None:
        cases = phase_cases(cells, number)
    else:
        cases = [leaf] if tree is None else _Cases(tree, leaf)
    model = None if errors is None else error_model_for(task.plain_graph, errors)
    try:
        blob = _format.pack(
            graph=graph,
            input_set=input_set,
            property=spec_tree,
            proof=cases,
            error_model=model,
        )
    except ValueError as error:
        raise CertificateWriteError(str(error)) from error
    # trees in any case: where an interval is -a to a up to rounding, the slope may be
    # another one here than there, at one of thousands of leaves
    own = method in ("forward", "zonotope")
    may_differ = where is not None or own or len(cases) > 1
    may_differ = may_differ or errors is not None or cells is not None
    report = None
    if may_differ or not _replayed_alike(graph):
        leaves = sum("final" in case for case in cases)
        jobs = min(jobs, leaves // _LEAVES_OF_A_JOB + 1)
        report = _accepted(blob, until, jobs)
    return Certificate(blob, _format.graph_digest(graph), report)


class _Cases:
    """The proof of a tree, made case by case: the inputs of a graph are the values 0,
    1, ..."""

    def __init__(self, tree: Tree, leaf: dict):
        self._tree, self._leaf = tree, leaf
        self._below = tree.leaves_below()

    def __len__(self) -> int:
        return len(self._tree)

    def __iter__(self) -> Iterator[dict]:
        shares = self._leaf["method"] == "crown"
        waiting = [0]
        for node, cut in self._tree.walk():
            depth = waiting.pop()
            if cut is None:
                yield self._leaf
                continue
            waiting += [depth + 1] * 2
            value, index, at = cut
            case: dict = {"split": {"value": value, "index": index, "at": at}}
            many = self._below[node] >= _SHARED_BY
            if shares and depth % _SHARED_EVERY == 0 and many:
                case["method"] = "crown"
            yield case


# The checker bounds what is so many cuts apart and has so many leaves below it once for
# all of them; what is decided there, the leaves need not look at again.
_SHARED_EVERY = 2
_SHARED_BY = 4


def _set(x) -> dict:
    if isinstance(x, Ball):
        radius = float(np.asarray(x.radius, np.float64))
        return {"center": np.asarray(x.center), "radius": radius, "norm": x.norm}
    return {"lo": np.asarray(x.lo), "hi": np.asarray(x.hi)}


_METHODS = {
    "ibp": "ibp",
    "forward": "crown",  # at least as tight in most networks; else it says so
    "zonotope": "zonotope",
    "crown-ibp": "crown-ibp",
    "crown": "crown",
    "alpha-crown": "crown",
}


def graph_of(function, args, semantics: str = "real") -> dict:
    """The graph of `function` as certificates of claims about `semantics` have it."""
    task, arrays, _ = _task(function, args)
    return _lowered_graph(task, arrays, semantics)[0]


def _task(function, args):
    """The traced function, its concrete arguments by number, and the sets."""
    leaves, tree = jax.tree.flatten((tuple(args), {}), is_leaf=is_set)
    task = problem_of(function).at(leaves, tree)
    numbers = zip(task.graph.inputs, leaves, strict=True)
    arrays = {n: x for n, x in numbers if not is_set(x)}
    return task, arrays, [x for x in leaves if is_set(x)]


def _lowered_graph(task, arrays, semantics):
    how = {"real": _of_reals, "fp32": _of_executions}[semantics]
    return _without_arrays(task, how) if not arrays else how(task, arrays)


@functools.lru_cache(maxsize=64)
def _without_arrays(task, how):
    """The graph of a task without concrete arguments: the same for each of its input
    sets."""
    return how(task, {})


def _of_reals(task, arrays):
    """Known wholes stay whole where the checker knows them; else all goes in pieces."""
    sets = set(task.graph.inputs) - set(arrays)
    try:
        return lower(task.graph, arrays, sets, Interval)
    except CertificateWriteError:
        return lower(task.plain_graph, arrays, sets, Interval)


def _of_executions(task, arrays):
    """All goes in pieces, each of which rounds."""
    graph = task.plain_graph
    try:
        return lower(graph, arrays, set(graph.inputs) - set(arrays), FP32())
    except MissingRuleError as error:
        raise CertificateWriteError(str(error)) from error


def _stored(slopes, number) -> dict:
    """Optimised slopes by the file's value numbers; those of smooth curves are left
    out.

    The checker places the tangent of a smooth curve by a rule of its own.
    """
    stored = {"refining": {}, "final": {}}
    for part, arrays in (slopes or {}).items():
        for value, array in arrays.items():
            if value in number:
                stored[part][str(number[value])] = array
    return stored


# On these the checker takes the very same lines as the bounds did, in exact arithmetic.
_SAME_LINES = frozenset(
    "reshape squeeze transpose broadcast_in_dim rev concatenate pad slice take copy "
    "convert_element_type "
    "reduce_sum cumsum reduce_window_sum dot_general conv_general_dilated add add_any "
    "sub neg mul div select_n max".split()
)


def _replayed_alike(graph) -> bool:
    return all(node["op"] in _SAME_LINES for node in graph["nodes"])


_LEAVES_OF_A_JOB = 200  # take the checker longer than a process takes to start


class MissedLeaves(CertificateWriteError):
    """The checker's relaxations do not derive some leaves of a tree.

    leaves: their numbers, from 0, among the leaves of the file.
    """

    def __init__(self, message: str, leaves: list[int]):
        super().__init__(message)
        self.leaves = leaves


def _accepted(blob, until, jobs) -> torchlean_check.Report:
    """Other operations have more than one good relaxation: the checker tries first."""

    def watch():
        if time.perf_counter() >= until:
            raise CertificateWriteError("no time left to check it")

    missed: list[int] = []
    try:
        report = torchlean_check.check(blob, watch=watch, jobs=jobs, missed=missed)
    except torchlean_check.CertificateError as error:
        raise CertificateWriteError(f"the checker refuses it: {error}") from error
    except OSError as error:
        raise CertificateWriteError(f"it could not be checked: {error}") from error
    if not report.accepted:
        raise MissedLeaves(
            f"the checker's own relaxations do not reach the claim: {report.reason}",
            missed,
        )
    return report
