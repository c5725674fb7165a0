"""Saved programs against the model they are said to be."""

import jax
import jax.export as export
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl

W = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
X = jnp.zeros((2, 40))


def model(x):
    return {"y": jnp.tanh(x @ W)}


def saved(function=model, *args, order=0, **options):
    program = export.export(jax.jit(function), **options)(*(args or (X,)))
    return program.serialize(vjp_order=order)


def changed_by_a_bit(x):
    w = W.copy()
    w[39, 2] = np.nextafter(w[39, 2], np.float32(9))
    return {"y": jnp.tanh(x @ w)}


def test_it_is_the_model():
    assert tl.check_export(model, saved())
    assert tl.check_export(model, saved(order=1))
    assert tl.check_export(model, export.export(jax.jit(model))(X))
    # names and source lines are no part of it
    assert tl.check_export(lambda z: {"y": jnp.tanh(z @ W)}, saved())


def test_for_another_platform_and_for_every_batch():
    assert tl.check_export(model, saved(platforms=["cuda"]))
    (batch,) = export.symbolic_shape("b")
    every = saved(model, jax.ShapeDtypeStruct((batch, 40), jnp.float32))
    assert tl.check_export(model, every)
    answer = tl.check_export(changed_by_a_bit, every)
    assert answer.same is None
    assert "could not be run" in answer.reason


def test_one_bit_of_one_weight_is_seen():
    answer = tl.check_export(changed_by_a_bit, saved())
    assert answer.same is None  # no number shows it: it is less than a rounding
    assert "tensor<40x3xf32>" in answer.where[0]
    assert answer.where[0] != answer.where[1]


@pytest.mark.parametrize(
    "other",
    [
        lambda x: {"y": jnp.tanh(x @ W) + 1e-3},
        lambda x: {"y": jnp.tanh(2 * (x @ W))},
        lambda x: {"y": jnp.tanh(x[::-1] @ W)},
    ],
    ids=["shifted", "scaled", "rows in another order"],
)
def test_another_function_is_shown(other):
    answer = tl.check_export(other, saved())
    assert answer.same is False
    assert "no execution of the model returns" in str(answer)


def test_what_may_be_no_number_shows_no_difference():
    """Logarithms of negative numbers: both programs return NaN."""
    answer = tl.check_export(jnp.log, saved(lambda x: jnp.log(x * 1.0), jnp.zeros(3)))
    assert answer.same is None, str(answer)


def test_another_derivative_is_no_other_function_but_not_the_same_program():
    @jax.custom_vjp
    def wrong(x):
        return jnp.sin(x)

    wrong.defvjp(lambda x: (jnp.sin(x), x), lambda x, y: (y * jnp.sin(x),))
    program = saved(wrong, jnp.zeros(3), order=1)
    assert tl.check_export(wrong, program)
    answer = tl.check_export(jnp.sin, program)
    assert answer.same is None
    assert "differ" in answer.reason


def test_structure_counts():
    assert not tl.check_export(lambda x: [jnp.tanh(x @ W)], saved())
    answer = tl.check_export(lambda x, n: x, saved())
    assert answer.same is None
    assert "cannot be exported like the file: TypeError" in answer.reason


def test_a_string_that_looks_like_a_location_is_kept():
    from torchlean_jax._check_export import _LOCATION

    text = (
        'a = "f"() {s = "see loc(unknown)"} loc("x.py":1:2 to :3)\n#loc1 = loc("y")\n'
    )
    # only what is not quoted goes, and what is not understood stays
    bare = _LOCATION.sub(lambda m: m[1] or "", text + "b loc(#loc1)\n")
    assert bare == 'a = "f"() {s = "see loc(unknown)"} loc("x.py":1:2 to :3)\nb\n'


@pytest.mark.parametrize("data", [b"", b"nonsense", "cut short"])
def test_what_is_no_program_is_refused(data):
    data = saved()[:100] if data == "cut short" else data
    with pytest.raises(tl.InputError, match="not a program that"):
        tl.check_export(model, data)
