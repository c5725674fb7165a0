"""What a certificate says, by the reader of `torchlean_check`."""

import functools
import json
from typing import Any, NamedTuple

import torchlean_check
from torchlean_check._bounds import Region
from torchlean_check._cases import read_cases
from torchlean_check._claim import Formula, read_region
from torchlean_check._container import read_members
from torchlean_check._graph import Program, lower
from torchlean_check._schema import Arrays, graph_text


class Held(NamedTuple):
    """An array as the certificate holds it."""

    dtype: str
    raw: bytes
    sha256: str


class Reading(NamedTuple):
    """The parts of a certificate; root: of the formula; semantics: "real" or "fp32".

    text: the bytes whose SHA-256 is the graph's digest. held: arrays of the statement,
    "constant K" of the graph's value K, "lower K" and "upper K" of input K, and "rows"
    and "offset" of a property of one block.
    """

    semantics: str
    digest: str
    text: bytes
    held: dict[str, Held]
    program: Program
    region: Region
    formula: Formula
    root: Any
    cases: list


@functools.lru_cache(maxsize=4)  # of a large tree, the check takes a minute
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
    graph = manifest["graph"]
    names = {f"constant {c['value']}": c["array"] for c in graph["constants"]}
    for k, entry in enumerate(manifest["input_set"]["inputs"]):
        if "lo" in entry:
            names |= {f"lower {k}": entry["lo"], f"upper {k}": entry["hi"]}
    if isinstance(root, range):
        names |= manifest["property"]
    held = {}
    for name, array in names.items():
        entry = arrays.entries[array]
        held[name] = Held(entry["dtype"], arrays.raw[array], entry["sha256"])
    return Reading(
        manifest["semantics"],
        digest,
        graph_text(graph, arrays),
        held,
        program,
        region,
        formula,
        root,
        cases,
    )
