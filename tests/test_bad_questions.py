"""What cannot be asked: the same cases for every verb that asks about a function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback

import torchlean_jax as tl

X, N = jnp.float32([1.0, 2.0, 3.0]), jnp.arange(3)


def equivalent(f):
    return tl.equivalent(f, f)


VERBS = {
    "equivalent": equivalent,
    "check_vjp": tl.check_vjp,
    "check_jvp": tl.check_jvp,
    "depends": tl.depends,
    "batch_invariant": lambda f: tl.batch_invariant(f, sizes=(1, 2)),
}


def branches_in_python(x):
    return 2 * x if x[0] > 0 else x


def draws(x):
    return x + jax.random.normal(jax.random.key(0), x.shape)


def calls_back(x):
    return io_callback(lambda a: a, x, x)


def asks_numpy(x):
    return jax.pure_callback(np.sin, x, x)


def nothing_comes(x):
    return ()


def words(x):
    return "a"


def mismatched(x):
    return x @ jnp.ones((5, 5))


def in_python_of_an_integer(x, n):
    return x * 2 if n > 0 else x


EVERY = set(VERBS)
# function, arguments, what every message says, and the verbs that refuse
REFUSED = {
    "a decision in Python": (branches_in_python, (X,), "jnp.where, lax.cond", EVERY),
    "a decision by an integer": (in_python_of_an_integer, (X, 1), "lax.cond", EVERY),
    "a side effect": (calls_back, (X,), "calls back into Python", EVERY),
    "a call of NumPy": (asks_numpy, (X,), "calls back into Python", EVERY),
    "text out": (words, (X,), "cannot be called|give arrays", EVERY),
    "text in": (lambda x: x, ("a",), "give arrays and numbers", EVERY),
    "shapes that do not fit": (mismatched, (X,), "cannot be called", EVERY),
    "no function": (3, (X,), "a model is a function", EVERY),
    "no arguments": (lambda: jnp.ones(3), (), "argument", EVERY),
    # what depends on bits of a key in the program is a function all the same
    "random bits": (
        draws,
        (X,),
        "draws random bits inside.*pass",
        {"equivalent", "batch_invariant"},
    ),
    # which token reaches which, and the bits of a row, are questions about integers too
    "integers only": (
        lambda n: n * 2,
        (N,),
        "float",
        {"equivalent", "check_vjp", "check_jvp"},
    ),
    "nothing returned": (
        nothing_comes,
        (X,),
        "return",
        {"equivalent", "check_vjp", "check_jvp"},
    ),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_a_typed_error(case, verb):
    f, args, words, refusing = REFUSED[case]
    if verb not in refusing:
        VERBS[verb](f)(*args)
        return
    with pytest.raises(tl.InputError, match=words):
        VERBS[verb](f)(*args)


@pytest.mark.parametrize("verb", sorted(EVERY - {"depends"}))
def test_not_under_jit(verb):
    asked = VERBS[verb](jnp.sin)
    with pytest.raises(tl.InputError, match="not under jit"):
        jax.jit(lambda x: (asked(x), x)[1])(X)


def test_shapes_and_structures_that_differ():
    double = lambda x: 2 * x
    with pytest.raises(tl.InputError, match="one structure"):
        tl.equivalent(double, lambda x: (x, x))(X)
    with pytest.raises(tl.InputError, match="has the shape"):
        tl.equivalent(double, lambda x: x[:2])(X)
    with pytest.raises(tl.InputError, match="out_axis"):
        tl.batch_invariant(lambda x: x.sum(), sizes=(1, 2))(X)
    with pytest.raises(tl.InputError, match="in_axis and out_axis"):
        tl.depends(lambda x: x[:2])(X).assert_causal()


def loops(x):
    return lax.while_loop(lambda h: h.sum() < 50, lambda h: 2 * h, x * x + 3)


def test_comparisons_that_nothing_decides_are_no_error_and_no_yes():
    """A loop on numbers: None over residues, points over the reals, all possible
    dependences; reverse mode, which JAX lacks there, is refused."""
    assert tl.equivalent(loops, lambda x: loops(x) * 1.0)(X).equal is None
    report = tl.check_jvp(loops)(X)
    assert report.ok and report.scope == "at points"
    with pytest.raises(tl.InputError, match="Reverse-mode"):
        tl.check_vjp(loops)(X)
    assert tl.depends(loops)(X).matrix.all()


def test_printing_is_no_side_effect_that_matters():
    def prints(x):
        jax.debug.print("{}", x)
        return 2 * x

    assert tl.equivalent(prints, lambda x: x + x)(X)
    assert tl.depends(prints)(X).matrix.sum() == 3
