"""One row per rule: a program, its inputs, and what NumPy says it returns.

NumPy computes outside XLA, element by element as IEEE 754 asks. The oracle of a sum is
a loop in the order that the domain states.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

from tests.domains.ieee32 import exact
from tests.domains.ieee32.patterns import adversarial, floats

F = np.float32


@dataclass(frozen=True)
class Case:
    """rules: the primitives it speaks for. inputs: shapes of float32 arguments, or
    arrays that stay concrete. ordered: the oracle takes the order first."""

    name: str
    rules: tuple[str, ...]
    f: Callable
    inputs: tuple
    oracle: Callable
    ordered: bool = False
    plain: bool = False  # ordinary numbers, not adversarial patterns

    def __str__(self):
        return self.name

    def draw(self, seed):
        rng = np.random.default_rng(seed)
        return [self._input(rng, shape) for shape in self.inputs]

    def _input(self, rng, shape):
        if not isinstance(shape, tuple):
            return shape
        size = int(np.prod(shape))
        if self.plain:
            numbers = rng.standard_normal(size) * 10.0 ** rng.integers(-3, 3, size)
            numbers[rng.random(size) < 0.1] = -0.0
            return numbers.astype(F).reshape(shape)
        return floats(adversarial(rng, size, 1)[0]).reshape(shape)


def fold(order, terms, name="add"):
    """Terms along the first axis."""
    add = {"add": np.add, "mul": np.multiply}[name]
    if len(terms) == 0:
        return np.zeros(terms.shape[1:], F) if name == "add" else np.ones((), F)
    reference = exact.pairwise if order == "pairwise" else exact.sequential
    return reference(list(terms), add)


def dot(order, x, y):
    """x: [rows, terms], y: [terms, columns]."""
    if order != "fma-sequential":
        return fold(order, x.T[:, :, None] * y[:, None, :])
    result = x[:, 0, None] * y[0]
    for k in range(1, x.shape[1]):
        for i, j in np.ndindex(result.shape):
            result[i, j] = exact.fma32(x[i, k], y[k, j], result[i, j])
    return result


def elementwise(name, f, oracle, rules=None, arguments=1, **more):
    shapes = ((200,),) * arguments
    return Case(name, tuple(rules or (name,)), f, shapes, oracle, **more)


def maximum(x, y):
    """IEEE 754-2019: a NaN wins, +0 is above -0."""
    equal = np.where(np.signbit(x), y, x)
    return np.where(
        np.isnan(x) | np.isnan(y),
        np.nan,
        np.where(x == y, equal, np.where(x > y, x, y)),
    ).astype(F)


def minimum(x, y):
    return -maximum(-x, -y)


def power(x, n):
    """By squaring, from the lowest bit up."""
    result, square, left = None, x, abs(n)
    while left:
        if left & 1:
            result = square if result is None else result * square
        left >>= 1
        square = square * square
    return result if n > 0 else F(1) / result


def truncated(x, dtype):
    """XLA's cast: out of range the nearest integer there is, 0 for a NaN."""
    kind = np.iinfo(dtype)
    x = np.trunc(np.where(np.isnan(x), 0, x).astype(np.float64))
    return np.clip(x, kind.min, kind.max).astype(dtype)


def narrowed(x, exponent_bits, dtype):
    """Rounded to a format and back, with its subnormal numbers flushed."""
    there = x.astype(dtype).astype(F)
    lowest = 2.0 ** (2 - 2 ** (exponent_bits - 1))
    return np.where(np.abs(there) < lowest, np.copysign(F(0), x), there).astype(F)


def total_key(x):
    word = x.view(np.uint32).astype(np.int64)
    return np.where(word >> 31, ~(word & 0x7FFFFFFF), word)


