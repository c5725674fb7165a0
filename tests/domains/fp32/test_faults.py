"""Each source of error, left out on purpose, is noticed; with it, nothing is.

A row is a program, a point at which the source shows on this machine, the exact result
there, and what is broken. The runs are real ones.
"""

import contextlib
import importlib
import pkgutil
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from tests.domains.fp32 import runs
from tests.domains.interval.exact import fractions
from torchlean_jax.domains import fp32 as package
from torchlean_jax.domains.fp32 import _format

RNG = np.random.default_rng(11)
X = RNG.uniform(0.5, 2.0, 512).astype(np.float32)
Y = RNG.uniform(0.5, 2.0, 512).astype(np.float32)
THIRD = np.float32(1) / np.float32(3)  # 3 * THIRD is above 1, and rounds to 1
TINY = np.float32(1e-39)
SWAP = np.array([[0, 1], [1, 0]], np.int32)
# sums to 1/2 over the reals, and to -5/2 from left to right
CANCELS = np.float32([1e8, 3.0, -1e8, 1.0, -3.5])


@contextlib.contextmanager
def broken(name, value, only=None):
    """`name` replaced in every module of the package that has it, or in one."""
    modules = [
        importlib.import_module(m.name)
        for m in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    ]
    modules = [m for m in modules if hasattr(m, name) and only in (None, m.__name__)]
    assert modules, name
    kept = [getattr(m, name) for m in modules]
    for module in modules:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, sound in zip(modules, kept, strict=True):
            setattr(module, name, sound)


def lowest_unit(dtype):
    return 0.0


def never_flushed(dtype):
    kind = _format._named(jnp.dtype(dtype).name)
    return replace(kind, tiny=0.0)


def nothing_accumulates(unit, roundings):
    return 0.0


def nothing_far(real, run):
    return jnp.zeros(real.shape)


def carries_nothing(sound):
    def rounded(domain, dtype, real, exact, carried, **own):
        return sound(domain, dtype, real, exact, carried * 0, **own)

    return rounded


FORGETFUL = carries_nothing(package._result.rounded)
SURE = tl.ErrorModel.xla_cpu().replace(
    "optimistic", ulps={"tanh": 0.1, "exp": 0.1}, quotient=1.0
)


def exactly(f):
    return lambda *points: f(*map(fractions, points))


def sums(x):
    return np.asarray(sum(x.tolist(), Fraction(0)), object)


def tanh(x):
    return [runs.ball(v).tanh() for v in fractions(x)]


def as_array(values):
    out = np.empty(len(values), object)
    out[:] = values
    return out


def row_products(x):
    rows = fractions(np.stack([x, np.ones_like(x)]))
    return np.dot(rows, rows.T)


def with_itself(x):
    return lax.dot_general(x, x, (((1,), (1,)), ((), ())))


def decisions(x):
    """One that the order of a sum decides, and one that is certain."""
    return jnp.stack([jnp.sum(x) > 0, x[0] > 1]).astype(jnp.int32)


def whole(*numbers):
    return lambda x: as_array(numbers)


def where(condition, a, b):
    return np.where(condition.astype(bool), a, b)


