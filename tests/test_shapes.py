"""`tl.shapes`: every wrong shape is refused, every right one passes, layers are named.

Oracles: the sizes that a name has, collected by brute force; jaxtyping's own decorator
with beartype; `jax.eval_shape`.
"""

import gc
import weakref
from typing import Any

import equinox
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from beartype import beartype
from flax import linen, nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import torchlean_jax as tl

KEY = jax.random.key(0)


def zeros(*shape, dtype="float32"):
    return np.zeros(shape, dtype)


def passes(call, *args):
    try:
        call(*args)
    except tl.ShapeError:
        return False
    return True


# --- what is accepted ---------------------------------------------------------------

TOKENS = ["a", "b", "c", "2", "3"]
one_array = st.lists(
    st.tuples(st.sampled_from(TOKENS), st.integers(0, 3)), min_size=0, max_size=3
)


@given(arrays=st.lists(one_array, min_size=2, max_size=4), other=st.booleans())
@settings(deadline=None)
def test_a_name_has_one_size_in_all_arguments_and_results(arrays, other):
    *arguments, result = (" ".join(t for t, _ in array) for array in arrays)
    *given_, returned = (zeros(*(size for _, size in array)) for array in arrays)
    f = tl.shapes(lambda *xs: returned, f"{', '.join(arguments)} -> {result}")
    sizes = {}
    for token, size in (pair for array in arrays for pair in array):
        sizes.setdefault(token, {int(token)} if token.isdigit() else set()).add(size)
    assert passes(f, *given_) == all(len(found) == 1 for found in sizes.values())
    more = [*given_[:-1], given_[-1][None]]  # one axis more is never right
    assert not passes(f, *more)


DIMENSIONS = [
    "n",
    "m n",
    "*b n",
    "#n m",
    "*#b",
    "_ n",
    "... n",
    "2 n",
    "",
    "n n",
    "n=3",
]
RESULTS = ["n", "2*n", "n+1 n", "*b n//2", "max(n,2)", "n-1 _"]
shape = st.lists(st.integers(1, 4), max_size=3).map(tuple)


@given(
    dims=st.lists(st.sampled_from(DIMENSIONS), min_size=1, max_size=3),
    result=st.sampled_from(RESULTS),
    dtypes=st.lists(st.sampled_from(["float32", "int32"]), min_size=4, max_size=4),
    shapes=st.lists(shape, min_size=4, max_size=4),
)
@settings(deadline=None, max_examples=80)
def test_it_agrees_with_jaxtyping_and_beartype(dims, result, dtypes, shapes):
    dims = ["n", *dims]  # so that expressions have a value
    shapes = [(3,), *shapes]
    returned = zeros(*shapes[-1])
    arguments = [
        zeros(*s, dtype=d) for s, d in zip(shapes, ["float32", *dtypes], strict=True)
    ]
    arguments = arguments[: len(dims)]
    names = [f"x{i}" for i in range(len(dims))]
    namespace: dict[str, Any] = {"returned": returned}
    exec(f"def f({', '.join(names)}): return returned", namespace)
    f = namespace["f"]
    f.__annotations__ = {
        **{n: jaxtyping.Float[np.ndarray, d] for n, d in zip(names, dims, strict=True)},
        "return": jaxtyping.Shaped[np.ndarray, result],
    }
    theirs = jaxtyping.jaxtyped(f, typechecker=beartype)
    try:
        theirs(*arguments)
        expected = True
    except jaxtyping.TypeCheckError:
        expected = False
    declared = ", ".join(f"float[{d}]" for d in dims) + f" -> {result}"
    assert passes(tl.shapes(f, declared), *arguments) == expected


@given(left=shape, right=shape)
@settings(deadline=None)
def test_of_matrices_it_refuses_what_jax_refuses(left, right):
    """Of vectors and stacks of matrices, which jax multiplies too, it refuses all."""
    x, w = zeros(*left), zeros(*right)
    try:
        result = jax.eval_shape(jnp.matmul, x, w)
    except (TypeError, ValueError):
        result = None
    declared = tl.shapes(jnp.matmul, "batch n, n m -> batch m")
    matrices = len(left) == len(right) == 2
    expected = matrices and result is not None
    assert passes(lambda: jax.eval_shape(declared, x, w)) == expected
    if expected:
        assert result is not None and result.shape == (left[0], right[1])


