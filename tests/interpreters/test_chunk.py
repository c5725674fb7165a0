"""A batch in chunks against the plain `vmap` of the same function."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax.interpreters._chunk import in_chunks

X = jnp.asarray(np.random.default_rng(0).normal(size=(7, 3)), jnp.float32)
SCALE = jnp.asarray([1.0, 2.0, 3.0])


def function(scale, x):
    return {"sum": jnp.sum(scale * x), "square": x * x}


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_vmap_gives_what_plain_vmap_gives(chunk):
    many = jax.vmap(in_chunks(function, chunk), in_axes=(None, 0))
    chex.assert_trees_all_close(
        many(SCALE, X), jax.vmap(function, in_axes=(None, 0))(SCALE, X)
    )


def test_a_chunk_is_what_runs_at_once():
    many = jax.vmap(in_chunks(function, 2), in_axes=(None, 0))
    loop = str(jax.make_jaxpr(many)(SCALE, X)).split("scan[")[1].split("num_carry")[0]
    assert "f32[2,3]" in loop and "f32[7,3]" not in loop
    assert "length=4" in loop


def test_what_is_common_to_the_batch_is_not_copied():
    """No array of the loop has the scale once for each member."""
    text = str(
        jax.make_jaxpr(jax.vmap(in_chunks(lambda w, x: x @ w, 2), in_axes=(None, 0)))(
            jnp.ones((3, 5)), X
        )
    )
    assert "[2,3,5]" not in text
    assert "[3,5]" in text


def test_gradients_and_nesting():
    chunked = in_chunks(lambda x: jnp.sum(jnp.sin(x)), 2)
    np.testing.assert_allclose(jax.vmap(jax.grad(chunked))(X), jnp.cos(X), rtol=1e-6)
    total = jax.grad(lambda x: jax.vmap(chunked)(x).sum())(X)
    np.testing.assert_allclose(total, jnp.cos(X), rtol=1e-6)
    twice = jax.vmap(jax.vmap(chunked))(jnp.stack([X, 2 * X]))
    np.testing.assert_allclose(twice[1], jnp.sin(2 * X).sum(-1), rtol=1e-5)


def test_an_empty_chunk_is_an_error():
    with pytest.raises(ValueError, match="at least one member"):
        in_chunks(function, 0)
