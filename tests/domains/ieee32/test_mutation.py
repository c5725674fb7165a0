"""The suites above notice arithmetic that is wrong on purpose.

Each fault replaces one function and must be seen by the check that exists for it. A
kernel is compiled once for each shape, so every fault is tried on a shape of its own.
"""

import itertools
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.ieee32 import exact, test_traps
from tests.domains.ieee32.patterns import adversarial, same_bits
from torchlean_jax.domains.ieee32 import _domain, _fold
from torchlean_jax.domains.ieee32._format import Rounding
from torchlean_jax.domains.ieee32._kernels import (
    _dispatch,
    _fused,
    _native,
    _order,
    _pieces,
    _product,
    _sum,
    _wide,
)

F = np.float32
SIZES = itertools.count(401, 2)


@contextmanager
def replaced(fault):
    """The function replaced wherever the modules of the kernels imported it."""
    module, name, mutant = fault
    original = getattr(module, name)
    homes = [_domain, _fold, _dispatch, _fused, _native, _order, _pieces, _product]
    homes = [m for m in (*homes, _sum, _wide) if getattr(m, name, None) is original]
    wide = {k: v for k, v in _dispatch._WIDE.items() if v is original}
    try:
        for home in homes:
            setattr(home, name, mutant)
        _dispatch._WIDE.update(dict.fromkeys(wide, mutant))
        yield
    finally:
        for home in homes:
            setattr(home, name, original)
        _dispatch._WIDE.update(wide)


def arithmetic(name, direction="nearest-even", x64=False, operands=2):
    """Wrong results beside rational numbers, in binary32."""

    def check(size):
        widths = exact.WIDTHS["float32"]
        words = adversarial(np.random.default_rng(size), size, operands)
        domain = tl.IEEE32(rounding=direction)
        with jax.enable_x64(x64):
            values = map(domain.from_bits, words)
            got = np.asarray(getattr(domain, name)(*values).bits)
        return sum(
            wrong(name, direction, row, int(word), widths)
            for row, word in zip(words.T.tolist(), got, strict=True)
        )

    return check


def wrong(name, direction, row, word, widths):
    numbers = [exact.value(w, widths) for w in row]
    if None in numbers or (name == "div" and numbers[1] == 0):
        return False
    a, b, *c = numbers
    result = {"add": a + b, "mul": a * b, "fma": a * b + sum(c)}.get(name)
    result = a / b if name == "div" else result
    return result != 0 and word != exact.rounded(result, direction, widths)


def zeros(size):
    """-0 + 0 to nearest and x - x downward, where one term is a constant."""
    words = np.full(size, 1 << 31, np.uint32)
    domain = tl.IEEE32(rounding="down")
    down = domain.add(*(domain.from_bits(w) for w in (words, words ^ (1 << 31))))
    run = jax.jit(tl.interpret(lambda x: x + 0.0, domain=tl.IEEE32))
    nearest = run(tl.IEEE32.from_bits(words))
    return int(np.sum(np.asarray(down.bits) != 1 << 31)) + int(np.any(nearest.bits))


def fused_zero(size):
    words = np.full(size, 1 << 31, np.uint32)
    one = np.full(size, 0x3F800000, np.uint32)
    with jax.enable_x64(True):
        run = jax.jit(lambda x, y: tl.IEEE32.fma(x, y, np.zeros((), np.float32)))
        return int(np.any(run(*map(tl.IEEE32.from_bits, (words, one))).bits))


def divisions_by_a_constant(size):
    """Exact quotients, in a direction in which the least error shows."""
    quotients = np.arange(1, size + 1, dtype=np.float32)
    domain = tl.IEEE32(rounding="toward-zero")
    with jax.enable_x64(True):
        run = jax.jit(tl.interpret(lambda x: x / 49.0, domain=domain))
        got = run(domain.lift(quotients * 49)).to_float()
    return int(np.sum(np.asarray(got) != quotients))


def moved_floats(size):
    x = np.resize(test_traps.SUBNORMAL, size)

    def run(x):
        one_for_zero = tl.interpret(
            lambda x: jnp.where(x == 0, 1.0, x), domain=tl.IEEE32
        )
        return one_for_zero(tl.IEEE32.lift(jnp.abs(x))).to_float()

    expected = np.where(x == 0, F(1), np.abs(x))
    return int(np.sum(~same_bits(jax.jit(run)(x), expected)))


