"""Derive the numbers behind the binary32 functions, and prove their error bounds.

    python scripts/derive_elementary.py           writes _coefficients.py
    python scripts/derive_elementary.py --check   exit code 1 if that would change it

Polynomials are fitted and proved as for the float64 enclosures (`_approximation.py`);
then the kernels of `domains/ieee32/_functions` are run on numbers that carry bounds of
their rounding errors (`_elementary_proofs.py`).
"""

import argparse
import sys
import types
from pathlib import Path

from _approximation import derive
from _elementary_specifications import constants, specifications

ROOM = Path(__file__).parents[1] / "domains/ieee32/_functions"
TARGET = ROOM / "_coefficients.py"

HEADER = '''"""Numbers behind the binary32 functions. Generated: do not edit.

Made by `python scripts/derive_elementary.py`, which also proves `ERRORS`: bounds of
|computed - exact| / |exact| in units of 2**-53, before the rounding to binary32, and
`FAR_ERRORS`, which hold where |exact| >= 3.
CLOSEST: no binary32 number times 2/pi is closer to an integer (but 0).
"""

# ruff: noqa: E501
# fmt: off


def _hex(text):
    return tuple(float.fromhex(number) for number in text.split())


'''


def fitted():
    """`(polynomials, bounds)` by name."""
    polynomials, bounds = {}, {}
    for name, approximation in specifications().items():
        polynomials[name], bounds[name] = derive(approximation, "float64", 2.0**-53)
    return polynomials, bounds


def _text(value):
    if isinstance(value, float):
        return f'float.fromhex("{value.hex()}")'
    if isinstance(value[-1], int):
        return "(" + ", ".join(hex(word) for word in value) + ")"
    return f'_hex("{" ".join(x.hex() for x in value)}")'


def render(polynomials, errors, far, nearest):
    """The text of `_coefficients.py`."""
    lines = [HEADER + "POLYNOMIALS = {"]
    lines += [f'    "{name}": {_text(value)},' for name, value in polynomials.items()]
    lines += ["}", "", "CONSTANTS = {"]
    lines += [f'    "{name}": {_text(value)},' for name, value in constants().items()]
    lines += ["}", "", "ERRORS = {"]
    lines += [f'    "{name}": {value!r},' for name, value in sorted(errors.items())]
    lines += ["}", "", "FAR_ERRORS = {"]
    lines += [f'    "{name}": {value!r},' for name, value in sorted(far.items())]
    lines += ["}", "", f'CLOSEST = float.fromhex("{nearest.hex()}")', ""]
    return "\n".join(lines)


def kernels_without_numbers():
    """Let the kernels be imported although their table is what is being made."""
    name = "torchlean_jax.domains.ieee32._functions._coefficients"
    empty = types.ModuleType(name)
    vars(empty).update(POLYNOMIALS={}, CONSTANTS={}, ERRORS={})
    sys.modules.setdefault(name, empty)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args(arguments).check
    kernels_without_numbers()
    from _elementary_proofs import prove_all

    polynomials, bounds = fitted()
    proved = prove_all(polynomials, bounds, specifications(), constants())
    text = render(polynomials, *proved)
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
