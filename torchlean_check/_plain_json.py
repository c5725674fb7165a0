"""JSON as other programs write it: any layout, and decimal numbers.

A number with a point or an exponent stands for the binary64 number nearest to it, which
is what those who wrote the file computed with; it is exact thereafter. Fields that are
not asked for are passed over: whatever is claimed is derived from those that are.
"""

import json
import math
import re
from fractions import Fraction

from torchlean_check._container import MAX_MANIFEST, without_repeats
from torchlean_check._errors import MalformedCertificate
from torchlean_check._schema import checked, fail

Range = tuple[Fraction, Fraction]
MAX_NUMBERS = 1 << 22
_RATIONAL = re.compile(r"-?[0-9]{1,1200}(/[0-9]{1,1200})?")


def read_plain(blob: bytes) -> dict:
    """The object that a file holds; MalformedCertificate if it holds none."""
    if len(blob) > MAX_MANIFEST:
        raise MalformedCertificate(f"{len(blob)} bytes; at most {MAX_MANIFEST}")
    try:
        value = json.loads(
            blob.decode("utf-8"),
            object_pairs_hook=without_repeats,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_refused,
        )
    except RecursionError:
        raise MalformedCertificate("nested too deeply") from None
    except ValueError as error:  # covers UnicodeDecodeError and JSONDecodeError
        raise MalformedCertificate(f"not JSON: {error}") from None
    if type(value) is not dict:
        raise MalformedCertificate("must be an object")
    return value


def _integer(text: str) -> int:
    if len(text) > 16 or abs(int(text)) > 1 << 53:
        raise ValueError(f"integer {text[:20]} is beyond 2**53")
    return int(text)


def _decimal(text: str) -> Fraction:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"number {text[:30]} overflows")
    return Fraction(number)


def _refused(text: str):
    raise ValueError(f"{text} is no number")


def take(value, where: str, optional: tuple[str, ...] = (), /, **kinds) -> dict:
    """The fields of an object that are named, each checked by its kind; others pass."""
    if type(value) is not dict:
        fail(where, "must be an object")
    for name in kinds.keys() - value.keys() - set(optional):
        fail(where, f"field {name!r} is missing")
    return {
        name: checked(value[name], kind, f"{where}.{name}") if name in value else None
        for name, kind in kinds.items()
    }


def number(value, where: str) -> Fraction:
    if type(value) not in (int, Fraction):
        fail(where, "must be a finite number")
    return Fraction(value)


def numbers(value, where: str, count: int | None = None) -> list[Fraction]:
    value = checked(value, list, where)
    if len(value) > MAX_NUMBERS or (count is not None and len(value) != count):
        fail(where, f"has {len(value)} numbers, not {count}")
    return [number(v, f"{where}[{k}]") for k, v in enumerate(value)]


def rational_text(value, where: str) -> Fraction:
    """An exact number as a string, in lowest terms or not: "-3", "5/2"."""
    if type(value) is not str or not _RATIONAL.fullmatch(value.strip()):
        fail(where, 'must be a rational number as a string, such as "-3/4"')
    top, _, bottom = value.strip().partition("/")
    if bottom and not int(bottom):
        fail(where, "the denominator is 0")
    return Fraction(int(top), int(bottom or 1))


def box(value, where: str, size: int | None = None) -> list[Range]:
    """{"lo": [...], "hi": [...]} as pairs."""
    value = take(value, where, lo=list, hi=list)
    size = len(value["lo"]) if size is None else size
    lo, hi = (numbers(value[k], f"{where}.{k}", size) for k in ("lo", "hi"))
    for k, (a, b) in enumerate(zip(lo, hi, strict=True)):
        if a > b:
            fail(f"{where}[{k}]", f"lo > hi: {a} > {b}")
    return list(zip(lo, hi, strict=True))
