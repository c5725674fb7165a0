"""The table of derivatives that the proof of reverse mode assumes (proofs/Rules.v), and
what JAX applies for the primitives of those names, as `tl.check_vjp` tests it.

The formulas are read from the Coq file and computed by mpmath. That the slope there is
the derivative of the meaning there is a theorem and not tested again.
"""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl

TEXT = (Path(__file__).resolve().parents[2] / "proofs" / "Rules.v").read_text()
AT = 0.375  # in the domain of every function
POWER = 3
X = jnp.float32([3.0, -1.0, 2.0, 5.0])

LINEAR = {
    "add": lambda x: x + x[::-1],
    "sub": lambda x: x - 2.0,
    "neg": lambda x: -x,
    "add_any": lambda x: jax.vjp(lambda y: y * y, X)[1](x)[0],
    "reduce_sum": jnp.sum,
    "cumsum": jnp.cumsum,
    "broadcast_in_dim": lambda x: jnp.broadcast_to(x, (3, 4)),
    "reshape": lambda x: x.reshape(2, 2),
    "transpose": lambda x: lax.transpose(x.reshape(1, 4), (1, 0)),
    "squeeze": lambda x: lax.squeeze(x.reshape(4, 1), (1,)),
    "slice": lambda x: lax.slice(x, (1,), (3,)),
    "pad": lambda x: jnp.pad(x, 1),
    "rev": lambda x: lax.rev(x, (0,)),
    "concatenate": lambda x: jnp.concatenate([x, x]),
    "dynamic_slice": lambda x: lax.dynamic_slice(x, (jnp.int32(1),), (2,)),
    "dynamic_update_slice": lambda x: lax.dynamic_update_slice(
        jnp.ones(6), x, (jnp.int32(1),)
    ),
    "gather": lambda x: x[jnp.array([2, 0, 2])],
    "scatter-add": lambda x: jnp.ones(3).at[jnp.array([2, 0, 2, 1])].add(x),
    "select_n": lambda x: jnp.where(jnp.array([True, False, True, False]), x, -2 * x),
    "copy": lambda x: jnp.array(x, copy=True),
}
PRODUCTS = {
    "mul": lambda a, b: a * b,
    "dot_general": lambda a, b: a.reshape(2, 2) @ b.reshape(2, 2),
    "conv_general_dilated": lambda a, b: lax.conv_general_dilated(
        a.reshape(1, 1, 4), b[:3].reshape(1, 1, 3), (1,), "SAME"
    ),
}


def listed(name: str) -> str:
    found = re.search(rf"Definition {name} .*?:= \[(.*?)\]%string", TEXT, re.S)
    assert found, name
    return found[1]


def functions() -> dict[str, str]:
    """Constructor of Rules.v, by the primitive's name."""
    pairs = re.findall(r'\("(\w+)", (?:Map (\w+)|Powers)\)', listed("elementwise"))
    return {name: constructor or "Power" for name, constructor in pairs}


def formulas(which: str) -> dict[str, str]:
    body = re.search(rf"Definition {which} \(f.*?match f with(.*?)\n  end", TEXT, re.S)
    assert body, which
    return dict(re.findall(r"\| (\w+)(?: n)? => (.*)", body[1]))


def computed(formula: str):
    """A term of Coq, by mpmath; an application binds tighter than all else."""
    names = {name: getattr(mpmath, name) for name in ("exp", "sqrt", "sinh", "cosh")}
    names |= {name: getattr(mpmath, name) for name in ("tanh", "sin", "cos", "tan")}
    names |= {"ln": mpmath.log, "atan": mpmath.atan, "asin": mpmath.asin}
    names |= {"acos": mpmath.acos, "INR": mpmath.mpf, "pred": lambda n: n - 1}
    text = re.sub(r"\b([a-zA-Z]\w+) (\w+|\()", _applied, formula).replace("^", "**")
    return eval(text, names | {"x": mpmath.mpf(AT), "n": POWER})  # our own text


def _applied(found) -> str:
    name, argument = found.groups()
    return f"{name}(" if argument == "(" else f"{name}({argument})"


def primitive(name: str):
    if name == "integer_pow":
        return lambda x: lax.integer_pow(x, POWER)
    return getattr(lax, name)


def applied_slope(name: str):
    """What JAX's own rule says, over the reals, to 40 digits."""
    slope = tl.interpret(jax.grad(primitive(name)), domain=tl.Real(digits=40))(AT)
    return mpmath.mpf(slope.balls.item().mid().str(40, radius=False))


def agrees(found, expected) -> bool:
    return abs(found - expected) < abs(expected) * mpmath.mpf(10) ** -25


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(40):
        yield


@pytest.mark.parametrize("name", functions())
def test_slopes_are_those_that_jax_applies(name):
    constructor = functions()[name]
    assert agrees(applied_slope(name), computed(formulas("slope")[constructor]))
    value = mpmath.mpf(float(primitive(name)(jnp.float32(AT))))
    assert abs(value / computed(formulas("meaning")[constructor]) - 1) < 1e-5


def test_a_wrong_slope_is_noticed():
    """One sign, one argument, one power in the text of the table."""
    for name, wrong in [
        ("cos", "sin x"),
        ("tanh", "1 + tanh x * tanh x"),
        ("log1p", "1 / x"),
        ("integer_pow", "INR n * x ^ n"),
        ("rsqrt", "- 1 / (x * sqrt x)"),
    ]:
        assert not agrees(applied_slope(name), computed(wrong)), name


def test_check_vjp_tests_every_name_node_by_node():
    named = set(functions()) | set(LINEAR) | set(PRODUCTS) | {"div"}
    in_text = set(functions()) | set(re.findall(r'"([\w-]+)"', listed("linear")))
    in_text |= set(re.findall(r'\("(\w+)"', listed("products")))
    assert named == in_text

    def every(x, a, b):
        mapped = [primitive(name)(x) for name in functions()]
        moved = [f(a) for f in LINEAR.values()]
        return mapped, moved, [f(a, b) for f in PRODUCTS.values()], a / b

    report = tl.check_vjp(every, nodes=True, points=1)(jnp.float32(AT), X, X + 0.5)
    nodes = {node.equation.name: node.verdict for node in report.nodes}
    assert report.ok and in_text <= set(nodes)
    assert {nodes[name] for name in in_text} <= {"agrees"}


@pytest.mark.parametrize("name", LINEAR)
def test_what_the_table_calls_linear_is(name):
    """f(x + y) + f(0) = f(x) + f(y), exactly: all are small integers."""
    f, y, zero = LINEAR[name], X[::-1] + 1, jnp.zeros_like(X)
    assert np.array_equal(f(X + y) + f(zero), f(X) + f(y))


@pytest.mark.parametrize("name", PRODUCTS)
def test_what_the_table_calls_a_product_is_linear_in_each(name):
    f, y = PRODUCTS[name], X[::-1] + 1
    for g in (lambda x: f(x, y), lambda x: f(y, x)):
        assert np.array_equal(g(X + y), g(X) + g(y))
        assert not np.any(g(jnp.zeros_like(X)))