def test_a_size_of_1_for_a_broadcast_axis_says_nothing_of_its_name():
    f = tl.shapes(lambda x, y: y, "#n, n -> 2*n")
    assert passes(f, zeros(3), zeros(3)) is False
    assert passes(tl.shapes(lambda x, y: zeros(6), "#n, n -> 2*n"), zeros(1), zeros(3))
    with pytest.raises(tl.ShapeError, match="no value"):
        tl.shapes(lambda x: zeros(2), "#n -> 2*n")(zeros(1))


@pytest.mark.parametrize(
    "dtype, right, wrong",
    [
        ("float32", jnp.float32, jnp.bfloat16),
        ("bfloat16", jnp.bfloat16, jnp.float16),
        ("float", jnp.bfloat16, jnp.int32),
        ("int", jnp.int8, jnp.uint8),
        ("uint", jnp.uint8, jnp.int8),
        ("integer", jnp.uint8, jnp.bool_),
        ("bool", jnp.bool_, jnp.int32),
        ("complex", jnp.complex64, jnp.float32),
    ],
)
def test_dtypes(dtype, right, wrong):
    f = tl.shapes(lambda x: x, f"{dtype}[n] -> n")
    assert passes(f, jnp.zeros(2, right))
    with pytest.raises(tl.ShapeError, match=jnp.dtype(wrong).name):
        f(jnp.zeros(2, wrong))


def test_keys_scalars_and_python_numbers():
    f = tl.shapes(lambda key, x: x, "key[], float32[] -> ")
    assert f(KEY, 2.0) == 2.0
    assert not passes(f, KEY, 2)
    assert not passes(f, jnp.zeros(2, jnp.uint32), 2.0)


def test_what_is_no_array_is_refused_unless_it_is_not_looked_at():
    for value in (None, "float32", [1.0, 2.0], jnp.sin):
        with pytest.raises(tl.ShapeError, match="not an array"):
            tl.shapes(lambda x: zeros(), "n -> ")(value)
        tl.shapes(lambda x: zeros(), "... -> ")(value)


# --- structures ---------------------------------------------------------------------

MLP = "({w: n h, b: h}, {w: h m, b: m}), batch n -> batch m"


def layer(n, m):
    return {"w": jnp.zeros((n, m)), "b": jnp.zeros(m)}


@tl.shapes(MLP)
def mlp(params, x):
    for p in params:
        x = x @ p["w"] + p["b"]
    return x


def test_structures_of_arguments():
    assert mlp([layer(4, 8), layer(8, 3)], zeros(5, 4)).shape == (5, 3)
    with pytest.raises(tl.ShapeError, match=r"params\[1\]\.w +float32\[7,3\]"):
        mlp([layer(4, 8), layer(7, 3)], zeros(5, 4))
    with pytest.raises(tl.ShapeError, match="a list of 3"):
        mlp([layer(4, 8), layer(8, 3), layer(3, 3)], zeros(5, 4))
    with pytest.raises(tl.ShapeError, match=r"params\[0\] +a dict"):
        mlp([{"w": zeros(4, 8)}, layer(8, 3)], zeros(5, 4))


def test_fields_of_objects_and_several_results():
    def split(x):
        return x[:2], x[2:]

    assert len(tl.shapes(split, "n -> 2, n-2")(zeros(5))) == 2
    with pytest.raises(tl.ShapeError, match=r"returned\[1\]"):
        tl.shapes(split, "n -> 2, n")(zeros(5))
    with pytest.raises(tl.ShapeError, match="a tuple of 2"):
        tl.shapes(split, "n -> m")(zeros(5))
    linear = equinox.nn.Linear(4, 3, key=KEY)
    f = tl.shapes(lambda p, x: p(x), "{weight: m n, bias: m}, n -> m")
    assert f(linear, zeros(4)).shape == (3,)
    with pytest.raises(tl.ShapeError):
        f(linear, zeros(5))


# --- planted mistakes ---------------------------------------------------------------


def transposed(x, w):
    return x @ w.T


def lost_batch(x, w):
    return (x @ w)[0]


