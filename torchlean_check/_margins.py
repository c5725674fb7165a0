"""Margins of labels from bounds of logits (`robust_margin_cert_v0_1`).

The file holds bounds and no network, so by itself it shows no more than this: if the
bounds hold, so do the margins. `torchlean verify margin-cert` derives the margins from
the network and its images instead.
"""

from fractions import Fraction
from typing import NamedTuple

from torchlean_check._errors import NotProved
from torchlean_check._plain_json import numbers, take
from torchlean_check._schema import fail

MAX_EXAMPLES = 100_000


class Example(NamedTuple):
    label: int
    prediction: int | None
    lo: list[Fraction]
    hi: list[Fraction]
    certified: bool

    def rival(self) -> int:
        """The other label with the largest upper bound."""
        others = (k for k in range(len(self.hi)) if k != self.label)
        return max(others, key=self.hi.__getitem__)


def read_margins(document: dict) -> list[Example]:
    """The examples, each with its margin decided; `certified` as the file says it."""
    document = take(document, "margins", ("summary",), num_classes=int, examples=list,
                    summary=dict)  # fmt: skip
    classes, entries = document["num_classes"], document["examples"]
    if classes < 2 or not 1 <= len(entries) <= MAX_EXAMPLES:
        fail("examples", f"1 to {MAX_EXAMPLES}, of 2 or more classes")
    examples = [
        _example(entry, classes, f"examples[{k}]") for k, entry in enumerate(entries)
    ]
    summary = take(document["summary"] or {}, "summary",
                   ("examples", "nominal_ok", "certified_ok"),
                   examples=int, nominal_ok=int, certified_ok=int)  # fmt: skip
    counted = {
        "examples": len(examples),
        "nominal_ok": sum(e.prediction == e.label for e in examples),
        "certified_ok": sum(e.certified for e in examples),
    }
    for name, count in counted.items():
        if summary[name] is not None and summary[name] != count:
            raise NotProved(f"says {summary[name]}, but there are {count}",
                            f"summary.{name}")  # fmt: skip
    return examples


def _example(entry, classes: int, where: str) -> Example:
    entry = take(entry, where, ("pred", "certified"), label=int, pred=int,
                 certified=bool, logits_lo=None, logits_hi=None)  # fmt: skip
    lo, hi = (numbers(entry[k], f"{where}.{k}", classes)
              for k in ("logits_lo", "logits_hi"))  # fmt: skip
    if not 0 <= entry["label"] < classes:
        fail(f"{where}.label", f"must be in 0 .. {classes - 1}")
    for k, (a, b) in enumerate(zip(lo, hi, strict=True)):
        if a > b:
            raise NotProved(f"logits_lo[{k}] > logits_hi[{k}]: {a} > {b}", where)
    example = Example(entry["label"], entry["pred"], lo, hi, True)
    rival = example.rival()
    holds = lo[example.label] > hi[rival]
    if entry["certified"] is not None and entry["certified"] != holds:
        sign = ">" if holds else "<="
        raise NotProved(
            f"'certified' is {entry['certified']}, but logits_lo[{example.label}] "
            f"{sign} logits_hi[{rival}]: {float(lo[example.label])!r} and "
            f"{float(hi[rival])!r}",
            where,
        )
    return example._replace(certified=holds)


def check_margins(document: dict) -> str:
    examples = read_margins(document)
    certified = sum(e.certified for e in examples)
    return (
        f"If the logits of each example lie within the bounds of the file, {certified} "
        f"of {len(examples)} examples have their label on top, strictly, for every "
        "input that the bounds speak of. Assumed: those bounds, for the file holds no "
        "network (torchlean verify margin-cert derives them from one)."
    )