COMPARED = [
    Case(name, (name,), getattr(lax, name), ((400,), (400,)), oracle)
    for name, oracle in (
        ("eq", np.equal),
        ("ne", np.not_equal),
        ("lt", np.less),
        ("le", np.less_equal),
        ("gt", np.greater),
        ("ge", np.greater_equal),
    )
]
ARITHMETIC = [
    elementwise("add", lambda x, y: x + y, np.add, arguments=2),
    elementwise(
        "add_any",
        lambda x, y: jax.vjp(lambda a: (a, a), x)[1]((x, y))[0],
        np.add,
        arguments=2,
    ),
    elementwise("sub", lambda x, y: x - y, np.subtract, arguments=2),
    elementwise("mul", lambda x, y: x * y, np.multiply, arguments=2),
    elementwise("mul_literal", lambda x: x * 0.1, lambda x: x * F(0.1), ["mul"]),
    elementwise("div", lambda x, y: x / y, np.divide, arguments=2),
    elementwise("div_literal", lambda x: x / 3, lambda x: x / F(3), ["div"]),
    elementwise("rem", lax.rem, np.fmod, arguments=2),
    elementwise("neg", lambda x: -x, np.negative),
    elementwise("abs", jnp.abs, np.abs),
    elementwise("square", lax.square, lambda x: x * x),
    elementwise("cube", lambda x: x**3, lambda x: power(x, 3), ["integer_pow"]),
    elementwise(
        "power_-6",
        lambda x: lax.integer_pow(x, -6),
        lambda x: power(x, -6),
        ["integer_pow"],
    ),
    elementwise("sqrt", jnp.sqrt, np.sqrt),
    elementwise("max", jnp.maximum, maximum, arguments=2),
    elementwise("min", jnp.minimum, minimum, arguments=2),
    elementwise(
        "clamp",
        lambda a, x, b: lax.clamp(a, x, b),
        lambda a, x, b: minimum(maximum(x, a), b),
        arguments=3,
    ),
    elementwise("floor", jnp.floor, np.floor),
    elementwise("ceil", jnp.ceil, np.ceil),
    elementwise("round", jnp.round, np.rint),
    elementwise(
        "round_away",
        lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
        lambda x: np.copysign(np.floor(np.abs(x).astype(float) + 0.5), x),
        ["round"],
    ),
    elementwise(
        "sign",
        jnp.sign,
        lambda x: np.where((x == 0) | np.isnan(x), x, np.copysign(F(1), x)),
    ),
    elementwise("is_finite", jnp.isfinite, np.isfinite),
    elementwise("nextafter", jnp.nextafter, np.nextafter, arguments=2),
    elementwise(
        "reduce_precision",
        lambda x: lax.reduce_precision(x, 5, 10),
        lambda x: narrowed(x, 5, np.float16),
    ),
    elementwise(
        "reduce_precision_8",
        lambda x: lax.reduce_precision(x, 8, 7),
        lambda x: x.astype(ml_dtypes.bfloat16).astype(F),
        ["reduce_precision"],
    ),
    elementwise(
        "select_n",
        lambda x, y: jnp.where(x > y, x, y),
        lambda x, y: np.where(x > y, x, y),
        arguments=2,
    ),
]
CASTS = [
    elementwise(
        f"to_{dtype}",
        lambda x, dtype=dtype: x.astype(dtype),
        lambda x, dtype=dtype: truncated(x, dtype),
        ["convert_element_type"],
    )
    for dtype in ("int32", "uint32", "int16", "uint8", "int8")
] + [
    elementwise(
        "to_bool", lambda x: x.astype(bool), lambda x: x != 0, ["convert_element_type"]
    ),
    elementwise(
        "to_float16",
        lambda x: x.astype(jnp.float16).astype(jnp.float32),
        lambda x: x.astype(np.float16).astype(F),
        ["convert_element_type"],
    ),
    elementwise(
        "to_bfloat16",
        lambda x: x.astype(jnp.bfloat16).astype(jnp.float32),
        lambda x: x.astype(ml_dtypes.bfloat16).astype(F),
        ["convert_element_type"],
    ),
    elementwise(
        "float16_sum",
        lambda x: (x.astype(jnp.float16) + jnp.float16(1.5)).astype(jnp.float32),
        lambda x: (x.astype(np.float16) + np.float16(1.5)).astype(F),
        ["add"],
    ),
    elementwise(
        "to_bits",
        lambda x: lax.bitcast_convert_type(x, jnp.uint32),
        lambda x: x.view(np.uint32),
        ["bitcast_convert_type"],
    ),
    elementwise(
        "from_bits",
        lambda x: (
            lax.bitcast_convert_type(
                lax.bitcast_convert_type(x, jnp.int32), jnp.float32
            )
            * 2
        ),
        lambda x: x * 2,
        ["bitcast_convert_type"],
    ),
    Case(
        "from_int32",
        ("convert_element_type",),
        lambda x, i: x + i.astype(jnp.float32),
        ((4,), np.array([2**24 + 1, -(2**31), 2**31 - 1, -33554435], np.int32)),
        lambda x, i: x + i.astype(F),
    ),
]
MOVED = [
    Case(
        "broadcast_in_dim",
        ("broadcast_in_dim",),
        lambda x: jnp.broadcast_to(x[:, None], (3, 4)),
        ((3,),),
        lambda x: np.broadcast_to(x[:, None], (3, 4)),
    ),
    Case(
        "reshape",
        ("reshape",),
        lambda x: x.reshape(3, 4),
        ((12,),),
        lambda x: x.reshape(3, 4),
    ),
    Case("transpose", ("transpose",), lambda x: x.T, ((3, 4),), np.transpose),
    Case(
        "squeeze",
        ("squeeze",),
        lambda x: lax.squeeze(x, (0,)),
        ((1, 4),),
        lambda x: x[0],
    ),
    Case(
        "concatenate",
        ("concatenate",),
        lambda x, y: jnp.concatenate([x, y]),
        ((3,), (2,)),
        lambda x, y: np.concatenate([x, y]),
    ),
    Case("slice", ("slice",), lambda x: x[1:9:3], ((12,),), lambda x: x[1:9:3]),
    Case("rev", ("rev",), lambda x: x[::-1], ((12,),), lambda x: x[::-1]),
    Case(
        "pad",
        ("pad",),
        lambda x: lax.pad(x, jnp.float32(1e-45), [(1, 2, 1)]),
        ((3,),),
        lambda x: np.array([1e-45, x[0], 1e-45, x[1], 1e-45, x[2], 1e-45, 1e-45], F),
    ),
    Case(
        "split", ("split",), lambda x: lax.split(x, (2, 3))[1], ((5,),), lambda x: x[2:]
    ),
    Case("copy", ("copy",), lambda x: jnp.array(x, copy=True), ((5,),), lambda x: x),
    Case("stop_gradient", ("stop_gradient",), lax.stop_gradient, ((5,),), lambda x: x),
    Case("device_put", ("device_put",), jax.device_put, ((5,),), lambda x: x),
    Case(
        "barrier",
        ("optimization_barrier",),
        lambda x: lax.optimization_barrier((x, x))[1],
        ((5,),),
        lambda x: x,
    ),
    Case(
        "iota",
        ("iota",),
        lambda x: x * lax.iota(jnp.float32, 5),
        ((5,),),
        lambda x: x * np.arange(5, dtype=F),
    ),
    Case(
        "gather",
        ("gather",),
        lambda x, i: x[i],
        ((7,), np.array([3, 0, 3, 6])),
        lambda x, i: x[i],
    ),
    Case(
        "gather_fill",
        ("gather",),
        lambda x, i: x.at[i].get(mode="fill", fill_value=2.5),
        ((7,), np.array([3, 9])),
        lambda x, i: np.array([x[3], 2.5], F),
    ),
    Case(
        "gather_nan",
        ("gather",),
        lambda x, i: x.at[i].get(mode="fill"),
        ((7,), np.array([3, 9])),
        lambda x, i: np.array([x[3], np.nan], F),
    ),
    Case(
        "dynamic_slice",
        ("dynamic_slice",),
        lambda x, i: lax.dynamic_slice(x, (i,), (3,)),
        ((7,), np.int32(2)),
        lambda x, i: x[2:5],
    ),
    Case(
        "dynamic_update_slice",
        ("dynamic_update_slice",),
        lambda x, y, i: lax.dynamic_update_slice(x, y, (i,)),
        ((7,), (2,), np.int32(2)),
        lambda x, y, i: np.concatenate([x[:2], y, x[4:]]),
    ),
    Case(
        "logic",
        ("and", "or", "xor", "not", "reduce_and", "reduce_or"),
        lambda x, y: jnp.any((x > 0) & ~(y > 0) | (x < 0) ^ (y < 0)) & jnp.all(x == x),
        ((5,), (5,)),
        lambda x, y: np.any((x > 0) & ~(y > 0) | (x < 0) ^ (y < 0)) & np.all(x == x),
    ),
    Case(
        "shift",
        ("shift_right_logical",),
        lambda x: lax.bitcast_convert_type(x, jnp.uint32) >> 23,
        ((5,),),
        lambda x: x.view(np.uint32) >> 23,
    ),
]