def comparisons(size):
    zeros = tl.IEEE32.lift(np.zeros(size, np.float32))
    minus = tl.IEEE32.lift(np.full(size, -0.0, np.float32))
    return int(np.sum(~tl.interpret(jax.lax.eq, domain=tl.IEEE32)(zeros, minus)))


def pairwise_sums(size):
    x = np.random.default_rng(1).standard_normal((size, 5)).astype(np.float32)
    domain = tl.IEEE32(order="pairwise")
    got = tl.interpret(lambda x: jnp.sum(x, 0), domain=domain)(domain.lift(x))
    expected = exact.pairwise(list(x), np.add)
    return int(np.sum(~same_bits(got.to_float(), expected)))


def flushed(size):
    """Products just below the smallest normal number, beside XLA's."""
    x = (0.5 * (1 + np.float32(2.0**-13) + np.arange(size) % 9 * 2.0**-22)).astype(F)
    y = np.full(size, 2.0**-125 * (1 - 2.0**-13), F)
    domain = tl.IEEE32(flush=True)
    got = domain.mul(domain.lift(x), domain.lift(y)).to_float()
    return int(np.sum(~same_bits(got, jax.jit(jnp.multiply)(x, y))))


def with_ties(rounding, sign, quotient, rest, half):
    even = rounding is Rounding.NEAREST_EVEN
    rounding = Rounding.NEAREST_AWAY if even else rounding
    return INCREMENTS(rounding, sign, quotient, rest, half)


INCREMENTS = _pieces.increments


def without_sticky(x, by):
    return x >> jnp.minimum(by.astype(jnp.uint32), np.uint32(31))


def plain_quotient(fmt, rounding, flush, x, y):
    quotient = _wide.widen(fmt, x) / _wide.widen(fmt, y)
    return _wide.narrow(fmt, rounding, flush, quotient)


def plus_zero(fmt, rounding, sign, other_sign):
    return (sign & other_sign) << np.uint32(fmt.width - 1)


def neighbours_lose_the_last(combine, terms):
    whole = jax.tree.map(lambda a: a[: a.shape[0] // 2 * 2], terms)
    return PAIRWISE(combine, whole)


PAIRWISE = _fold.pairwise
MASK = np.uint32(0x7FFFFFFF)
ROUND_TRIP = _native._scaled

FAULTS = {
    "ties away": ((_pieces, "increments", with_ties), arithmetic("mul")),
    "no sticky bit": (
        (_pieces, "shift_right_jam", without_sticky),
        arithmetic("add", "up"),
    ),
    "no sticky bit in fma": (
        (_fused, "_shift_right_jam", lambda x, by: x),
        arithmetic("fma", "down", operands=3),
    ),
    "a lost carry": ((_pieces, "LEADING", np.uint32(0)), arithmetic("mul")),
    "zeros of a sum": ((_pieces, "zero_of_sum", plus_zero), zeros),
    "not rounded to odd": (
        (_wide, "_sum_to_odd", lambda x, y: x + y),
        arithmetic("fma", "up", True, 3),
    ),
    "a zero that the simplifier signs": (
        (_wide, "_signed_zero", lambda fmt, rounding, result, x, y: result),
        fused_zero,
    ),
    "a quotient by the reciprocal": (
        (_wide, "div", plain_quotient),
        divisions_by_a_constant,
    ),
    "subnormal terms flushed": (
        (
            _native,
            "_scaled",
            lambda x: ROUND_TRIP(jnp.where((x & MASK) < 1 << 23, x & ~MASK, x)),
        ),
        arithmetic("add"),
    ),
    "floats in sight": (
        (
            _domain,
            "_bits_of",
            lambda x, fmt: jax.lax.bitcast_convert_type(x, fmt.storage),
        ),
        moved_floats,
    ),
    "two zeros": ((_order, "numeric_key", _order.key), comparisons),
    "a lost term": ((_fold, "pairwise", neighbours_lose_the_last), pairwise_sums),
    "tininess before rounding": (
        (_pieces, "_reaches_normal", lambda fmt, rounding, sign, biased, e: biased > 9),
        flushed,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_noticed(name):
    fault, check = FAULTS[name]
    with replaced(fault):
        assert check(next(SIZES)) > 0


@pytest.mark.parametrize(
    "check", dict.fromkeys(c for _, c in FAULTS.values()), ids=lambda c: c.__name__
)
def test_without_a_fault_nothing_is_noticed(check):
    assert check(next(SIZES)) == 0
