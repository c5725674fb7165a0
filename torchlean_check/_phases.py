"""Splits as constraints: they bound linear forms through multipliers, as halfspaces do.

Where x is entry e of a value and a part has x <= at (or x >= at), at - x (or x - at) is
not negative on it. So for every b >= 0 a form is at least itself minus b times that:
another linear form, in values inside the graph, to be carried back to the inputs.

Source: beta-CROWN (Wang et al. 2021, arXiv:2103.06624, theorem 3.1).
"""

from torchlean_check._schema import dyadic, fail


def read_split_multipliers(
    given: list | None, where: str, rows: int, depth: int
) -> list[list[tuple[int, int]]]:
    """For each row of the property one dyadic number (m, e) for each split above."""
    if given is None:
        return []
    where = f"{where}.split_multipliers"
    if len(given) != rows or any(len(row) != depth for row in given):
        fail(where, f"must be {rows} lists of {depth}, one number for each split above")
    for row in given:
        for number in row:
            if dyadic(number, where)[0] < 0:
                fail(where, "must not be negative")
    return given


def subtract_splits(forms: dict, constant, splits, program, multipliers):
    """Take b (x - at) or b (at - x) from each form; the new constant.

    splits: of the part, (value, entry, is x <= at?, at), the outermost first.
    multipliers: one list for each form.
    """
    values, unit = constant
    for (k, entry, at_most, at), column in zip(
        splits, zip(*multipliers, strict=True), strict=True
    ):
        low = min(e for _, e in column)
        weights = [m << (e - low) for m, e in column]
        if not any(weights):
            continue
        if at_most:
            weights = [-b for b in weights]
        rows = [[0] * program.values[k].size for _ in weights]
        for row, b in zip(rows, weights, strict=True):
            row[entry] = -b
        forms.setdefault(k, []).append((rows, low))
        more = low + at.exp
        least = min(unit, more)
        values = [
            (a << (unit - least)) + (b * at.lo[0] << (more - least))
            for a, b in zip(values, weights, strict=True)
        ]
        unit = least
    return values, unit