def scattered(x, i, u, combine):
    x = x.copy()
    for place, update in zip(i, u, strict=True):
        x[place] = combine(x[place], update)
    return x


HITS = np.array([3, 0, 3, 6, 3, 0])
SCATTERED = [
    Case(
        name,
        (name,),
        f,
        ((7,), HITS, (6,)),
        lambda x, i, u, c=combine: scattered(x, i, u, c),
    )
    for name, f, combine in (
        ("scatter", lambda x, i, u: x.at[i].set(u), lambda a, b: b),
        ("scatter-add", lambda x, i, u: x.at[i].add(u), np.add),
        ("scatter-mul", lambda x, i, u: x.at[i].mul(u), np.multiply),
        ("scatter-max", lambda x, i, u: x.at[i].max(u), maximum),
        ("scatter-min", lambda x, i, u: x.at[i].min(u), minimum),
    )
]


def stable_sort(x):
    return (
        x[np.argsort(np.where(np.isnan(x), np.inf, x) + 0.0, kind="stable")]
        if not np.isnan(x).any()
        else np.concatenate([stable_sort(x[~np.isnan(x)]), x[np.isnan(x)]])
    )


def running(order, x, name="add"):
    return np.stack([fold(order, x[: n + 1], name) for n in range(len(x))])


