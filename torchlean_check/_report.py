"""What a verdict says: the claim in words, and numbers as decimals.

Nothing here decides anything; `_verdict` does.
"""

import decimal
from typing import NamedTuple

from torchlean_check._claim import Formula
from torchlean_check._halfspaces import constraint_text


class Report(NamedTuple):
    """The checker's verdict on one certificate, and what it means."""

    accepted: bool
    reason: str
    claim: str = ""
    margin: tuple[int, int] | None = (
        None  # (m, e): the claim holds by at least m * 2**e
    )
    margin_decimal: str = ""  # the same, rounded down
    graph_digest: str = ""
    leaves: int = 0
    seconds: float = 0.0
    file: str = ""
    arithmetic: str = ""  # what multiplied the integers, with its version


def claim_text(manifest: dict, digest: str, formula: Formula, root, model) -> str:
    graph, table, sets = manifest["graph"], manifest["arrays"], []
    for entry in manifest["input_set"]["inputs"]:
        if "lo" in entry:
            lo, hi = (table[entry[k]]["sha256"] for k in ("lo", "hi"))
            sets.append(f"v{entry['value']} between arrays {lo} and {hi}")
        else:
            center, (m, e) = table[entry["center"]]["sha256"], entry["radius"]
            sets.append(
                f"v{entry['value']} within {m} * 2**{e} of array {center}"
                f" in the L{entry['norm']} norm"
            )
    within = "; ".join(sets)
    within += constraint_text(manifest["input_set"]["constraints"], table)
    inputs, numbers, assumed = "real inputs", "over the real numbers", []
    if model is not None:
        held = ", ".join(f"v{x['value']} {x['dtype']}" for x in graph["inputs"])
        inputs = f"inputs that are numbers of their dtype ({held})"
        numbers, assumed = "in every floating-point execution", [model.text()]
    return (
        f"For all {inputs} with {within}: the outputs y of graph {digest}, "
        f"{numbers}, satisfy C @ y - d > 0 in {formula.text(root)}, where "
        f"{'; '.join(formula.sources)}. Assumed: "
        + ("; ".join([*assumed, *manifest["assumptions"]]) or "nothing further")
        + "."
    )


def to_decimal(number: tuple[int, int] | None) -> str:
    """m * 2**e in 17 significant digits, rounded down."""
    if number is None:
        return ""
    m, e = number
    context = decimal.Context(prec=17, rounding=decimal.ROUND_FLOOR)
    top, bottom = (m << e, 1) if e >= 0 else (m, 1 << -e)
    return str(context.divide(decimal.Decimal(top), decimal.Decimal(bottom)))
