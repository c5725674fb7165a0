"""Rational numbers as files write them: one spelling for each."""

import re
from fractions import Fraction

from torchlean_check._schema import fail

_RATIONAL = re.compile(r"(0|-?[1-9][0-9]{0,1199})(/[1-9][0-9]{0,1199})?")


def rational(text, where: str) -> Fraction:
    if type(text) is not str or not _RATIONAL.fullmatch(text):
        fail(where, 'must be a rational number as a string, such as "-3/4"')
    number = Fraction(text)
    if str(number) != text:
        fail(where, "must be in lowest terms")
    return number
