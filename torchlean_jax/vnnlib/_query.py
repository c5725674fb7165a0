"""`read_vnnlib`: a property of a network from a VNN-LIB file."""

import gzip
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.vnnlib import _first, _formula, _second
from torchlean_jax.vnnlib._case import Case
from torchlean_jax.vnnlib._cases import cases_of
from torchlean_jax.vnnlib._formula import Formula

MOST_BYTES = 2**30
_SECOND = re.compile(r"\s*(?:;[^\n]*\n\s*)*\(\s*vnnlib-version\s*<?\s*2")


@dataclass(frozen=True, eq=False)
class Query:
    """What a VNN-LIB file asks: is there an input whose output is unsafe?

    It describes the unsafe set, as the union of `cases`. If the spec of each case is
    proved on its box, there is none ("unsat").

    source: name of the file.
    inputs, outputs: how many numbers the network takes and returns, all flattened.
    empty: parts of the file that describe no input or no output, in words. If there are
        no cases at all, the property holds for want of inputs.
    formula: the whole of the file, exactly.
    """

    source: str
    inputs: int
    outputs: int
    cases: tuple[Case, ...]
    empty: tuple[str, ...]
    formula: Formula

    @property
    def is_vacuous(self) -> bool:
        """Whether no input and output satisfy the file, whatever the network is."""
        return not self.cases

    def holds(self, inputs: Sequence[Fraction], outputs: Sequence[Fraction]) -> bool:
        """Whether these exact numbers satisfy the file: such an input is unsafe."""
        return _formula.holds(self.formula, inputs, outputs)

    def __repr__(self):
        return (
            f"Query({self.source}: {self.inputs} inputs, {self.outputs} outputs, "
            f"{len(self.cases)} cases)"
        )


def read_vnnlib(path: os.PathLike | str) -> Query:
    """The property in a VNN-LIB file.

    Version 1.0: variables X_i and Y_j, assertions that combine linear inequalities by
    and, or, not and =>. Decimals are taken as the exact numbers they are. Version 2.0
    is parsed by the package `vnnlib` (`pip install 'torchlean-jax[vnnlib]'`), for one
    network without hidden nodes. A name that ends in .gz is unpacked.

    Raises FileFormatError, with the line where there is one, for what is not
    understood: undeclared variables, products of variables, brackets that do not match,
    inputs without bounds.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "score.vnnlib")
    >>> _ = path.write_text('''
    ... (declare-const X_0 Real) (declare-const Y_0 Real) (declare-const Y_1 Real)
    ... (assert (and (<= -0.1 X_0) (<= X_0 0.1)))
    ... (assert (or (<= Y_0 Y_1) (>= Y_0 3.5)))''')
    >>> query = read_vnnlib(path)
    >>> case = query.cases[0]
    >>> case.lo, case.spec()
    ((Fraction(-1, 10),), linear(C=[[1.0, -1.0], [-1.0, 0.0]], d=[0.0, -3.5]))
    """
    name = os.fspath(path)
    try:
        text = _text(Path(path))
        parse = _second.parse if _SECOND.match(text) else _first.parse
        inputs, outputs, formula = parse(text)
        cases, empty = cases_of(formula, inputs, outputs)
    except FileFormatError as error:
        raise FileFormatError(f"{name}: {error}") from error
    return Query(Path(name).name, inputs, outputs, cases, empty, formula)


def _text(path: Path) -> str:
    unpacked = gzip.open if path.suffix == ".gz" else open
    try:
        with unpacked(path, "rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileFormatError(f"not a complete gzip file: {error}") from error
    if len(content) > MOST_BYTES:
        raise FileFormatError(f"more than {MOST_BYTES} bytes")
    try:
        return content.decode("ascii" if content.isascii() else "utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"not a text file: {error}") from error
