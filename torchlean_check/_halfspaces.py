"""Linear constraints A x >= b among the inputs, used through their multipliers.

For every l >= 0 and every x with A x >= b, l (A x - b) is not negative, so a form is at
least itself minus l (A x - b). What is subtracted is a linear form in the inputs: a
lower bound of the difference over the whole box or ball is a lower bound of the form on
the part of it where the constraints hold. If no x satisfies them, some multipliers make
every form positive, and the claim holds vacuously.
"""

from typing import NamedTuple

from torchlean_check._errors import UnsupportedCertificate
from torchlean_check._graph import MAX_TERMS, Program
from torchlean_check._matrices import dot
from torchlean_check._schema import Arrays, fail, fields
from torchlean_check._tensor import aligned


class Halfspaces(NamedTuple):
    """rows * 2**exp @ x >= bounds * 2**unit, x being all inputs laid end to end."""

    rows: list[list[int]]
    exp: int
    bounds: list[int]
    unit: int

    def subtract(self, forms: dict, constant, inputs, multipliers):
        """Take l (A x - b) from each form, one (l, exp) for each; the new constant."""
        many = len(multipliers) * len(self.rows) * len(self.rows[0])
        if many > MAX_TERMS:
            raise UnsupportedCertificate(f"more than {MAX_TERMS} terms", "multipliers")
        low = min(exp for _, exp in multipliers)
        scaled = [[v << (exp - low) for v in row] for row, exp in multipliers]
        columns = list(zip(*self.rows, strict=True))
        taken = [[-dot(row, column) for column in columns] for row in scaled]
        start = 0
        for x in inputs:
            part = [row[start : start + x.size] for row in taken]
            forms.setdefault(x.id, []).append((part, low + self.exp))
            start += x.size
        values, unit = constant
        more = low + self.unit
        least = min(unit, more)
        sums = [
            (a << (unit - least)) + (dot(row, self.bounds) << (more - least))
            for a, row in zip(values, scaled, strict=True)
        ]
        return sums, least


def read_halfspaces(
    entries: list, where: str, arrays: Arrays, program: Program
) -> Halfspaces | None:
    """The constraints of an input set: blocks of rows, one below the other."""
    blocks = []
    size = sum(x.size for x in program.inputs)
    for k, entry in enumerate(entries):
        here = f"{where}[{k}]"
        entry = fields(entry, here, rows=str, offset=str)
        shape = arrays.entry(entry["rows"], here)["shape"]
        if len(shape) != 2 or shape[1] != size:
            fail(here, f"rows of shape {shape} for {size} numbers in the inputs")
        a = arrays.load(entry["rows"], f"{here}.rows")
        blocks.append((a, arrays.load(entry["offset"], f"{here}.offset", shape[:1])))
    if not blocks:
        return None
    all_rows, all_bounds = (aligned(list(part)) for part in zip(*blocks, strict=True))
    flat = [v for a in all_rows for v in a.lo]
    rows = [flat[i : i + size] for i in range(0, len(flat), size)]
    bounds = [v for b in all_bounds for v in b.lo]
    return Halfspaces(rows, all_rows[0].exp, bounds, all_bounds[0].exp)


def read_multipliers(
    name: str | None, where: str, arrays: Arrays, count: int, halfspaces
) -> list[tuple[list[int], int]]:
    """One (multipliers of all constraints, exp) for each of `count` property rows."""
    if name is None:
        return []
    where = f"{where}.multipliers"
    if halfspaces is None:
        fail(where, "there are no constraints to multiply")
    many = len(halfspaces.rows)
    t = arrays.load(name, where, (count, many))
    if min(t.lo) < 0:
        fail(where, "must not be negative")
    return [(t.lo[i : i + many], t.exp) for i in range(0, len(t.lo), many)]


def constraint_text(entries: list, table: dict) -> str:
    """What the claim says of the constraints, arrays by their SHA-256."""
    return "".join(
        f"; A @ x >= b for arrays A {table[entry['rows']]['sha256']} and b "
        f"{table[entry['offset']]['sha256']}"
        for entry in entries
    )