# name: program, point, exact result, what is broken
FAULTS = {
    "a sum is not rounded": (
        *(lambda x, y: x + y, (X, Y), exactly(lambda x, y: x + y)),
        broken("unit", lowest_unit),
    ),
    "a product is not rounded": (
        *(lambda x, y: x * y, (X, Y), exactly(lambda x, y: x * y)),
        broken("unit", lowest_unit),
    ),
    "a root is not rounded": (
        *(
            jnp.sqrt,
            (X,),
            lambda x: as_array([runs.ball(v).sqrt() for v in fractions(x)]),
        ),
        broken("unit", lowest_unit),
    ),
    "a long sum is not rounded": (
        *(jnp.sum, (X,), exactly(sums)),
        broken("accumulated", nothing_accumulates),
    ),
    "a product of arrays is not rounded": (
        *(lambda x, y: x @ y, (X, Y), exactly(lambda x, y: sums(x * y))),
        broken("accumulated", nothing_accumulates),
    ),
    "a subnormal input is kept": (
        *(
            lambda x: x * 1e30,
            (TINY,),
            exactly(lambda x: x * Fraction(float(np.float32(1e30)))),
        ),
        broken("format_of", never_flushed),
    ),
    "a subnormal result is kept": (
        *(lambda x, y: x * y, (np.float32(1e-20), np.float32(1e-19))),
        *(exactly(lambda x, y: x * y), broken("format_of", never_flushed)),
    ),
    "errors are forgotten": (
        *(lambda x, y: (x * y + 1e4) - 1e4, (X, Y), exactly(lambda x, y: x * y)),
        broken("rounded", FORGETFUL),
    ),
    "a choice is as the reals make it": (
        *(lambda x: jnp.where(x * 3 > 1, 2.0, -2.0), (THIRD,)),
        *(exactly(lambda x: np.asarray(2 if x * 3 > 1 else -2, object)),),
        broken("across", lambda which, cases: jnp.zeros(())),
    ),
    "a comparison is as the reals make it": (
        *(lambda x: x * 3 > 1, (THIRD,)),
        exactly(lambda x: np.asarray(bool(x * 3 > 1), object)),
        broken("apart", nothing_far),
    ),
    "a step is where the reals have it": (
        *(lambda x: jnp.ceil(x * 3), (THIRD,)),
        exactly(lambda x: np.asarray(-((-x * 3) // 1), object)),
        broken("apart", nothing_far),
    ),
    "a position is as the reals find it": (
        *(lambda x: jnp.argmax(jnp.stack([jnp.ones((), x.dtype), x * 3])), (THIRD,)),
        exactly(lambda x: np.asarray(int(x * 3 > 1), object)),
        broken("apart", nothing_far),
    ),
    "what stands there is as the reals find it": (
        *(
            lambda x: jnp.asarray(X)[
                jnp.argmax(jnp.stack([jnp.ones((), x.dtype), x * 3]))
            ],
            (THIRD,),
        ),
        exactly(lambda x: fractions(X)[int(x * 3 > 1)]),
        broken("apart", nothing_far),
    ),
    "a sum that cancels keeps its sign": (
        *(jnp.sum, (CANCELS,), exactly(sums)),
        broken("accumulated", nothing_accumulates),
    ),
    "a row beside another keeps the sign of their product": (
        *(lambda x: with_itself(jnp.stack([x, jnp.ones_like(x)])), (CANCELS,)),
        *(row_products, broken("accumulated", nothing_accumulates)),
    ),
    "a sign is as the reals have it": (
        *(lambda x: jnp.sign(jnp.sum(x)), (CANCELS,)),
        exactly(lambda x: np.asarray(Fraction(1), object)),
        broken("apart", nothing_far),
    ),
    "decisions are counted one by one": (
        *(lambda x: jnp.cumsum(decisions(x)), (CANCELS,), whole(1, 2)),
        broken("no_error_anywhere", package._result.no_error),
    ),
    "decisions are multiplied one by one": (
        *(
            lambda x: jnp.stack([decisions(x), jnp.ones(2, jnp.int32)]) @ SWAP,
            (CANCELS,),
        ),
        *(lambda x: np.ones((2, 2), object),),
        broken("no_error_anywhere", package._result.no_error),
    ),
    "decisions are scattered to where they come from": (
        *(lambda x: jnp.zeros(2, jnp.int32).at[jnp.array([1, 0])].add(decisions(x)),),
        *((CANCELS,), whole(1, 1)),
        broken("no_error_anywhere", package._result.no_error),
    ),
    "sorted keys are never mixed up": (
        *(jnp.sort, (np.float32([2e-39, -9e-39]),), exactly(np.sort)),
        broken("format_of", never_flushed, "torchlean_jax.domains.fp32._order"),
    ),
}


def violations(name, domain=tl.FP32):
    """With float64 endpoints: those of float32 are moved by more than a flushed
    result."""
    with jax.enable_x64(True):
        return violations_now(name, domain)


def violations_now(name, domain):
    f, point, exact, _ = FAULTS[name]
    value = tl.interpret(f, domain=domain)(*map(tl.FP32.lift, point))
    found = [runs.violations(value, run, exact(*point)) for run in every_run(f, point)]
    return [why for each in found for why in each]


def every_run(f, point):
    arrays = [jnp.asarray(x) for x in point]
    yield f(*arrays)
    yield tl.faithful_jit(f)(*arrays)


@pytest.mark.parametrize("name", FAULTS)
def test_a_forgotten_source_of_error_is_noticed(name):
    assert not violations(name)
    with FAULTS[name][3]:
        assert violations(name)


OPTIMISTIC = {
    "a library function": (jnp.tanh, (X,), lambda x: as_array(tanh(x)), None),
    "an inverse": (lambda x: x / 3, (X,), exactly(lambda x: x / 3), None),
}


@pytest.mark.parametrize("name", OPTIMISTIC)
def test_a_model_that_assumes_too_much_is_noticed(name, monkeypatch):
    """`x / 3` runs as x * (1 / 3) even eagerly."""
    monkeypatch.setitem(FAULTS, name, OPTIMISTIC[name])
    assert not violations(name)
    assert violations(name, tl.FP32(SURE))


def test_a_subnormal_constant_may_be_read_as_zero(monkeypatch):
    """Over the reals 1e-39 is above 0; on this machine it is not."""
    tiny = jnp.asarray(TINY)

    def f(x):
        return jnp.where(tiny > 0, x, -x)

    program = tl.interpret(f, domain=tl.FP32)
    run = tl.faithful_jit(lambda x, t: jnp.where(t > 0, x, -x))(jnp.ones(()), tiny)
    exact = np.asarray(Fraction(1), object)
    assert not runs.violations(program(tl.FP32.lift(1.0)), run, exact)
    monkeypatch.setattr(tl.FP32, "flushes", False)
    assert runs.violations(program(tl.FP32.lift(1.0)), run, exact)


def test_a_product_that_is_fused_into_a_sum_is_inside():
    """a b - fl(a b) is 0 if both products are rounded, and not if one is fused."""

    def f(a, b, c):
        return a * b - c

    a, b = X, Y
    c = a * b
    exact = fractions(a) * fractions(b) - fractions(c)
    value = tl.interpret(f, domain=tl.FP32)(*map(tl.FP32.lift, (a, b, c)))
    fused, separate = tl.faithful_jit(f)(a, b, c), f(*map(jnp.asarray, (a, b, c)))
    assert (np.asarray(separate) == 0).all()
    assert not runs.violations(value, fused, exact)
    assert not runs.violations(value, separate, exact)


def test_a_value_less_itself_may_be_the_rounding_of_a_product():
    """One side fused, the other not: the doctrine says that two reads may differ."""
    product = tl.interpret(lambda a, b: a * b - a * b, domain=tl.FP32)
    shared = tl.interpret(lambda a, b: (p := a * b) - p, domain=tl.FP32)
    for program in (product, shared):
        value = program(tl.FP32.lift(X), tl.FP32.lift(Y))
        assert bool((value.error > 0).all())
        assert bool((value.real.contains(0.0)).all())
    exact_input = tl.interpret(lambda a: a - a, domain=tl.FP32)(tl.FP32.lift(X))
    assert not bool(exact_input.error.any())
