"""Derive the numbers behind the enclosures of elementary functions, and prove their
error bounds.

    python scripts/derive_coefficients.py           writes _coefficients.py
    python scripts/derive_coefficients.py --check   exit code 1 if that would change it

Three steps, each deterministic: fit polynomials (mpmath); bound their distance from the
function on the whole domain (Arb, `_approximation.py`); run the very kernels of
`_functions/` on numbers that carry bounds of their rounding errors (`_tracked.py`,
`_proofs.py`).
"""

import argparse
import sys
from pathlib import Path

from _approximation import derive
from _proofs import prove_all
from _specifications import UNIT, approximations, constants, stirling

TARGET = Path(__file__).parents[1] / "domains/interval/_coefficients.py"

HEADER = '''"""Numbers behind the enclosures of functions. Generated: do not edit.

Made by `python scripts/derive_coefficients.py`, which also proves `errors`: bounds of
|computed - exact| / |exact| in units of 2**-24 (float32) or 2**-53 (float64).
"""

# ruff: noqa: E501
# fmt: off


def _hex(text):
    return tuple(float.fromhex(number) for number in text.split())


'''


def derive_table(dtype):
    """All numbers for one format."""
    polynomials, bounds = {}, {}
    for name, approximation in approximations(dtype).items():
        polynomials[name], bounds[name] = derive(approximation, dtype, UNIT[dtype])
    for name, (coefficients, bound) in stirling(dtype).items():
        polynomials[name], bounds[name] = coefficients, bound
    pairs, floats = constants(dtype)
    table = {"polynomials": polynomials, "pairs": pairs, "floats": floats}
    return table | {"errors": prove_all(dtype, table, bounds)}


def _words(numbers):
    return f'_hex("{" ".join(x.hex() for x in numbers)}")'


def render(tables):
    """The text of `_coefficients.py`."""
    lines = [HEADER + "TABLES = {"]
    for dtype, table in tables.items():
        lines.append(f'    "{dtype}": {{')
        for kind in ("polynomials", "pairs", "floats", "errors"):
            lines.append(f'        "{kind}": {{')
            for name, value in table[kind].items():
                if kind == "errors":
                    text = repr(value)
                elif isinstance(value, tuple):
                    text = _words(value)
                else:
                    text = f'float.fromhex("{value.hex()}")'
                lines.append(f'            "{name}": {text},')
            lines.append("        },")
        lines.append("    },")
    return "\n".join([*lines, "}", ""])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args(arguments).check
    tables = {dtype: derive_table(dtype) for dtype in UNIT}
    text = render(tables)
    if not check:
        TARGET.write_text(text)
        return 0
    if TARGET.read_text() == text:
        print(f"{TARGET.name} is what the script derives; every bound is proved")
        return 0
    print(f"{TARGET.name} differs from what the script derives", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