def broadcast(x, w):
    """(batch,) minus (batch, 1) is a matrix of all pairs."""
    return x @ w - jnp.sum(x, 1, keepdims=True)[None, :, 0, None, None]


def mean_over_the_batch(x, w):
    return (x @ w).mean(0, keepdims=True)


MISTAKES = [transposed, lost_batch, broadcast, mean_over_the_batch]
X, W, SQUARE = zeros(6, 4), zeros(4, 3), zeros(4, 4)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("how", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_mistakes_are_found(mistake, how):
    """Also where the program runs: square weights hide a transposition, no more."""
    declared = tl.shapes(mistake, "batch n, n m -> batch m")
    w = zeros(3, 4) if mistake is transposed else W
    mistake(X, w)  # it runs
    with pytest.raises(tl.ShapeError):
        how(declared)(X, w)
    with pytest.raises(tl.ShapeError):
        jax.eval_shape(declared, X, w)


def test_a_loss_that_broadcasts():
    def loss(predicted, target):
        return ((predicted - target) ** 2).mean()

    declared = tl.shapes(loss, "batch, batch -> ")
    assert loss(zeros(8, 1), zeros(8)) == 0  # a mean over 64 pairs
    with pytest.raises(tl.ShapeError, match=r"predicted +float32\[8,1\]"):
        declared(zeros(8, 1), zeros(8))
    with pytest.raises(tl.ShapeError):
        jax.grad(declared)(zeros(8, 1), zeros(8))
    assert jax.grad(declared)(zeros(8), zeros(8)).shape == (8,)


def test_under_vmap_shapes_are_those_of_one_example():
    f = tl.shapes(lambda x, w: x @ w, "n, n m -> m")
    assert jax.vmap(f, (0, None))(X, W).shape == (6, 3)
    with pytest.raises(tl.ShapeError):
        jax.vmap(f, (1, None))(X, W)


def test_in_a_scan():
    def step(h, x):
        return jnp.tanh(h + x), h

    f = tl.shapes(step, "h, h -> h, h")
    assert jax.lax.scan(f, zeros(3), zeros(5, 3))[1].shape == (5, 3)
    with pytest.raises(tl.ShapeError):
        jax.lax.scan(f, zeros(3), zeros(5, 1))  # it would broadcast


# --- layers -------------------------------------------------------------------------


def nnx_pair(between=()):
    layers = (
        tl.shapes(
            nnx.Linear(16, 128, rngs=nnx.Rngs(0)),
            "batch n -> batch 128",
            name="encoder",
        ),
        *between,
        tl.shapes(
            nnx.Linear(64, 10, rngs=nnx.Rngs(0)), "batch 64 -> batch 10", name="decoder"
        ),
    )
    return nnx.Sequential(*layers)


BOTH = (
    r'`decoder` \(declared "batch 64 -> batch 10"\) was given float32\[32,128\]'
    r'[^`]* returned by `encoder` \(declared "batch n -> batch 128"\)'
)


def test_both_layers_are_named():
    x = zeros(32, 16)
    with pytest.raises(tl.ShapeError, match=BOTH):
        nnx_pair()(x)
    with pytest.raises(tl.ShapeError, match=BOTH):
        jax.eval_shape(nnx_pair(), x)
    with pytest.raises(tl.ShapeError, match=BOTH):
        nnx.jit(lambda model, x: model(x))(nnx_pair(), x)
    with pytest.raises(tl.ShapeError, match=r"`encoder` .* returned this shape"):
        nnx_pair([jax.nn.relu])(x)


def test_an_error_of_jax_gets_a_note_that_names_both_layers():
    """The sizes of the weights are not declared, and jax names no layer."""
    rngs = nnx.Rngs(0)
    one, two = nnx.Linear(16, 128, rngs=rngs), nnx.Linear(64, 10, rngs=rngs)
    encoder = tl.shapes(one, "batch n -> batch m", name="encoder")
    decoder = tl.shapes(two, "batch n -> batch m", name="decoder")
    model = tl.shapes(lambda x: decoder(encoder(x)), "b n -> b m", name="model")
    with pytest.raises(TypeError, match="contracting") as error:
        model(zeros(32, 16))
    inner, outer = (n for n in error.value.__notes__ if n.startswith("in `"))
    assert "in `decoder`" in inner and "returned by `encoder`" in inner
    assert "float32[32,128]" in inner and outer.startswith("in `model`")
    assert "returned" not in outer


def test_an_array_from_elsewhere_is_not_said_to_come_from_a_layer():
    encoder, decoder = nnx_pair().layers
    encoder(zeros(32, 16))
    with pytest.raises(tl.ShapeError) as error:
        decoder(jnp.zeros((31, 128)))
    assert "encoder" not in str(error.value)


def test_functions_as_layers():
    encode = tl.shapes(lambda x: x @ zeros(16, 128), "b 16 -> b 128", name="encode")
    decode = tl.shapes(lambda x: x @ zeros(64, 10), "b 64 -> b 10", name="decode")
    with pytest.raises(tl.ShapeError, match=r"(?s)`decode` .* by `encode`"):
        decode(encode(jnp.zeros((2, 16))))


def test_an_nnx_module_stays_what_it_was():
    plain = nnx.Linear(4, 3, rngs=nnx.Rngs(0))
    declared = tl.shapes(plain, "batch 4 -> batch 3")
    assert type(plain) is nnx.Linear and isinstance(declared, nnx.Linear)
    assert declared.kernel is plain.kernel
    assert type(tl.shapes(plain, "batch 4 -> batch 3")) is type(declared)
    graph, state = nnx.split(declared)
    assert jax.tree.structure(state) == jax.tree.structure(nnx.state(plain))
    again = nnx.merge(graph, state)
    np.testing.assert_array_equal(again(jnp.ones((2, 4))), plain(jnp.ones((2, 4))))
    with pytest.raises(tl.ShapeError):
        again(zeros(4))
    plain(zeros(4))
    gradient = nnx.grad(lambda m: m(jnp.ones((2, 4))).sum())(declared)
    np.testing.assert_array_equal(gradient["kernel"][...], jnp.full((4, 3), 2.0))


class Net(linen.Module):
    """A method, and layers inside a compact method."""

    hidden: int = 8

    @tl.shapes("batch n -> batch 10")
    @linen.compact
    def __call__(self, x):
        x = tl.shapes(linen.Dense(8), "batch n -> batch 8")(x)
        return tl.shapes(linen.Dense(10, name="head"), f"b {self.hidden} -> b 10")(x)


class Plain(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(10, name="head")(linen.Dense(8)(x))


def test_linen_modules():
    x = zeros(2, 4)
    variables = Net().init(KEY, x)
    expected = Plain().init(KEY, x)
    assert jax.tree.all(jax.tree.map(np.array_equal, variables, expected))
    with pytest.raises(tl.ShapeError, match=r"(?s)`head` .* by `Dense_0`"):
        Net(hidden=9).init(KEY, x)
    outer = tl.shapes(Plain(), "batch 4 -> batch 10")
    assert isinstance(outer, Plain)
    with pytest.raises(tl.ShapeError, match="`Plain`"):
        outer.init(KEY, zeros(2, 5))
    module, same = tl.shapes((Plain(), variables), "batch 4 -> batch 10")
    assert same is variables and module.apply(variables, x).shape == (2, 10)
    box = tl.box(jnp.zeros((2, 4)), radius=0.1)
    assert tl.bounds((module, variables), method="ibp")(box).lo.shape == (2, 10)


def test_equinox_modules():
    plain = equinox.nn.Linear(4, 3, key=KEY)
    declared = tl.shapes(plain, "4 -> 3")
    assert isinstance(declared, equinox.nn.Linear) and declared.weight is plain.weight
    gradient = equinox.filter_grad(lambda m: m(jnp.ones(4)).sum())(declared)
    assert gradient.weight.shape == (3, 4)
    with pytest.raises(tl.ShapeError, match="`Linear`"):
        declared(zeros(5))


# --- what it costs, and what it leaves alone ----------------------------------------


def test_nothing_is_left_in_the_compiled_program():
    traced = []

    def f(x, w):
        traced.append(x)
        return x @ w

    declared = tl.shapes(f, "batch n, n m -> batch m")
    compiled = jax.jit(declared)
    for _ in range(5):
        compiled(X, W)
    assert len(traced) == 1
    assert str(jax.make_jaxpr(declared)(X, W)) == str(jax.make_jaxpr(f)(X, W))


def test_arrays_are_not_kept_alive():
    f = tl.shapes(lambda x: x + 1, "n -> n")
    result = f(jnp.zeros(4))
    alive = weakref.ref(result)
    del result
    gc.collect()
    assert alive() is None


def test_checks_of_the_user_are_left_alone():
    """A bare isinstance in the function does not meet the names declared outside."""

    def f(x):
        assert isinstance(zeros(5), jaxtyping.Shaped[np.ndarray, "n"])
        return x

    assert passes(tl.shapes(f, "n -> n"), zeros(3))


def test_errors_and_keywords_of_the_function_go_through():
    @tl.shapes("batch n -> batch n")
    def f(x, scale=1.0, *, training=False):
        """Doc."""
        if training:
            raise RuntimeError("mine")
        return x * scale

    assert f.__name__ == "f" and f.__doc__ == "Doc."
    assert f(x=jnp.ones((2, 3)), scale=2.0)[0, 0] == 2
    with pytest.raises(RuntimeError, match="mine"):
        f(X, training=True)
    with pytest.raises(TypeError, match="y"):
        f(X, y=1)
    with pytest.raises(tl.ShapeError):
        f(x=zeros(3))


def test_an_argument_at_its_default_is_not_looked_at():
    f = tl.shapes(lambda x, mask=None: x, "n, bool[n] -> n")
    assert passes(f, zeros(3)) and passes(f, zeros(3), zeros(3, dtype=bool))
    assert not passes(f, zeros(3), None)
    assert not passes(f, zeros(3), zeros(2, dtype=bool))


def test_any_number_of_arguments():
    f = tl.shapes(lambda *xs: xs[0], "n, n -> n")
    assert passes(f, zeros(3), zeros(3))
    with pytest.raises(tl.ShapeError, match="1 argument"):
        f(zeros(3))
    with pytest.raises(tl.ShapeError, match="3 argument"):
        f(zeros(3), zeros(3), zeros(2))


# --- declarations that mean nothing -------------------------------------------------


@pytest.mark.parametrize(
    "declared, at, why",
    [
        ("n m", "", "->"),
        ("n -> m -> k", "-> k", "->"),
        ("n, n* m -> m", "n* m", "no size"),
        ("n, (m -> m", "(m", "never closed"),
        ("n, m) -> m", ") -> m", "nothing is open"),
        ("(n] -> m", "] ->", "nothing is open"),
        ("f32[n] -> m", "f32", "dtype"),
        ("n, 2*m, m -> m", "2*m,", "the size of m has to come before"),
        ("2*n n -> n", "2*n", "has to come before"),
        ("*n, 2*n -> n", "2*n", "has to come before"),
        ("n -> m, ?n", "?n", "no size"),
        ("n, *a *b -> n", "*a", "more than once"),
        ("n, 3 -1 -> n", "-1", "no size"),
        ("n -> 2.5", "2.5", "no size"),
        ("n -> n.bit_length()", "n.bit", "no size"),
        ("n -> abs(n)", "abs", "only min and max"),
        ("n -> {m}", "m}", "key: shape"),
    ],
)
def test_the_place_of_a_mistake_is_shown(declared, at, why):
    with pytest.raises(tl.InputError, match="cannot read") as error:
        tl.shapes(lambda *xs: xs, declared)
    first, text, mark = str(error.value).split("\n")
    assert why in first and text.strip() == declared
    assert declared[mark.index("^") - 2 :].startswith(at)


def test_a_declaration_fits_the_signature():
    with pytest.raises(tl.InputError, match=r"declares 1 .* takes x, w"):
        tl.shapes(lambda x, w: x, "n -> n")
    with pytest.raises(tl.InputError, match="declares 2"):
        tl.shapes(lambda x: x, "n, n -> n")
    for wrong in (3, nnx.Linear, (1, 2)):
        with pytest.raises(tl.InputError):
            tl.shapes(wrong, "n -> n")
    with pytest.raises(tl.InputError, match="are declared as in"):
        tl.shapes(jnp.sin)
