"""Claims are found on every kind of function, and change nothing about it."""

import copy
import inspect
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import torchlean_jax as tl
from torchlean_jax import claims


def plain(x, *, power: int = 2):
    """To be told from what is made of it."""
    return x**power


def verdicts(subject):
    return [(r.function, r.name, r.holds) for r in claims.check(subject)]


def module(source, name="claiming"):
    """A module with that source, as importing its file would make it."""
    made = types.ModuleType(name)
    lines = "import jax, jax.numpy as jnp\nfrom torchlean_jax import claims\n"
    exec(compile(lines + source, f"{name}.py", "exec"), vars(made))
    return made


def test_the_function_itself_is_returned():
    signature, text = inspect.signature(plain), plain.__doc__
    same = claims.causal()(claims.gradient()(claims.example("f32[3]")(plain)))
    assert same is plain
    assert inspect.signature(plain) == signature and plain.__doc__ == text
    x = jnp.arange(3.0)
    assert (jax.jit(jax.vmap(plain))(x) == x**2).all()
    assert pickle.loads(pickle.dumps(plain)) is plain
    assert copy.deepcopy(plain) is plain


def test_claims_do_not_travel_by_value():
    """cloudpickle takes attributes along; here that would be whole modules."""
    pickle.dumps(vars(claims.gradient()(lambda x: x)))


RECORDING = """
import jax, torchlean_jax as tl
def boom(*args): raise RuntimeError
jax.make_jaxpr = jax.jit = boom
f = tl.claims.example(boom)(tl.claims.example("f32[3]")(lambda x: boom()))
for kind in ("causal", "batch_independent", "batch_invariant", "gradient"):
    f = getattr(tl.claims, kind)()(f)
f = tl.claims.equals(boom)(tl.claims.derivative_of(boom)(f))
f = tl.claims.bounded_by(0, 1, box=(0, 1))(tl.claims.independent_of("x")(f))
"""


def test_recording_traces_nothing_and_starts_no_backend():
    environment = os.environ | {"JAX_PLATFORMS": "none_such"}
    for more, passes in (("", True), ("jax.numpy.ones(3)", False)):
        done = subprocess.run(
            [sys.executable, "-c", RECORDING + more],
            check=False,
            capture_output=True,
            env=environment,
        )
        assert (done.returncode == 0) == passes, done.stderr


def test_where_a_claim_stands():
    line = inspect.currentframe().f_lineno
    f = claims.gradient()(lambda x: x)
    (claim,) = claims._record.record_of(f).claims
    assert (claim.file, claim.line) == (__file__, line + 1)


def test_claims_of_one_kind_and_several_examples_are_numbered_in_order():
    @claims.independent_of("b")
    @claims.independent_of("a")
    @claims.causal()
    @claims.example("f32[3]", "f32[3]", "f32[3]")
    @claims.example("f32[1]", "f32[1]", "f32[1]")
    def first(x, a, b):
        return x + b

    assert verdicts(first) == [
        ("first", "independent_of[1]", False),
        ("first", "independent_of[2]", False),
        ("first", "independent_of[3]", True),
        ("first", "independent_of[4]", True),
        ("first", "causal[1]", True),
        ("first", "causal[2]", True),
    ]


def test_examples_by_keyword_with_options_and_trees():
    @claims.gradient()
    @claims.independent_of("shift")
    @claims.example({"w": "f32[2,3]"}, "bf16[]", mode="sum", shift=np.float32(2), n=2)
    def loss(params, x, *, mode, shift, n):
        if mode != "sum" or n > 2:
            raise ValueError
        return jnp.sum(params["w"] * x) * n + 0 * shift

    assert verdicts(loss) == [
        ("loss", "gradient", True),
        ("loss", "independent_of", True),
    ]


@pytest.mark.parametrize("shape", ["f32[3", "i32[3]", "float12[3]", "f32[3;4]", "[3]"])
def test_a_shape_that_is_none_leaves_the_claim_undecided(shape):
    (result,) = claims.check(claims.gradient()(claims.example(shape)(lambda x: x)))
    assert result.holds is None and "f32[16,8]" in result.why


def test_what_stands_in_the_way_is_said():
    (result,) = claims.check(claims.gradient()(lambda x: x))
    assert result.holds is None and "no example" in result.why

    @claims.gradient()
    @claims.example("f32[3]")
    def broken(x):
        return x @ jnp.ones((4, 4))  # the line to show

    (result,) = claims.check(broken)
    assert result.holds is None and isinstance(result.report, tl.InputError)
    assert "the line to show" in result.why and __file__ in result.why

    @claims.independent_of("y")
    @claims.example("f32[3]")
    def lone(x, y=None):
        return x

    (result,) = claims.check(lone)
    assert result.holds is None and "it gives x" in result.why


def test_without_claims_there_is_nothing_to_check():
    for subject in (lambda x: x, np, nnx.Linear(2, 2, rngs=nnx.Rngs(0)), 3, (1, 2)):
        with pytest.raises(tl.InputError, match="claims nothing"):
            claims.check(subject)


