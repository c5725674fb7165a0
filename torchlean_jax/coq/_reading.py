"""What a certificate says, by the reader of `torchlean_check`."""

import json
from typing import Any, NamedTuple

import torchlean_check
from torchlean_check._bounds import Region
from torchlean_check._claim import Formula, read_cases, read_region
from torchlean_check._container import read_members
from torchlean_check._graph import Program, lower
from torchlean_check._schema import Arrays, graph_text


class Constant(NamedTuple):
    """An array of the graph: its bytes as the certificate holds them."""

    value: int
    dtype: str
    raw: bytes
    sha256: str


class Reading(NamedTuple):
    """The parts of a certificate; root: of the formula; semantics: "real" or "fp32".

    text: the bytes whose SHA-256 is the graph's digest.
    """

    semantics: str
    digest: str
    text: bytes
    constants: list[Constant]
    program: Program
    region: Region
    formula: Formula
    root: Any
    cases: list


def read(blob: bytes) -> Reading:
    """The statement and the proof. CertificateError if `blob` is not well formed.

    The checker reads all of it first, so that what is malformed has been refused before
    its parts are taken here; whether it accepts the claim makes no difference.
    """
    digest = torchlean_check.check(blob).graph_digest
    members = read_members(blob)
    manifest = json.loads(members["manifest.json"])
    arrays = Arrays(manifest["arrays"], members)
    program = lower(manifest["graph"], arrays)
    region = read_region(manifest["input_set"], arrays, program)
    formula = Formula(arrays, program)
    root = formula.read(manifest["property"], "property")
    proof = manifest["proof"]
    cases = read_cases(proof, arrays, program, formula, root, region.halfspaces)
    graph, constants = manifest["graph"], []
    for entry in graph["constants"]:
        held, raw = arrays.entries[entry["array"]], arrays.raw[entry["array"]]
        constants.append(Constant(entry["value"], held["dtype"], raw, held["sha256"]))
    return Reading(
        manifest["semantics"],
        digest,
        graph_text(graph, arrays),
        constants,
        program,
        region,
        formula,
        root,
        cases,
    )