ORDERED = [
    Case("sort", ("sort",), lambda x: lax.sort(x), ((30,),), stable_sort),
    Case(
        "argsort",
        ("sort",),
        jnp.argsort,
        ((30,),),
        lambda x: np.argsort(x, kind="stable").astype(np.int32),
    ),
    Case(
        "top_k",
        ("top_k",),
        lambda x: lax.top_k(x, 5),
        ((30,),),
        lambda x: (
            x[np.argsort(-total_key(x), kind="stable")[:5]],
            np.argsort(-total_key(x), kind="stable")[:5].astype(np.int32),
        ),
    ),
    Case(
        "argmax",
        ("argmax",),
        lambda x: jnp.argmax(x, 1),
        ((40, 3),),
        lambda x: np.argmax(x, 1).astype(np.int32),
    ),
    Case(
        "argmin",
        ("argmin",),
        lambda x: jnp.argmin(x, 1),
        ((40, 3),),
        lambda x: np.argmin(x, 1).astype(np.int32),
    ),
    Case(
        "reduce_max",
        ("reduce_max",),
        lambda x: jnp.max(x, 1),
        ((40, 4),),
        lambda x: exact.sequential(list(x.T), maximum),
    ),
    Case(
        "reduce_min",
        ("reduce_min",),
        lambda x: jnp.min(x, 1),
        ((40, 4),),
        lambda x: exact.sequential(list(x.T), minimum),
    ),
    Case(
        "cummax",
        ("cummax",),
        lambda x: lax.cummax(x, 1),
        ((40, 4),),
        lambda x: np.stack(
            [exact.sequential(list(x.T[: n + 1]), maximum) for n in range(4)], 1
        ),
    ),
    Case(
        "cummin",
        ("cummin",),
        lambda x: lax.cummin(x, 1, reverse=True),
        ((40, 4),),
        lambda x: np.stack(
            [exact.sequential(list(x.T[n:]), minimum) for n in range(4)], 1
        ),
    ),
    Case(
        "window_max",
        ("reduce_window_max",),
        lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (3,), (2,), "SAME"),
        ((9,),),
        lambda x: np.array(
            [
                exact.sequential(list(x[max(s, 0) : s + 3]), maximum)
                for s in (-1, 1, 3, 5, 7)
            ],
            F,
        ),
    ),
    Case(
        "window_min",
        ("reduce_window_min",),
        lambda x: lax.reduce_window(x, jnp.inf, lax.min, (3,), (2,), "VALID"),
        ((9,),),
        lambda x: np.array(
            [exact.sequential(list(x[s : s + 3]), minimum) for s in (0, 2, 4, 6)], F
        ),
    ),
]
SUMS = [
    Case(
        "reduce_sum",
        ("reduce_sum",),
        lambda x: jnp.sum(x, (0, 2)),
        ((3, 9, 4),),
        lambda o, x: fold(o, x.transpose(0, 2, 1).reshape(12, 9)),
        True,
        True,
    ),
    Case(
        "reduce_sum_odd",
        ("reduce_sum",),
        lambda x: jnp.sum(x, 0),
        ((13, 9),),
        lambda o, x: fold(o, x),
        True,
        True,
    ),
    Case(
        "reduce_sum_wild",
        ("reduce_sum",),
        lambda x: jnp.sum(x, 0),
        ((5, 99),),
        lambda o, x: fold(o, x),
        True,
    ),
    Case(
        "reduce_prod",
        ("reduce_prod",),
        lambda x: jnp.prod(x, 1),
        ((9, 7),),
        lambda o, x: fold(o, x.T, "mul"),
        True,
        True,
    ),
    Case(
        "cumsum",
        ("cumsum",),
        lambda x: jnp.cumsum(x, 0),
        ((11, 5),),
        running,
        True,
        True,
    ),
    Case(
        "cumsum_reverse",
        ("cumsum",),
        lambda x: lax.cumsum(x, 0, reverse=True),
        ((8, 5),),
        lambda o, x: running(o, x[::-1])[::-1],
        True,
        True,
    ),
    Case(
        "cumprod",
        ("cumprod",),
        lambda x: jnp.cumprod(x, 0),
        ((7, 5),),
        lambda o, x: running(o, x, "mul"),
        True,
        True,
    ),
    Case(
        "window_sum",
        ("reduce_window_sum",),
        lambda x: lax.reduce_window(x, 0.0, lax.add, (3,), (1,), "SAME"),
        ((9,),),
        lambda o, x: np.array([fold(o, x[max(s, 0) : s + 3]) for s in range(-1, 8)], F),
        True,
        True,
    ),
    Case(
        "avg_pool_vjp",
        ("reduce_window_sum",),
        lambda x: jax.vjp(
            lambda a: lax.reduce_window(a, 0.0, lax.add, (2,), (2,), "VALID"), x
        )[1](x[:4])[0],
        ((8,),),
        lambda o, x: np.repeat(x[:4], 2),
        True,
        True,
    ),
    Case(
        "max_pool_vjp",
        ("select_and_scatter_add",),
        lambda x, g: jax.vjp(
            lambda a: lax.reduce_window(a, -jnp.inf, lax.max, (3,), (1,), "VALID"), x
        )[1](g)[0],
        ((9,), (7,)),
        lambda o, x, g: np.array(
            [
                fold(
                    o,
                    np.array(
                        [g[s] for s in range(7) if s + np.argmax(x[s : s + 3]) == k], F
                    ),
                )
                for k in range(9)
            ],
            F,
        ),
        True,
        True,
    ),
    Case(
        "max_pool_jvp",
        ("select_and_gather_add",),
        lambda x, t: jax.jvp(
            lambda a: lax.reduce_window(a, -jnp.inf, lax.max, (3,), (2,), "VALID"),
            (x,),
            (t,),
        )[1],
        ((9,), (9,)),
        lambda o, x, t: np.array(
            [t[s + np.argmax(x[s : s + 3])] for s in (0, 2, 4, 6)], F
        ),
        True,
        True,
    ),
    Case(
        "matmul",
        ("dot_general",),
        lambda x, y: x @ y,
        ((3, 7), (7, 2)),
        dot,
        True,
        True,
    ),
    Case(
        "matmul_wild",
        ("dot_general",),
        lambda x, y: x @ y,
        ((20, 3), (3, 5)),
        dot,
        True,
    ),
    Case(
        "batched",
        ("dot_general",),
        lambda x, y: jnp.einsum("bkm,bnk->bmn", x, y),
        ((2, 5, 3), (2, 4, 5)),
        lambda o, x, y: np.stack([dot(o, x[b].T, y[b].T) for b in range(2)]),
        True,
        True,
    ),
    Case(
        "two_axes",
        ("dot_general",),
        lambda x, y: jnp.einsum("ijm,ijn->mn", x, y),
        ((2, 3, 4), (2, 3, 2)),
        lambda o, x, y: dot(o, x.reshape(6, 4).T, y.reshape(6, 2)),
        True,
        True,
    ),
    Case(
        "widened",
        ("dot_general",),
        lambda x, y: jnp.dot(
            x.astype(jnp.bfloat16),
            y.astype(jnp.bfloat16),
            preferred_element_type=jnp.float32,
        ),
        ((3, 7), (7, 2)),
        lambda o, x, y: dot(
            o, *(v.astype(ml_dtypes.bfloat16).astype(F) for v in (x, y))
        ),
        True,
        True,
    ),
]


