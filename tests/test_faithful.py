"""`faithful_jit` runs the operations of the jaxpr, and says when it cannot.

The oracle is NumPy, whose sum, quotient and square root are the hardware's, rounded
once each.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl

RNG = np.random.default_rng(3)
X = RNG.uniform(0.1, 9.0, 4096).astype(np.float32)
Y = RNG.uniform(0.1, 9.0, 4096).astype(np.float32)

# name: (a function of jnp or np that the simplifier rewrites, its arguments)
REWRITTEN = {
    "quotient by a constant": (lambda np, x: x / np.float32(3), (X,)),
    "quotient by a root": (lambda np, x, y: y / np.sqrt(x), (X, Y)),
    "quotient of quotients": (lambda np, x: np.float32(1) / (np.float32(1) / x), (X,)),
    "difference of a sum": (
        lambda np, x: (x + np.float32(1e8)) - np.float32(1e8),
        (X,),
    ),
    "sum in bfloat16, widened": (
        lambda np, x: (x.astype("bfloat16") + np.asarray(0.001, "bfloat16")).astype(
            "float32"
        ),
        (X,),
    ),
}


def differs(compiled, name):
    f, args = REWRITTEN[name]
    expected = f(np, *args)
    return bool((np.asarray(compiled(lambda *a: f(jnp, *a))(*args)) != expected).any())


@pytest.mark.smoke
@pytest.mark.parametrize("name", REWRITTEN)
def test_what_runs_is_what_is_written(name):
    assert not differs(tl.faithful_jit, name)


@pytest.mark.smoke
def test_a_plain_jit_would_be_noticed():
    """Newer versions of JAX keep the sum; all of them rewrite the quotients."""
    assert differs(jax.jit, "quotient by a constant")
    assert differs(jax.jit, "quotient by a root")
    assert differs(jax.jit, "sum in bfloat16, widened")


def shift(x):
    return (x + 1e8) - 1e8


@pytest.mark.smoke
@pytest.mark.parametrize(
    "transform",
    [
        lambda g: jax.jit(g)(1.0),
        lambda g: jax.make_jaxpr(g)(1.0),
        lambda g: jax.jit(jax.vmap(g))(jnp.ones(2)),
        lambda g: jax.lax.scan(lambda c, x: (c, g(x)), 0.0, jnp.ones(2)),
    ],
    ids=["jit", "make_jaxpr", "jit of vmap", "scan"],
)
def test_it_is_outermost_or_an_error(transform):
    with pytest.raises(tl.InputError, match=r"`shift`.*shift\.inner"):
        transform(tl.faithful_jit(shift))


@pytest.mark.smoke
def test_a_derivative_of_it_is_faithful_or_an_error():
    """Older versions of JAX cannot; newer ones compile both passes with its options."""
    third = tl.faithful_jit(lambda x: x / jnp.float32(3))
    try:
        values, pull = jax.vjp(third, X)
    except tl.InputError:
        return
    assert (np.asarray(values) == X / np.float32(3)).all()
    assert (np.asarray(pull(jnp.asarray(Y))[0]) == Y / np.float32(3)).all()


@pytest.mark.smoke
def test_inner_is_there_for_other_transformations():
    g = tl.faithful_jit(shift)
    assert jax.grad(g.inner)(1.0) == 1.0
    assert tl.faithful_jit(jax.vmap(g.inner))(jnp.ones(3)).tolist() == [0, 0, 0]
    assert tl.faithful_jit(lambda x: 2 * g.inner(x) + 1)(1.0) == 1.0


@pytest.mark.smoke
def test_vmap_of_it_is_faithful():
    batch = jax.vmap(tl.faithful_jit(lambda x: x / jnp.float32(3)))(X)
    assert (np.asarray(batch) == X / np.float32(3)).all()


def test_products_ask_for_the_highest_precision_unless_they_state_their_own():
    f = tl.faithful_jit(lambda a: (a @ a, jnp.dot(a, a, precision="default")))
    first, second = [
        e.params["precision"]
        for e in jax.make_jaxpr(f.inner)(jnp.ones((2, 2))).jaxpr.eqns
        if e.primitive.name == "dot_general"
    ]
    highest, lowest = jax.lax.Precision.HIGHEST, jax.lax.Precision.DEFAULT
    assert first == (highest, highest)
    assert second == (lowest, lowest)


def test_options_of_jit_are_passed_on():
    power = tl.faithful_jit(lambda x, n: x**n, static_argnums=1)
    assert power(3.0, 2) == 9.0
    passes = {"xla_disable_hlo_passes": "dce"}
    assert tl.faithful_jit(shift, compiler_options=passes)(1.0) == 0.0
    assert passes == {"xla_disable_hlo_passes": "dce"}
    assert "divide" in tl.faithful_jit(lambda x: x / 3).lower(1.0).compile().as_text()


def test_it_keeps_the_name_and_the_errors_of_the_function():
    def fails(x):
        """No good."""
        raise ValueError("mine")

    g = tl.faithful_jit(fails)
    assert (g.__name__, g.__doc__) == ("fails", "No good.")
    with pytest.raises(ValueError, match=r"^mine"):
        g(1.0)


def test_something_else_than_a_function_is_refused():
    with pytest.raises(tl.InputError, match="got int"):
        tl.faithful_jit(3)
