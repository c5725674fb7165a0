"""What cannot be meant is a typed error that says what to do."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains.real import Real

RUN = lambda f: tl.interpret(f, domain=Real)


@pytest.mark.parametrize("digits", [0, -3, 2.5, "many", 10**6])
def test_digits_that_are_no_number_of_digits(digits):
    with pytest.raises(tl.InputError, match="digits"):
        Real(digits=digits)


def test_a_limit_below_what_the_digits_take():
    with pytest.raises(tl.InputError, match="max_bits"):
        Real(digits=100, max_bits=100)


@pytest.mark.parametrize(
    "transform", [jax.jit, jax.grad, jax.vmap], ids=lambda t: t.__name__
)
def test_traced_arguments(transform):
    x = np.ones(2, np.float32) if transform is jax.vmap else np.float32(1)
    with pytest.raises(tl.InputError, match="outside jit"):
        transform(lambda x: RUN(jnp.sin)(x).mid)(x)


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (lambda x: lax.reduce_precision(x, 8, 7), "real number is not rounded"),
        (lambda x: jnp.nextafter(x, x + 1), "no neighbour"),
        (lambda x: jnp.linalg.eigh(jnp.outer(x, x)).eigenvectors, "up to a factor"),
        (lambda x: jnp.linalg.svd(jnp.outer(x, x))[0], "up to a factor"),
        (lambda x: jax.random.gamma(jax.random.key(0), x), "by rejection"),
    ],
)
def test_what_is_no_function_of_real_numbers_is_refused(f, reason):
    with pytest.raises(tl.MissingRuleError, match=reason):
        RUN(f)(np.ones(2, np.float32))


def test_bits_of_a_computed_number():
    with pytest.raises(tl.MissingRuleError, match="no bits") as error:
        RUN(lambda x: lax.bitcast_convert_type(x / 3, jnp.int32))(np.float32(1))
    assert "in bitcast_convert_type" in str(error.value)


@pytest.mark.parametrize("x", [1e10, -1e10, np.inf, np.nan])
def test_a_cast_that_does_not_fit(x):
    with pytest.raises(tl.UndecidedError, match="int32"):
        RUN(lambda x: x.astype(jnp.int32))(np.float32(x))


def test_writes_that_collide():
    def f(x):
        return x.at[jnp.array([1, 1])].set(x[:2])

    with pytest.raises(tl.UndecidedError, match="which one stays"):
        RUN(f)(np.array([1, 2, 3], np.float32))
    assert RUN(f)(np.array([2, 2, 3], np.float32)).mid.tolist() == [2, 2, 3]


def test_memory_that_nobody_has_written():
    with pytest.raises(tl.UndecidedError, match="in empty"):
        RUN(lambda x: lax.empty((2,), x.dtype) + x)(np.float32(1))


def test_a_random_key_is_no_number():
    with pytest.raises(tl.InputError, match="key"):
        Real.lift(jax.random.key(0))


def test_without_the_library_it_says_what_to_install():
    """And neither importing nor making the domain needs it."""
    code = (
        "import sys; sys.modules['flint'] = None\n"
        "import torchlean_jax as tl, jax.numpy as jnp\n"
        "f = tl.interpret(jnp.sin, domain=tl.Real(digits=20))\n"
        "try: f(1.0)\n"
        "except tl.TorchLeanError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'torchlean-jax[real]'" in done.stdout
