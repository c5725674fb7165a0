"""The faults that tests plant in kernels: one register, read by a test and by the docs.

A fault is stated where it is planted and nowhere else: `plants` stands above a test and
reads what its rows say. A row is a fault, and its `clause` is the one that the test
wants to see in the report.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`says`: what is wrong; `clause`: the one that catches it, in `test`."""

    kernel: str
    says: str
    clause: str
    test: str


_PLANTED: list[Fault] = []


def plants(kernel: str, *, clause: str | None = None, says=()):
    """Above a test of which every row is a fault. clause: of all rows, where they have
    none of their own; says: what each row does, where its code does not tell."""

    def decorated(test: Callable):
        rows = list(_rows(test))
        names = list(says) or [_said(test, row) for row in rows]
        for name, row in zip(names, rows, strict=True):
            caught = clause or row["clause"]
            _PLANTED.append(Fault(kernel, name, caught, test.__name__))
        return test

    return decorated


def planted() -> list[Fault]:
    """All of them, by kernel, in the order of the tests."""
    package = importlib.import_module(__package__ or "tests.pallas_kernels")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("test_"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    return sorted(dict.fromkeys(_PLANTED), key=lambda fault: fault.kernel)


def _rows(test) -> Iterator[dict]:
    """The values of each row of a parametrised test, by name; one row without any."""
    marks = [m for m in getattr(test, "pytestmark", ()) if m.name == "parametrize"]
    if not marks:
        yield {}
        return
    (mark,) = marks
    names, rows = mark.args
    names = names.split(",") if isinstance(names, str) else names
    for row in rows:
        values = getattr(row, "values", None)
        values = row if values is None or callable(values) else values
        values = values if len(names) > 1 else (values,)
        yield dict(zip(names, values, strict=True))


def _said(test, row: dict) -> str:
    """What the fault is: a change of the source, or what its code says of itself."""
    if "old" in row:
        return f"`{_short(row['old'])}` is `{_short(row['new'])}`"
    code = [c for value in row.values() for c in _code(value)]
    return _described((code or [test])[0])


def _code(value) -> Iterator:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _code(inner)
    elif isinstance(value, property):
        yield value.fget
    elif _is_planted(value):
        yield value


def _is_planted(value) -> bool:
    """Whether it is a function or class of a test's own."""
    code = inspect.isroutine(value) or inspect.isclass(value)
    return code and getattr(value, "__module__", "").startswith("tests.")


def _described(code) -> str:
    """The first sentence of its own docstring, or its name."""
    text = code.__dict__.get("__doc__") if inspect.isclass(code) else code.__doc__
    if text and not text.startswith(f"{code.__name__}("):
        sentence = " ".join(text.split("\n\n")[0].split()).rstrip(".")
        return sentence.replace("*", "\\*")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", code.__name__).replace("_", " ")
    return words.strip().removeprefix("test ").lower()


def _short(source: str) -> str:
    """On one line, without what a table cannot hold."""
    return " ".join(source.split()).replace("|", "\\|")


def table() -> str:
    """As Markdown: the kernel, the fault, the clause that caught it."""
    rows = ["| kernel | planted fault | caught by |", "|---|---|---|"]
    for fault in planted():
        rows.append(f"| {fault.kernel} | {fault.says} | {fault.clause} |")
    return "\n".join(rows)