@pytest.mark.parametrize("subject", [nnx.Linear, jax.tree_util.Partial(plain), len])
def test_what_is_no_function_claims_nothing(subject):
    with pytest.raises(tl.InputError, match="claims are"):
        claims.gradient()(subject)


RULE = """
@jax.custom_vjp
@claims.gradient()
@claims.example("f32[]")
def cube(x):
    return x ** 3

cube.defvjp(lambda x: (x ** 3, x), lambda x, ct: (ct * x,))
"""


def test_a_claim_under_a_decorator_is_about_what_is_called():
    """The rule of the custom_vjp is wrong; the function inside has no such rule."""
    made = module(RULE)
    assert verdicts(made) == [("cube", "gradient", False)]
    assert verdicts(made.cube) == [("cube", "gradient", False)]


HIDDEN = """
def hide(f):
    return lambda *args: f(*args)

@hide
@claims.causal()
@claims.example("f32[3]")
def reverse(x):
    return x[::-1]

def make():
    @claims.causal()
    @claims.example("f32[3]")
    def inner(x):
        return x
    return inner

kept = make()
batched = jax.vmap(kept)
batched = claims.batch_independent()(claims.example("f32[2,3]")(batched))
"""


def test_no_claim_of_a_module_is_lost_or_copied():
    """Not under a decorator that hides it, not in a function; and `jax.vmap`, which
    copies attributes, does not make the claims of `inner` claims of the batched one."""
    made = module(HIDDEN)
    assert verdicts(made) == [
        ("reverse", "causal", False),
        ("inner", "causal", True),
        ("inner", "batch_independent", True),
    ]
    assert not claims._record.records_in(module("x = 1"))


def reversed_rows(self, x):
    return self(x)[::-1][::-1]


class Plain:
    weight = 2.0

    @claims.gradient()
    @claims.equals(reversed_rows)
    @claims.example(lambda: (Plain(), "f32[4,3]"))
    def __call__(self, x):
        return jnp.tanh(x) * self.weight


class Nnx(nnx.Module):
    def __init__(self):
        self.dense = nnx.Linear(3, 3, rngs=nnx.Rngs(0))
        self.calls = nnx.Variable(jnp.zeros(()))

    @claims.gradient()
    @claims.equals(reversed_rows)
    @claims.example(lambda: (Nnx(), "f32[4,3]"))
    def __call__(self, x):
        self.calls[...] += 1  # what a traced module may not do but in a copy
        return jnp.tanh(self.dense(x))


class Eqx(eqx.Module):
    weight: jax.Array

    @claims.gradient()
    @claims.equals(reversed_rows)
    @claims.example(lambda: (Eqx(jnp.ones((3, 3))), "f32[4,3]"))
    def __call__(self, x):
        return jnp.tanh(x @ self.weight)


def linen():
    model = Linen()
    return model, model.init(jax.random.key(0), jnp.ones((4, 3)))


class Linen(nn.Module):
    def setup(self):
        self.dense = nn.Dense(3)

    @claims.gradient()
    @claims.equals(reversed_rows)
    @claims.example(lambda: (linen(), "f32[4,3]"))
    def __call__(self, x):
        return jnp.tanh(self.dense(x))


MODULES = [Plain(), Nnx(), Eqx(jnp.ones((3, 3))), linen()]


@pytest.mark.parametrize("instance", MODULES, ids=lambda m: type(m).__name__)
def test_methods_claim_with_the_instance_that_is_given_or_made(instance):
    owner = type(instance[0] if isinstance(instance, tuple) else instance)
    name = f"{owner.__name__}.__call__"
    expected = [(name, "gradient", True), (name, "equals", True)]
    assert verdicts(instance) == expected
    assert verdicts(owner.__call__) == expected


def test_a_method_without_an_instance_is_undecided_and_inherits_claims():
    class Base:
        @claims.causal()
        @claims.example("f32[3]")
        def __call__(self, x):
            return self.mix(x)

    class Good(Base):
        def mix(self, x):
            return x

    class Bad(Base):
        def mix(self, x):
            return x[::-1]

    found = [claims.check(instance)[0].holds for instance in (Good(), Bad())]
    assert found == [True, False]
    (result,) = claims.check(Base.__call__)
    assert result.holds is None and "is a method" in result.why


def test_a_module_among_the_arguments_is_held():
    @claims.gradient()
    @claims.example(lambda: (Nnx(), "f32[4,3]"))
    def loss(model, x):
        return jnp.mean(model(x) ** 2)

    assert verdicts(loss)[0][2] is True


def test_a_result_is_readable():
    @claims.causal()
    @claims.example("f32[3]")
    def flipped(x):
        return x[::-1]

    (result,) = claims.check(flipped)
    lines = str(result).splitlines()
    assert lines[0].startswith("false: `")
    assert (
        "is causal along axis 0" in lines[0] and f"{Path(__file__).name}:" in lines[0]
    )
    assert "depends on argument 0 at position" in lines[1]