def convolution(order, x, w, stride=1, pad=0, groups=1):
    """x: [batch, place, feature], w: [place, in, out], padding that takes no part."""
    size, features, out = w.shape
    places = (x.shape[1] + 2 * pad - size) // stride + 1
    result = np.zeros((x.shape[0], places, out), F)
    for n, p, o in np.ndindex(result.shape):
        first = o // (out // groups) * features
        start = p * stride - pad
        used = [k for k in range(size) if 0 <= start + k < x.shape[1]]
        a = np.concatenate([x[n, start + k, first : first + features] for k in used])
        b = np.concatenate([w[k, :, o] for k in used])
        result[n, p, o] = dot(order, a[None], b[:, None])[0, 0]
    return result


def conv(x, w, strides=(1,), padding=((0, 0),), **more):
    return lax.conv_general_dilated(
        x, w, strides, padding, dimension_numbers=("NWC", "WIO", "NWC"), **more
    )


CONVOLVED = [
    Case(
        "conv",
        ("conv_general_dilated",),
        conv,
        ((2, 6, 2), (3, 2, 3)),
        convolution,
        True,
        True,
    ),
    Case(
        "conv_padded",
        ("conv_general_dilated",),
        lambda x, w: conv(x, w, (2,), ((1, 1),)),
        ((1, 6, 2), (3, 2, 2)),
        lambda o, x, w: convolution(o, x, w, 2, 1),
        True,
        True,
    ),
    Case(
        "conv_groups",
        ("conv_general_dilated",),
        lambda x, w: conv(x, w, feature_group_count=2),
        ((1, 5, 4), (2, 2, 4)),
        lambda o, x, w: convolution(o, x, w, groups=2),
        True,
        True,
    ),
    Case(
        "conv_weight_gradient",
        ("conv_general_dilated",),
        lambda x, w: jax.vjp(lambda v: conv(x, v, feature_group_count=2), w)[1](
            x[:, :4]
        )[0],
        ((2, 5, 4), (2, 2, 4)),
        lambda o, x, w: weight_gradient(o, x),
        True,
        True,
    ),
    Case(
        "conv_transposed",
        ("conv_general_dilated",),
        lambda x, w: conv(x, w, padding=((2, 2),), lhs_dilation=(2,)),
        ((1, 4, 2), (3, 2, 2)),
        lambda o, x, w: transposed(o, x, w),
        True,
        True,
    ),
]


