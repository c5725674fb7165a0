"""Operations beside rational arithmetic, in every format and direction."""

from fractions import Fraction

import jax
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.ieee32 import exact
from tests.domains.ieee32.patterns import adversarial

DIRECTIONS = ("nearest-even", "nearest-away", "toward-zero", "down", "up")
COUNT = 400
BINARY = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: Fraction(x) / y if y else None,
}


def draw(format_name, operands, seed):
    widths = exact.WIDTHS[format_name]
    words = adversarial(np.random.default_rng(seed), COUNT, operands, *widths)
    return words.astype(np.uint32 if format_name == "float32" else np.uint16)


def bits(domain, name, format_name, words):
    """The results with x64 off and on, which are two ways to compute."""
    for x64 in (False, True):
        with jax.enable_x64(x64):
            values = [domain.from_bits(w, format_name) for w in words]
            yield np.asarray(getattr(domain, name)(*values).bits)


@pytest.mark.parametrize("format_name", exact.WIDTHS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", BINARY)
def test_two_operands(name, direction, format_name):
    widths = exact.WIDTHS[format_name]
    words = draw(format_name, 2, 21)
    domain = tl.IEEE32(rounding=direction)
    for got in bits(domain, name, format_name, words):
        checked = 0
        for x, y, word in zip(*words.tolist(), got.tolist(), strict=True):
            a, b = exact.value(x, widths), exact.value(y, widths)
            result = None if a is None or b is None else BINARY[name](a, b)
            if result:
                assert word == exact.rounded(result, direction, widths), (x, y)
                checked += 1
        assert checked > COUNT / 2


@pytest.mark.parametrize("format_name", exact.WIDTHS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_fma(direction, format_name):
    widths = exact.WIDTHS[format_name]
    words = draw(format_name, 3, 22)
    domain = tl.IEEE32(rounding=direction)
    for got in bits(domain, "fma", format_name, words):
        checked = 0
        for x, y, z, word in zip(*words.tolist(), got.tolist(), strict=True):
            expected = exact.fma(x, y, z, direction, widths)
            if expected is not None:
                assert word == expected, (x, y, z)
                checked += 1
        assert checked > COUNT / 2


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_square_roots_bracket_the_exact_one(direction):
    """The result r is the right one if the exact root lies between the midpoints (or
    the neighbours) around it, which squares decide."""
    domain = tl.IEEE32(rounding=direction)
    for format_name, widths in exact.WIDTHS.items():
        words = draw(format_name, 1, 23)
        words = words & words.dtype.type(2 ** sum(widths) - 1)
        for got in bits(domain, "sqrt", format_name, words):
            for x, word in zip(words[0].tolist(), got.tolist(), strict=True):
                number = exact.value(x, widths)
                if not number:
                    continue
                root, below, above = (
                    exact.value(word + step, widths) for step in (0, -1, 1)
                )
                if direction.startswith("nearest"):
                    assert (
                        ((root + below) / 2) ** 2 < number < ((root + above) / 2) ** 2
                    )
                elif direction == "up":
                    assert below**2 < number <= root**2
                else:
                    assert root**2 <= number < above**2


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_conversions_between_formats(direction):
    words = draw("float32", 1, 24)[0]
    domain = tl.IEEE32(rounding=direction)
    for target in ("float16", "bfloat16"):
        convert = lambda x, target=target: jax.lax.convert_element_type(x, target)
        value = domain.from_bits(words)
        got = np.asarray(tl.interpret(convert, domain=domain)(value).bits)
        for x, word in zip(words.tolist(), got.tolist(), strict=True):
            number = exact.value(x, exact.WIDTHS["float32"])
            if number:
                assert word == exact.rounded(number, direction, exact.WIDTHS[target])
