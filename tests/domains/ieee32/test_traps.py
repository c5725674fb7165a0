"""What XLA does to floats must not reach the bits: each trap under a plain `jit`.

XLA on a CPU flushes subnormal numbers, rewrites float algebra, fuses products into
sums, and may compile a comparison of bits with 0 to one of floats, which flushes again.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.ieee32.patterns import adversarial, floats, same_bits

F = np.float32
SUBNORMAL = floats([1, 5, 0x7FFFFF, 0x80000001, 0x807FFFFF, 0, 0x80000000, 0x800000])
TRAPS = {
    "cancelled constants": (lambda x: (x + 1e8) - 1e8, lambda x: (x + F(1e8)) - F(1e8)),
    "division by a constant": (lambda x: x / 3, lambda x: x / F(3)),
    "division by a tiny constant": (lambda x: x / 6e-45, lambda x: x / F(6e-45)),
    "reciprocal twice": (lambda x: 1 / (1 / x), lambda x: F(1) / (F(1) / x)),
    "root of a square": (lambda x: jnp.sqrt(x * x), lambda x: np.sqrt(x * x)),
    "quotient by a root": (lambda x: x / jnp.sqrt(x), lambda x: x / np.sqrt(x)),
    "fused product": (lambda x: x * x - x, lambda x: x * x - x),
    "factored sum": (lambda x: x * 3.7 + x * 1.3, lambda x: x * F(3.7) + x * F(1.3)),
    "regrouped product": (lambda x: x * 3e30 * 3e-30, lambda x: x * F(3e30) * F(3e-30)),
    "regrouped sum": (lambda x: x + 1.0 + 1e-9, lambda x: x + F(1) + F(1e-9)),
    "minus itself": (lambda x: x - x, lambda x: x - x),
    "twice": (lambda x: x + x, lambda x: x + x),
    "times one": (lambda x: x * 1.0, lambda x: x * F(1)),
    "plus zero": (lambda x: x + 0.0, lambda x: x + F(0)),
    "times zero": (lambda x: x * 0.0, lambda x: x * F(0)),
    "minus from zero": (lambda x: 0.0 - x, lambda x: F(0) - x),
    "compared with zero": (
        lambda x: jnp.where(x == 0, 1.0, x),
        lambda x: np.where(x == 0, F(1), x),
    ),
    "product compared with zero": (
        lambda x: jnp.where(x * 1e-8 == 0, 1.0, x),
        lambda x: np.where(x * F(1e-8) == 0, F(1), x),
    ),
    "sum compared with zero": (
        lambda x: jnp.where(x + 1e-44 == 0, 1.0, x),
        lambda x: np.where(x + F(1e-44) == 0, F(1), x),
    ),
    "fused moves": (
        lambda x: jnp.where(jnp.abs(jnp.where(x > 2, x, -x)) == 0, 1.0, x),
        lambda x: np.where(x == 0, F(1), x),
    ),
    "above zero": (
        lambda x: jnp.where(x > 0, 1.0, x),
        lambda x: np.where(x > 0, F(1), x),
    ),
    "cast to bool": (lambda x: x.astype(bool), lambda x: x != 0),
    "sign": (
        jnp.sign,
        lambda x: np.where((x == 0) | np.isnan(x), x, np.copysign(F(1), x)),
    ),
    "largest": (lambda x: jnp.maximum(x, 1e-45), lambda x: np.maximum(x, F(1e-45))),
    "subnormal product": (lambda x: x * 1e-30, lambda x: x * F(1e-30)),
    "a constant that is subnormal": (lambda x: x * 1e-40, lambda x: x * F(1e-40)),
}


@pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"])
def test_a_plain_jit_changes_nothing(x64):
    """All traps in one program, so that it is compiled as one."""
    words = adversarial(np.random.default_rng(9), 3000, 1)[0]
    numbers = np.concatenate([SUBNORMAL, floats(words)])
    with jax.enable_x64(x64):
        for name, got, expected in outcomes(numbers, tl.IEEE32()):
            assert same_bits(got, expected).all(), name


def outcomes(numbers, domain):
    """(trap, the numbers of the domain, those of NumPy)."""

    def program(x):
        return {name: f(x) for name, (f, _) in TRAPS.items()}

    results = jax.jit(tl.interpret(program, domain=domain))(domain.lift(numbers))
    with np.errstate(all="ignore"):
        for name, (_, oracle) in TRAPS.items():
            got = results[name]
            if domain.is_value(got):
                got = got.to_float()
            yield name, got, oracle(numbers)


MOVES = {
    "select": lambda x: jnp.where(x > 2, x, -x),
    "abs": jnp.abs,
    "read": lambda x: x[::-1],
}


@pytest.mark.parametrize("move", MOVES)
def test_subnormal_numbers_that_were_moved_as_floats(move):
    """Bits of a float that was computed in the same program: a comparison of them with
    0 is then compiled to one of floats, unless it is written so that it cannot be."""

    def run(x, domain):
        moved = domain.lift(MOVES[move](x))
        results = tl.interpret(
            lambda x: {name: f(x) for name, (f, _) in TRAPS.items()}, domain=domain
        )(moved)
        return jax.tree.map(
            lambda v: v.to_float() if domain.is_value(v) else v,
            results,
            is_leaf=domain.is_value,
        )

    for x64 in (False, True):
        with jax.enable_x64(x64):
            got = jax.jit(run, static_argnums=1)(SUBNORMAL, tl.IEEE32())
        moved = {
            "select": -SUBNORMAL,
            "abs": np.abs(SUBNORMAL),
            "read": SUBNORMAL[::-1],
        }
        with np.errstate(all="ignore"):
            for name, (_, oracle) in TRAPS.items():
                assert same_bits(got[name], oracle(moved[move])).all(), name


TINY = floats([0x000AE398, 0x80000001, 1, 0])
CAPTURED = {
    "compared with zero": (
        lambda c, x: jnp.where(c == 0, x, -x),
        lambda c, x: np.where(c == 0, x, -x),
    ),
    "scaled": (lambda c, x: c * 8388608 + x, lambda c, x: c * F(8388608) + x),
    "moved": (lambda c, x: jnp.abs(-c[::-1]) + x, lambda c, x: np.abs(c[::-1]) + x),
    "in a loop": (
        lambda c, x: jax.lax.scan(lambda s, t: (s + t, None), x, c)[0],
        lambda c, x: x + c[0] + c[1] + c[2] + c[3],
    ),
    "returned": (lambda c, x: c, lambda c, x: c),
}


@pytest.mark.parametrize("made", [np.array, jnp.array], ids=["numpy", "jax"])
@pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"])
def test_a_captured_constant_is_read_bit_for_bit(made, x64):
    """The weights of a model are constants of the program that a user compiles."""
    x = floats([0x000AE398, 0, 5, 0x3F800000])

    def program(x, c):
        return {name: f(c, x) for name, (f, _) in CAPTURED.items()}

    with jax.enable_x64(x64):
        weights = made(TINY)
        run = tl.interpret(lambda x: program(x, weights), domain=tl.IEEE32)
        results = jax.jit(run)(tl.IEEE32.lift(x))
        lifted = jax.jit(lambda: tl.IEEE32.lift(weights).bits)()
    assert (np.asarray(lifted) == TINY.view(np.uint32)).all()
    for name, (_, oracle) in CAPTURED.items():
        got = results[name]
        got = got.to_float() if isinstance(got, tl.FloatBits) else got
        assert same_bits(got, oracle(TINY, x)).all(), name


def test_flushing_is_what_xla_does():
    """`flush=True` gives the bits of XLA's own operations, one at a time."""
    domain = tl.IEEE32(flush=True)
    words = adversarial(np.random.default_rng(8), 40_000, 2)
    x, y = floats(words)
    for f in (
        jnp.add,
        jnp.subtract,
        jnp.multiply,
        jnp.divide,
        lambda x, y: jnp.sqrt(x),
    ):
        native = jax.jit(f)(x, y)
        for x64 in (False, True):
            with jax.enable_x64(x64):
                values = domain.lift(x), domain.lift(y)
                got = tl.interpret(f, domain=domain)(*values).to_float()
                assert same_bits(got, native).all()
    for f in (jnp.less, jnp.equal, jnp.floor, lambda x, y: x.astype(jnp.int32)):
        f2 = f if f is not jnp.floor else lambda x, y: jnp.floor(x)
        got = tl.interpret(f2, domain=domain)(domain.lift(x), domain.lift(y))
        if domain.is_value(got):
            assert same_bits(got.to_float(), jax.jit(f2)(x, y)).all()
        else:
            assert (np.asarray(got) == np.asarray(jax.jit(f2)(x, y))).all()


def test_flushing_reads_concrete_numbers_as_zero_too():
    """An argument that is an array is compared as one that is bits."""
    domain = tl.IEEE32(flush=True)
    f = tl.interpret(lambda c, x: jnp.where(c > 0, x, -x), domain=domain)
    two = domain.lift(F(2))
    for c in (F(1e-40), domain.lift(F(1e-40))):
        assert f(c, two).to_float() == -2
    kept = tl.interpret(lambda c, x: jnp.where(c > 0, x, -x), domain=tl.IEEE32)
    assert kept(F(1e-40), two).to_float() == 2


def test_the_lowest_integer_is_cast_in_the_direction_of_the_domain():
    """It is its own negative: a look at its size must not take it for a small one."""
    domain = tl.IEEE32(rounding="toward-zero")
    f = tl.interpret(lambda x, i: x + i.astype(jnp.float16), domain=domain)
    lowest = np.array(-(2**31), np.int32)
    got = f(domain.lift(np.float16(0)), lowest)
    assert got.to_float() == np.finfo(np.float16).min
