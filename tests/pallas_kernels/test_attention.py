"""Attention: its contract, what it needs of memory, bad input."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.pallas_kernels import base
from torchlean_jax.contracts import _determinism
from torchlean_jax.contracts._cuda import exported, lowered
from torchlean_jax.interpreters._kernel_call import kernel_faults, unrolled
from torchlean_jax.interpreters._kernel_program import Program as Run
from torchlean_jax.pallas_kernels import attention
from torchlean_jax.pallas_kernels.attention import _forward, _limits
from torchlean_jax.pallas_kernels.attention._contract import TERMS
from torchlean_jax.pallas_kernels.attention._shapes import Shape

FORWARD, BACKWARD = TERMS.programs


def arrays(batch, queries, keys, heads, kv_heads, dim, seed=0):
    random = np.random.default_rng(seed)
    shapes = (queries, heads), (keys, kv_heads), (keys, kv_heads)
    return tuple(
        jnp.asarray(random.normal(size=(batch, n, h, dim)), jnp.float32)
        for n, h in shapes
    )


def in_float64(q, k, v, allowed, bias=None):
    """The definition, row by row, in Python."""
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    out, group = np.zeros_like(q), q.shape[2] // k.shape[2]
    bias = np.zeros(()) if bias is None else bias
    bias = np.broadcast_to(bias, (*q.shape[:1], q.shape[2], q.shape[1], k.shape[1]))
    for b, i, h in np.ndindex(q.shape[:3]):
        js = [j for j in range(k.shape[1]) if allowed(b, i, j)]
        scores = [
            math.fsum(q[b, i, h] * k[b, j, h // group]) / math.sqrt(q.shape[3])
            + bias[b, h, i, j]
            for j in js
        ]
        weights = [math.exp(s - max(scores)) for s in scores]
        for w, j in zip(weights, js, strict=True):
            out[b, i, h] += w / math.fsum(weights) * v[b, j, h // group]
    return out


def test_the_contract_holds_on_a_sample():
    """Its clause of meaning: see `test_attention_faults`."""
    clauses = ["memory", "precision"]
    for shape in ("ragged", "window", "wide"):
        about = {"shapes": [shape], "dtypes": ["float32"], "clauses": clauses}
        base.assert_contract_holds("attention", **about)


def test_a_batch_does_not_change_the_bits_of_its_first():
    args = FORWARD.arguments(
        jax.random.key(0), Shape(3, 3, 4, 2, 1, 2, masked=True), jnp.float32
    )
    kept, detail = _determinism.rows_keep_their_bits(unrolled(FORWARD.kernel), args, 0)
    assert kept, detail  # of the kernel: the formula on a CPU promises no order


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_products_of_narrow_dtypes_are_added_in_float32(dtype):
    clauses = ["memory", "precision"]
    about = {"shapes": ["masked"], "dtypes": [dtype], "clauses": clauses}
    base.assert_contract_holds("attention", **about)


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
def test_unrolled_or_interpreted(program, interpreted):
    args = program.arguments(jax.random.key(0), TERMS.shapes["ragged"], jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


LENGTHS = jnp.array([[3, 6], [4, 5]])


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({}, lambda b, i, j: True),
        ({"causal": True, "alignment": "start"}, lambda b, i, j: j <= i),
        ({"causal": True, "alignment": "end"}, lambda b, i, j: j <= i + 2),
        ({"window": 1, "alignment": "start"}, lambda b, i, j: abs(i - j) <= 1),
        ({"window": (2, 0), "alignment": "end"}, lambda b, i, j: i <= j <= i + 2),
        (
            {"window": 1, "causal": True, "alignment": "end"},
            lambda b, i, j: i + 1 <= j <= i + 2,
        ),
        (
            {"causal": True, "alignment": "end", "kv_lengths": LENGTHS[:, 1]},
            lambda b, i, j: j < LENGTHS[b, 1] and j <= i + LENGTHS[b, 1] - 4,
        ),
        (
            {"q_lengths": LENGTHS[:, 0], "kv_lengths": LENGTHS[:, 1]},
            lambda b, i, j: i < LENGTHS[b, 0] and j < LENGTHS[b, 1],
        ),
        (
            {"mask": jnp.arange(6)[None, None, None] % 2 == 0},
            lambda b, i, j: j % 2 == 0,
        ),
    ],
)
def test_which_keys_a_query_may_look_at(options, allowed):
    q, k, v = arrays(2, 4, 6, 4, 2, 3)
    expected = in_float64(q, k, v, allowed)
    np.testing.assert_allclose(attention(q, k, v, **options), expected, atol=2e-6)


def test_a_bias_by_the_key_and_by_the_head():
    q, k, v = arrays(1, 3, 4, 2, 2, 2)
    bias = np.linspace(-2, 2, 8).reshape(1, 2, 1, 4).astype(np.float32)
    expected = in_float64(q, k, v, lambda b, i, j: True, bias)
    found = attention(q, k, v, bias=jnp.asarray(bias))
    np.testing.assert_allclose(found, expected, atol=2e-6)


LONG = 1024
_TYPE = re.compile(r"tensor<((?:\d+x)+)[a-z]")


def largest_array(how):
    """Elements of the largest array in the CUDA module of forward and backward."""
    x = jnp.zeros((1, LONG, 1, 16))
    bias = jnp.zeros((1, 1, 1, LONG))

    def loss(q, k, v, bias):
        return attention(q, k, v, bias=bias, causal=True, implementation=how).sum()

    module = exported(jax.grad(loss, (0, 1, 2, 3)), x, x, x, bias)
    sizes = [math.prod(map(int, t.split("x")[:-1])) for t in _TYPE.findall(module)]
    return max(sizes)


def test_no_array_of_queries_by_keys():
    assert largest_array("auto") == LONG * 16
    assert largest_array("reference") >= LONG * LONG


def test_no_tile_exceeds_its_budget():
    """64 x 64 scores and 64 x 128 elements of q, whatever the length."""
    q, k, v = (jnp.zeros((1, LONG, 1, 128), jnp.bfloat16),) * 3
    limits = _limits.limits(
        1, (LONG, LONG), (None, None), causal=True, window=None, alignment=None
    )
    (kernel,) = lowered(
        lambda *args: _forward.attention(*args, scale=1.0), q, k, v, limits
    )
    sizes = [math.prod(map(int, t.split("x")[:-1])) for t in _TYPE.findall(kernel.ir)]
    assert max(sizes) == 64 * 128


@pytest.mark.parametrize("causal", [False, True])
def test_bytes_are_those_that_the_documentation_counts(causal, monkeypatch):
    """Queries and results once, keys and values once for each tile of queries that may
    look at them."""
    length, tile, dim = 256, 64, 8
    q, k, v = (jax.ShapeDtypeStruct((1, length, 1, dim), jnp.float32),) * 3
    limits = _limits.limits(
        1, (length, length), (None, None), causal=causal, window=None, alignment=None
    )
    counted = {"load": 0, "store": 0}
    for name in counted:
        original = getattr(Run, name)

        def watched(self, eqn, ref, *rest, original=original, name=name):
            mask = rest[name == "store"] if len(rest) > (name == "store") else True
            inside = np.asarray(mask) & (ref.addresses >= 0)
            if ref.buffer.dtype == jnp.float32:
                counted[name] += int(inside.sum())
            return original(self, eqn, ref, *rest)

        monkeypatch.setattr(Run, name, watched)
    kernel = lambda *args: _forward.attention(*args, scale=1.0)
    assert not kernel_faults(kernel)(q, k, v, limits)
    tiles = length // tile
    visits = tiles * (tiles + 1) // 2 if causal else tiles * tiles
    assert counted["load"] == length * dim + 2 * visits * tile * dim
    assert counted["store"] == length * dim + 2 * length


ONES = jnp.ones((2, 3, 4, 5))


def test_lengths_that_are_known_can_be_closed_over_under_jit():
    """Equal scores average the keys within the length: 0 of one, 1 of (0, 1, 2)."""
    values = ONES * jnp.arange(3.0)[:, None, None]

    def mean(lengths):
        lengths = jnp.array(lengths)
        return jax.jit(lambda v: attention(ONES, ONES, v, kv_lengths=lengths))(values)

    assert jnp.allclose(mean([1, 3]), jnp.array([0.0, 1.0])[:, None, None, None])
    with pytest.raises(tl.InputError, match="from 0 to 3"):
        mean([1, 4])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((ONES[0], ONES, ONES), {}, r"q \[batch, queries.*q \[3, 4, 5\]"),
        ((ONES, ONES[:, :, :3], ONES[:, :, :3]), {}, "kv_heads that divides heads"),
        ((ONES, ONES[..., :2], ONES[..., :2]), {}, r"one head_dim.*k \[2, 3, 4, 2\]"),
        ((ONES, ONES, ONES[:, :2]), {}, "k and v of one shape"),
        ((ONES[:1], ONES, ONES), {}, "one batch"),
        ((ONES.astype(int), ONES, ONES), {}, r"q: int32\[2, 3, 4, 5\]"),
        ((ONES.astype(jnp.bfloat16), ONES, ONES), {}, "one dtype"),
        ((ONES,) * 3, {"mask": jnp.ones((3, 3), bool)}, r"mask \[3, 3\]"),
        ((ONES,) * 3, {"mask": jnp.ones((1, 1, 1, 1))}, "mask of booleans"),
        ((ONES,) * 3, {"bias": jnp.ones((2, 4, 3, 2))}, r"bias \[2, 4, 3, 2\]"),
        ((ONES,) * 3, {"window": -1}, "at least 0, not -1"),
        ((ONES,) * 3, {"window": (1, -2)}, r"at least 0, not \(1, -2\)"),
        ((ONES[:, :2], ONES, ONES), {"causal": True}, "alignment='start'.*2 queries"),
        ((ONES,) * 3, {"alignment": "left"}, "start or end, not 'left'"),
        ((ONES,) * 3, {"kv_lengths": jnp.array([1, 4])}, "from 0 to 3"),
        ((ONES,) * 3, {"kv_lengths": jnp.ones(2)}, "integers"),
        ((ONES,) * 3, {"scale": math.inf}, "finite scale"),
        ((ONES,) * 3, {"implementation": "cuda"}, "auto, reference"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(tl.InputError, match=message):
        attention(*arguments, **options)
