"""`audit_compilation` names what the compiler did not keep.

The oracle is NumPy, whose operations are the hardware's: a program that is audited
clean and sums nothing returns its bits, and one that is not differs somewhere.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax._hlo import parse

RNG = np.random.default_rng(5)
X = RNG.uniform(0.1, 9.0, (64, 64)).astype(np.float32)
W = RNG.normal(size=(3, 64, 64)).astype(np.float32) / 8

# Functions of (jnp or np, x) without library functions, and what a plain jit of any JAX
# version makes of them.
REWRITTEN = {
    "div": lambda np, x: x / np.float32(3),
    "sqrt": lambda np, x: x / np.sqrt(x + np.float32(1)),
}
KEPT = {
    "a quotient by a power of two": lambda np, x: x / np.float32(4),
    "idle operations": lambda np, x: x * np.float32(1) + np.float32(0),
    "doubling": lambda np, x: x * np.float32(2) + x * np.float32(2),
    "two equal roots": lambda np, x: np.sqrt(x) * np.sqrt(x),
    "a quotient of two": lambda np, x: x / (x + np.float32(1)),
    "a folded constant": lambda np, x: x * (np.float32(1) / np.float32(3)),
}


def audits(f, *args):
    return tl.audit_compilation(f)(*args), tl.audit_compilation(tl.faithful_jit(f))(
        *args
    )


def bits_differ(f, compiled):
    return bool((np.asarray(compiled(lambda x: f(jnp, x))(X)) != f(np, X)).any())


@pytest.mark.smoke
@pytest.mark.parametrize("primitive", REWRITTEN)
def test_a_rewrite_is_named_and_its_bits_differ(primitive):
    f = REWRITTEN[primitive]
    plain, faithful = audits(lambda x: f(jnp, x), X)
    assert primitive in {finding.primitive for finding in plain.findings}
    assert not plain.clean and bits_differ(f, jax.jit)
    assert faithful.clean and not bits_differ(f, tl.faithful_jit)


@pytest.mark.smoke
@pytest.mark.parametrize("name", KEPT)
def test_what_is_clean_has_the_bits_that_are_written(name):
    f = KEPT[name]
    plain, faithful = audits(lambda x: f(jnp, x), X)
    assert plain.clean and faithful.clean
    assert not bits_differ(f, jax.jit)


CANCELLED = {
    "a sum": (lambda np, x: (x + np.float32(1e8)) - np.float32(1e8), {"add", "sub"}),
    "an inverse": (lambda np, x: np.float32(1) / (np.float32(1) / x), {"div"}),
    "constants": (lambda np, x: (x + np.float32(1.1)) + np.float32(2.3), {"add"}),
    "exponentials": (lambda np, x: np.log(np.exp(x)), {"exp", "log"}),
}


@pytest.mark.smoke
@pytest.mark.parametrize("name", CANCELLED)
def test_what_is_cancelled_is_named(name):
    """Newer compilers keep some of these; then the bits agree."""
    f, primitives = CANCELLED[name]
    plain, faithful = audits(lambda x: f(jnp, x), X)
    assert faithful.clean
    if plain.clean:
        kept = jax.jit(lambda x: f(jnp, x))(X)
        assert (kept == tl.faithful_jit(lambda x: f(jnp, x))(X)).all()
    else:
        assert {finding.primitive for finding in plain.findings} <= primitives


def layer_norm(x):
    centred = x - x.mean(-1, keepdims=True)
    variance = jnp.square(centred).mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5)


MODELS = {
    "mlp": lambda x: jnp.tanh(jax.nn.relu(x @ W[0]) @ W[1]),
    "norm": layer_norm,
    "gelu": lambda x: jax.nn.gelu(x @ W[0].T),
    "attention": lambda x: (
        jax.nn.softmax((x @ W[0]) @ (x @ W[1]).T / np.sqrt(64)) @ (x @ W[2])
    ),
    "scan": lambda x: jax.lax.scan(
        lambda h, a: (jnp.tanh(W[0] @ h + a), h / 3), x[0], x
    ),
    "cond": lambda x: jax.lax.cond(x[0, 0] > 1, lambda x: x * 2.5, lambda x: x / 7, x),
    "gradient": jax.grad(lambda x: jnp.sum(jax.nn.silu(x @ W[0]) ** 2)),
    "convolution": lambda x: jax.lax.conv_general_dilated(
        x[None, None], W[:1, None, :3, :3], (1, 1), "SAME"
    ),
    "library": lambda x: jnp.arcsinh(x) + jax.scipy.special.erf(x) + x**2.5,
}


@pytest.mark.parametrize("name", MODELS)
def test_models_compile_faithfully(name):
    audit = tl.audit_compilation(tl.faithful_jit(MODELS[name]))(X)
    assert audit.clean, str(audit)


@pytest.mark.parametrize("name", ["attention", "scan", "cond"])
def test_a_quotient_deep_inside_is_found(name):
    audit = tl.audit_compilation(jax.jit(MODELS[name]))(X)
    found = {(f.primitive, f.became, f.covered) for f in audit.findings}
    assert found == {("div", "multiply", True)}


def test_it_says_where():
    audit = tl.audit_compilation(MODELS["cond"])(X)
    (finding,) = audit.findings
    assert finding.line[0].endswith("test_audit.py")
    assert "lax.cond" in finding.line[2]
    assert str(audit).count("\n") == 2
    assert "test_audit.py" in str(audit) and "faithful_jit" in str(audit)
    assert "as it is written" in str(tl.audit_compilation(lambda x: x + 1)(X))


def test_an_audit_that_reads_nothing_is_noticed():
    """Both texts must be understood: every operation is found in each of them."""
    lowered = jax.jit(MODELS["mlp"]).lower(X)
    for text in (
        lowered.as_text(dialect="hlo", debug_info=True),
        lowered.compile().as_text(),
    ):
        found = [
            i.opcode
            for c in parse(text).computations.values()
            for i in c.instructions.values()
        ]
        assert found.count("dot") == 2 and "tanh" in found and "maximum" in found
        assert parse(text).entry


def test_a_box_is_no_run():
    with pytest.raises(tl.InputError, match=r"takes arrays.*Interval"):
        tl.audit_compilation(jnp.tanh)(tl.box(X, radius=0.1))