def weight_gradient(order, x):
    """d sum(conv(x, w) g) / dw with g = x[:, :4] and two groups, batch before place in
    each place of the window... as JAX lowers it: one feature (the batch) per place."""
    result = np.zeros((2, 2, 4), F)
    for k, i, o in np.ndindex(result.shape):
        a = np.array([x[n, p + k, o // 2 * 2 + i] for p in range(4) for n in range(2)])
        b = np.array([x[n, p, o] for p in range(4) for n in range(2)])
        result[k, i, o] = dot(order, a[None], b[:, None])[0, 0]
    return result


def transposed(order, x, w):
    """Zeros between the elements of x are no terms."""
    spread = {2 + 2 * p: x[0, p] for p in range(4)}
    result = np.zeros((1, 9, 2), F)
    for p, o in np.ndindex(9, 2):
        used = [k for k in range(3) if p + k in spread]
        a = np.concatenate([spread[p + k] for k in used])
        b = np.concatenate([w[k, :, o] for k in used])
        result[0, p, o] = dot(order, a[None], b[:, None])[0, 0]
    return result


CASES = [
    *COMPARED,
    *ARITHMETIC,
    *CASTS,
    *MOVED,
    *SCATTERED,
    *ORDERED,
    *SUMS,
    *CONVOLVED,
]
