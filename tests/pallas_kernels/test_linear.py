"""Product, bias and activation: the contract, and ways to break it, each caught."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.contracts import _meaning
from torchlean_jax.pallas_kernels import _products, linear
from torchlean_jax.pallas_kernels.linear import _kernel, _reference
from torchlean_jax.pallas_kernels.linear._activations import ACTIVATIONS
from torchlean_jax.pallas_kernels.linear._contract import TERMS

PROGRAMS = {program.name: program for program in TERMS.programs}
FORWARD, BACKWARD = PROGRAMS["linear_gelu_tanh"], PROGRAMS["linear_gelu_tanh_backward"]


@pytest.mark.parametrize("program", [FORWARD, BACKWARD], ids=lambda p: p.name)
def test_unrolled_or_interpreted(program, interpreted):
    args = program.arguments(jax.random.key(0), ((20, 40), 18), jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_one_meaning_and_its_derivative(activation):
    for program, module in ((FORWARD, "linear"), (BACKWARD, "linear_backward")):
        args = program.arguments(jax.random.key(0), ((3, 5), 4), jnp.float32)
        fused, plain = (
            functools.partial(getattr(m, module), activation=activation)
            for m in (_kernel, _reference)
        )
        both = dataclasses.replace(program, kernel=fused, formula=plain)
        equal, detail = _meaning.equal(both, args)
        assert equal, detail
    report = tl.check_vjp(functools.partial(linear, activation=activation))
    assert report(*(FORWARD.arguments(jax.random.key(1), ((2, 3), 2), jnp.float32))).ok


def test_against_float64():
    x, w = np.random.default_rng(0).normal(size=(2, 7, 7))
    z = x @ w + 0.5
    y = linear(*map(jnp.float32, (x, w)), jnp.full(7, 0.5), activation="silu")
    np.testing.assert_allclose(y, z * scipy.special.expit(z), rtol=1e-5, atol=1e-6)
    y = linear(*map(jnp.float32, (x, w)), jnp.full(7, 0.5), activation="gelu_tanh")
    # gelu by tanh is within 5e-4 of gelu by erf
    np.testing.assert_allclose(y, z * scipy.special.ndtr(z), atol=5e-4)


def test_weights_in_another_dtype():
    x, w = jnp.ones((2, 3), jnp.bfloat16), jnp.full((3, 2), 0.1)
    assert linear(x, w).dtype == jnp.bfloat16
    dx, dw = jax.grad(lambda x, w: linear(x, w).sum().astype(float), (0, 1))(x, w)
    assert (dx.dtype, dw.dtype) == (jnp.bfloat16, jnp.float32)


# Two tiles along every axis, neither of which is a multiple of a tile.
SEVERAL = ((6, 7), 5)


class SmallTiles(_products.ProductTile):
    @classmethod
    def of(cls, *sizes):
        return _products.ProductTile(4, 4, 4, 1)


def broken(module, program, old, new, monkeypatch):
    changed = base.mutated(module, old, new)
    if module is _products:
        for name in ("load", "store", "dot", "accumulate", "over_tiles"):
            monkeypatch.setattr(_kernel, name, getattr(changed, name))
        changed = _kernel
    monkeypatch.setattr(changed, "ProductTile", SmallTiles)
    return fresh(changed, program)


def fresh(module, program):
    """A new function: JAX keeps what it traced of the old one."""
    name = "linear_backward" if program is BACKWARD else "linear"
    call = functools.partial(getattr(module, name), **program.kernel.keywords)
    terms = base.with_kernel(TERMS, program, lambda *args: call(*args))
    return dataclasses.replace(terms, shapes={"several": SEVERAL}, dtypes=("float32",))


@plants("linear")
@pytest.mark.parametrize(
    ("module", "program", "old", "new", "clause"),
    [
        (_kernel, FORWARD, "z = z + load", "z = z - load", "meaning"),
        (_kernel, FORWARD, "j[None, :], value(z))", "j[None, :], z)", "meaning"),
        (_kernel, BACKWARD, "(dy * slope(load(z_ref, i, j)))", "dy", "meaning"),
        (
            _kernel,
            BACKWARD,
            "load(w_ref, k[None, :], j[:, None])",
            "load(w_ref, j[:, None], k[None, :])",
            "meaning",
        ),
        (
            _kernel,
            BACKWARD,
            "db + dz.astype(jnp.float32)",
            "dz.astype(jnp.float32)",
            "meaning",
        ),
        (
            _kernel,
            BACKWARD,
            "return dx.reshape(x.shape), dw, db[0]",
            "return dx.reshape(x.shape), dw, 0 * db[0]",
            "meaning",
        ),
        (
            _products,
            FORWARD,
            "cdiv(depth, tile.depth), add",
            "depth // tile.depth, add",
            "meaning",
        ),
        (_products, FORWARD, "return total + dot", "return dot", "meaning"),
        (
            _products,
            FORWARD,
            "i = along(pl.program_id(0) * tile.rows,",
            "i = along(pl.program_id(0),",
            "memory",
        ),
        (
            _products,
            FORWARD,
            "grid=(cdiv(shape[0], tile.rows)",
            "grid=(shape[0] // tile.rows",
            "memory",
        ),
        (
            _products,
            FORWARD,
            "mask = (i < ref.shape[0]) & (j < ref.shape[1])\n    return",
            "mask = (i >= 0) & (j >= 0)\n    return",
            "memory",
        ),
        (
            _products,
            FORWARD,
            "precision=jax.lax.Precision.HIGHEST",
            "precision=None",
            "precision",
        ),
        (
            _products,
            FORWARD,
            "preferred_element_type=jnp.float32,\n    )",
            "preferred_element_type=jnp.float32,\n    ).astype(jnp.bfloat16)",
            "rounding",
        ),
    ],
)
def test_a_fault(module, program, old, new, clause, monkeypatch):
    terms = broken(module, program, old, new, monkeypatch)
    assert base.failing_clauses(terms, clauses=[clause]) == {clause}


@pytest.mark.parametrize("program", [FORWARD, BACKWARD], ids=lambda p: p.name)
def test_several_tiles_are_right(program, monkeypatch):
    """What was broken above was right before."""
    monkeypatch.setattr(_kernel, "ProductTile", SmallTiles)
    clauses = ["meaning", "memory", "rounding", "precision"]
    assert not base.failing_clauses(fresh(_kernel, program), clauses=clauses)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((jnp.ones((2, 3)), jnp.ones((4, 3))), {}, r"x \[2, 3\], weight \[4, 3\]"),
        ((jnp.ones((2, 3)), jnp.ones((3, 4)), jnp.ones(3)), {}, r"bias \[3\]"),
        ((jnp.ones((2, 0)), jnp.ones((0, 4))), {}, "k >= 1"),
        ((jnp.ones((2, 3), int), jnp.ones((3, 4))), {}, r"x: int32\[2, 3\]"),
        ((jnp.ones((2, 3)), jnp.ones((3, 4))), {"activation": "gelu"}, "no erf"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(tl.InputError, match=message):
        linear(*arguments, **options)
