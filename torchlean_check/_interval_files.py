"""Output boxes of a small ReLU network over an input box (`mlp_graph_workflow_v1`).

The file names its network, and this is the one of the five such names whose parameters
are published beside the format: 3 inputs, 4 units, 2 outputs, integer weights. Its
output box has to contain what interval arithmetic derives.
"""

from fractions import Fraction

from torchlean_check._errors import NotProved, UnsupportedCertificate
from torchlean_check._fixed import exact, fixed
from torchlean_check._networks import Layer, network, values
from torchlean_check._plain_json import box, take
from torchlean_check._schema import fail

GRAPH, OUTPUT = "mlp_graph_workflow_v1", 3


def _published():
    def whole(rows, columns, first):
        return [[Fraction(first + i + j) for j in range(columns)] for i in range(rows)]

    first = Layer(whole(4, 3, 1), [Fraction(i + 1) for i in range(4)])
    return network([first, Layer(whole(2, 4, 2), [Fraction(0), Fraction(1)])], "relu",
                   "graph")  # fmt: skip


def check_interval_file(document: dict) -> str:
    document = take(document, "intervals", graph=str, input_box=None, result=None)
    if document["graph"] != GRAPH:
        raise UnsupportedCertificate(
            f"{document['graph'][:40]!r} is a network whose parameters are not in the "
            f"file, so that nothing can be derived; only {GRAPH} is known",
            "graph",
        )
    inputs = _box(document["input_box"], "input_box", "id", 0, 3)
    claimed = _box(document["result"], "result", "node_id", OUTPUT, 2)
    derived = values(_published(), [fixed(lo, hi) for lo, hi in inputs])
    for k, ((low, high), (lo, hi)) in enumerate(zip(derived, claimed, strict=True)):
        if exact(low) < lo:
            raise NotProved(f"lo[{k}] = {float(lo)!r} > {float(exact(low))!r}, which "
                            "interval arithmetic derives", "result")  # fmt: skip
        if exact(high) > hi:
            raise NotProved(f"hi[{k}] = {float(hi)!r} < {float(exact(high))!r}, which "
                            "interval arithmetic derives", "result")  # fmt: skip
    spans = " x ".join(f"[{float(a)!r}, {float(b)!r}]" for a, b in claimed)
    return (
        f"For every real input in the box of the file, the outputs of {GRAPH} (3 "
        f"inputs, 4 ReLU units, 2 outputs, the published weights) are in {spans}. "
        "Assumed: that these are the weights meant."
    )


def _box(entry, where: str, name: str, node: int, size: int):
    head = take(entry, where, dim=int, **{name: int})
    if head["dim"] != size or head[name] != node:
        fail(where, f"must have dim {size} and {name} {node}")
    return box(entry, where, size)
