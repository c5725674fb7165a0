"""Containment cases for rules that move, order, add up and multiply elements."""

from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from tests.domains.interval.cases import Case, Float, Int, numpy_twin
from tests.domains.interval.exact import ball, elementwise

INF = np.inf  # a sum that cancels has any number of ulps
MATRIX = Float((3, 4))
CALM = Float((3, 4), reach=50.0)


def twin(name, rules, g, inputs=(MATRIX,), ulps=(0, 0)):
    """A case whose program and oracle are one function of `np` or `jnp`."""
    return Case(name, rules, *numpy_twin(g), inputs, ulps)


def move(name, f, exact, rules=None, inputs=(MATRIX,)):
    return Case(name, rules or (name,), f, exact, inputs, (0, 0))


def padded(x):
    out = np.full((5, 7), Fraction(3, 2), object)
    out[1:4, 0:7:2] = x
    return out


LAYOUT = [
    move("broadcast_in_dim", lambda x: jnp.broadcast_to(x[:, None], (3, 2, 4)),
         lambda x: np.broadcast_to(x[:, None], (3, 2, 4))),
    twin("reshape", ("reshape",), lambda n, x: n.reshape(x, (2, 6))),
    twin("transpose", ("transpose",), lambda n, x: n.transpose(x)),
    move("squeeze", lambda x: lax.squeeze(x, (0,)), lambda x: x[0], inputs=(Float((1, 5)),)),
    twin("concatenate", ("concatenate",), lambda n, x, y: n.concatenate([x, y]),
         (MATRIX, MATRIX)),
    move("slice", lambda x: lax.slice(x, (0, 1), (3, 4), (2, 1)), lambda x: x[0:3:2, 1:4]),
    move("rev", lambda x: lax.rev(x, (1,)), lambda x: x[:, ::-1]),
    move("pad", lambda x: lax.pad(x, jnp.asarray(1.5, x.dtype), [(1, 1, 0), (0, 0, 1)]),
         padded),
    move("split", lambda x: lax.split(x, (1, 3), axis=1), lambda x: [x[:, :1], x[:, 1:]]),
    move("stack", lambda x, y: lax.stack_p.bind(x, y, axis=1),
         lambda x, y: np.stack([x, y], 1), inputs=(MATRIX, MATRIX)),
    move("unstack", lambda x: lax.unstack_p.bind(x, axis=1),
         lambda x: [x[:, i] for i in range(4)]),
    move("tile", lambda x: lax.tile(x, (2, 1)), lambda x: np.tile(x, (2, 1))),
    move("copy", lambda x: lax.copy_p.bind(x), lambda x: x),
    move("optimization_barrier", lambda x, y: lax.optimization_barrier((x, y)),
         lambda x, y: [x, y], inputs=(MATRIX, MATRIX)),
    move("name", lambda x: checkpoint_name(x, "here"), lambda x: x),
    Case("empty", ("empty",), lambda x: lax.empty(x.shape, x.dtype),
         elementwise(lambda x: None), (MATRIX,)),
    move("written_empty", lambda x: lax.dynamic_update_slice(
        lax.empty(x.shape, x.dtype), x, (0, 0)), lambda x: x, rules=("dynamic_update_slice",)),
]  # fmt: skip


def pick(x, i):
    """Rows i of x, negative ones counted from the end, the others clipped."""
    i = from_start(i, len(x))
    return x[np.clip(i, 0, len(x) - 1)]


def from_start(i, n):
    i = np.asarray(i, int)
    return np.where(i < 0, i + n, i)


def filled(x, i):
    i = from_start(i, len(x))
    rows = pick(x, i)
    rows[i >= len(x)] = None
    return rows


def start(i, n, size):
    """Where a slice begins: negative numbers count from the end, then it is clamped."""
    i = int(i)
    return min(max(i + n if i < 0 else i, 0), n - size)


def window(x, i, j):
    i, j = start(i, 3, 2), start(j, 4, 2)
    return x[i : i + 2, j : j + 2]


def updated(x, u, i):
    out, i = x.copy(), start(i, 3, 1)
    out[i : i + 1] = u
    return out


def scattered(combine):
    def exact(x, u, i=(2, 0, 2)):
        out = x.copy()
        for row, update in zip(np.asarray(i, int), u, strict=True):
            if 0 <= row < len(x):
                out[row] = [
                    combine(a, b) for a, b in zip(out[row], update, strict=True)
                ]
        return out

    return exact


WRITES = {
    "scatter": (lambda r, u: r.set(u), lambda a, b: b),
    "scatter-add": (lambda r, u: r.add(u), lambda a, b: a + b),
    "scatter-mul": (lambda r, u: r.mul(u), lambda a, b: a * b),
    "scatter-max": (lambda r, u: r.max(u), max),
    "scatter-min": (lambda r, u: r.min(u), min),
}
ROWS = Int((3,), -1, 4)
INDEXING = [
    Case("gather", ("gather",), lambda x: x[jnp.array([2, 0, 2])], lambda x: x[[2, 0, 2]],
         (MATRIX,), (0, 0)),
    Case("gather_undecided", ("gather",), lambda x, i: x.at[i].get(mode="clip"), pick,
         (MATRIX, ROWS)),
    Case("gather_fill", ("gather",), lambda x, i: jnp.take(x, i, axis=0, mode="fill"),
         filled, (MATRIX, ROWS)),
    Case("gather_many", ("gather",),
         lambda x, i: jnp.repeat(jnp.tile(x, (80, 80)), 1, 0).at[i, i].get(mode="clip"),
         lambda x, i: np.tile(x, (80, 80))[np.clip(i.astype(int), 0, 239),
                                           np.clip(i.astype(int), 0, 319)],
         (MATRIX, Int((2,), 0, 200))),
    Case("dynamic_slice", ("dynamic_slice",),
         lambda x, i, j: lax.dynamic_slice(x, (i, j), (2, 2)), window,
         (MATRIX, Int((), -1, 3), Int((), -1, 3))),
    Case("dynamic_slice_long", ("dynamic_slice",),
         lambda x, i: lax.dynamic_slice(jnp.tile(x, (2000, 1)), (i, jnp.int32(0)), (1, 4)),
         lambda x, i: x[int(i) % 3][None], (MATRIX, Int((), 0, 5000))),
    Case("dynamic_update_slice", ("dynamic_update_slice",),
         lambda x, u, i: lax.dynamic_update_slice(x, u, (i, jnp.int32(0))), updated,
         (MATRIX, Float((1, 4)), Int((), -1, 4))),
    Case("dynamic_update_slice_long", ("dynamic_update_slice",),
         lambda x, u, i: lax.dynamic_update_slice(jnp.tile(x, (2000, 1)), u, (i, jnp.int32(0)))[:3],
         lambda x, u, i: np.concatenate([x[:int(i)], u, x[int(i) + 1:]])[:3] if i < 3 else x,
         (MATRIX, Float((1, 4)), Int((), 0, 5000))),
    *(
        Case(name, (name,), lambda x, u, w=w: w(x.at[jnp.array([2, 0, 2])], u),
             scattered(c), (CALM, CALM), (INF, 8) if name == "scatter-add" else None)
        for name, (w, c) in WRITES.items()
    ),
    *(
        Case(f"{name}_undecided", (name,),
             lambda x, u, i, w=w: w(x.at[i], u),
             lambda x, u, i, c=c: scattered(c)(x, u, from_start(i, 3)),
             (CALM, CALM, ROWS))
        for name, (w, c) in WRITES.items()
    ),
    Case("scatter_unique", ("scatter",),
         lambda x, u: x.at[jnp.array([2, 0, 1])].set(u, unique_indices=True),
         lambda x, u: u[[1, 2, 0]], (MATRIX, MATRIX), (0, 0)),
    Case("scatter-sub", ("scatter-sub",),
         lambda x, u: x.at[jnp.array([2, 0, 2])].subtract(u),
         scattered(lambda a, b: a - b), (CALM, CALM), (INF, 8)),
]  # fmt: skip


def by_key(keys, *payload):
    order = [sorted(range(len(row)), key=list(row).__getitem__) for row in keys]
    return [
        np.stack([a[o] for a, o in zip(p, order, strict=True)])
        for p in (keys, *payload)
    ]


def by_two_keys(a, b, payload):
    order = [sorted(range(len(r)), key=list(zip(r, s, strict=True)).__getitem__)
             for r, s in zip(a, b, strict=True)]  # fmt: skip
    rows = [
        np.stack([x[o] for x, o in zip(p, order, strict=True)]) for p in (a, b, payload)
    ]
    return rows


def largest(x):
    order = [sorted(range(len(r)), key=lambda i, r=r: (-r[i], i))[:2] for r in x]
    return [
        np.stack([r[o] for r, o in zip(x, order, strict=True)]),
        np.array(order, object),
    ]


WIDE = Float((3, 6), reach=5.0)
ORDER = [
    twin("sort", ("sort",), lambda n, x: n.sort(x, axis=0), (MATRIX,)),
    Case("sort_carrying", ("sort",), lambda x, y: lax.sort((x, y), num_keys=1), by_key,
         (WIDE, WIDE)),
    Case("argsort", ("sort",), lambda x: jnp.argsort(x, axis=1, stable=True),
         lambda x: by_key(x, np.tile(np.arange(6), (3, 1)))[1], (WIDE,)),
    Case("sort_two_keys", ("sort",), lambda i, x, y: lax.sort((i, x, y), num_keys=2),
         by_two_keys, (Int((3, 6), 0, 2), WIDE, WIDE)),
    Case("sort_many", ("sort",),
         lambda x: lax.sort((jnp.tile(x, (1, 500)), jnp.tile(x, (1, 500))), num_keys=1)[1][:, :1],
         lambda x: np.min(x, axis=1, keepdims=True), (WIDE,)),
    Case("top_k", ("top_k",), lambda x: lax.top_k(x, 2), largest, (WIDE,)),
    Case("argmax", ("argmax",), lambda x: jnp.argmax(x, axis=1),
         lambda x: np.array([max(range(6), key=lambda i, r=r: (r[i], -i)) for r in x], object),
         (WIDE,)),
    Case("argmin", ("argmin",), lambda x: jnp.argmin(x, axis=1),
         lambda x: np.array([min(range(6), key=lambda i, r=r: (r[i], i)) for r in x], object),
         (WIDE,)),
]  # fmt: skip


def windows(x, size, stride, pad):
    """Index lists of each window of a matrix, padding left out."""
    rows, columns = x.shape
    for i in range(0, rows + 2 * pad - size + 1, stride):
        for j in range(0, columns + 2 * pad - size + 1, stride):
            inside = [
                (a - pad, b - pad)
                for a in range(i, i + size)
                for b in range(j, j + size)
            ]
            yield [(a, b) for a, b in inside if 0 <= a < rows and 0 <= b < columns]


def pooled(combine, size=2, stride=1, pad=1):
    def exact(x):
        values = [combine([x[p] for p in w]) for w in windows(x, size, stride, pad)]
        return np.array(values, object).reshape(4, 5)

    return exact


def pool(x, first, operator):
    return lax.reduce_window(x, first, operator, (2, 2), (1, 1), ((1, 1), (1, 1)))


def log_sum_exps(x):
    out = np.empty(x.shape, object)
    for index in np.ndindex(x.shape):
        terms = [ball(v) for v in x[: index[0] + 1, index[1]]]
        top = max(x[: index[0] + 1, index[1]])
        out[index] = sum(
            ((t - ball(top)).exp() for t in terms), flint.arb(0)
        ).log() + ball(top)
    return out


REDUCTIONS = [
    twin("reduce_sum", ("reduce_sum",), lambda n, x: n.sum(x, axis=1), (CALM,), (INF, 8)),
    twin("reduce_sum_wild", ("reduce_sum",), lambda n, x: n.sum(x, axis=1), ulps=None),
    twin("reduce_max", ("reduce_max",), lambda n, x: n.max(x, axis=0)),
    twin("reduce_min", ("reduce_min",), lambda n, x: n.min(x, axis=0)),
    twin("reduce_prod", ("reduce_prod",), lambda n, x: n.prod(x, axis=(0, 1)), (CALM,), (INF, 2)),
    Case("cumsum", ("cumsum",), lambda x: jnp.cumsum(x, 0), lambda x: np.add.accumulate(x, 0),
         (MATRIX,)),
    Case("cumsum_reverse", ("cumsum",), lambda x: lax.cumsum(x, 1, reverse=True),
         lambda x: np.add.accumulate(x[:, ::-1], 1)[:, ::-1], (CALM,), (INF, 8)),
    Case("cumprod", ("cumprod",), lambda x: lax.cumprod(x, 1, reverse=True),
         lambda x: np.multiply.accumulate(x[:, ::-1], 1)[:, ::-1], (CALM,), (INF, 2)),
    Case("cummax", ("cummax",), lambda x: lax.cummax(x, 0),
         lambda x: np.maximum.accumulate(x, 0), (MATRIX,), (0, 0)),
    Case("cummin", ("cummin",), lambda x: lax.cummin(x, 0),
         lambda x: np.minimum.accumulate(x, 0), (MATRIX,), (0, 0)),
    Case("cumlogsumexp", ("cumlogsumexp",), lambda x: lax.cumlogsumexp(x, 0), log_sum_exps,
         (CALM,), None),
    Case("reduce_window_max", ("reduce_window_max",), lambda x: pool(x, -jnp.inf, lax.max),
         pooled(max), (MATRIX,), (0, 0)),
    Case("reduce_window_min", ("reduce_window_min",), lambda x: pool(x, jnp.inf, lax.min),
         pooled(min), (MATRIX,), (0, 0)),
    Case("reduce_window_sum", ("reduce_window_sum",), lambda x: pool(x, 0.0, lax.add),
         pooled(sum), (MATRIX,)),
]  # fmt: skip


def sent_back(extreme):
    def exact(x, source):
        out = np.full(x.shape, Fraction(0), object)
        for w, s in zip(windows(x, 2, 1, 1), source.ravel(), strict=True):
            out[extreme(w, key=lambda p: x[p])] += s
        return out

    return exact


def read_there(extreme):
    def exact(x, tangents):
        chosen = [extreme(w, key=lambda p: x[p]) for w in windows(x, 2, 1, 1)]
        return np.array([tangents[p] for p in chosen], object).reshape(4, 5)

    return exact


def max_pool(x):
    return pool(x, -jnp.inf, lax.max)


POOLING = [
    Case("max_pool_gradient", ("select_and_scatter_add",),
         lambda x, s: jax.vjp(max_pool, x)[1](s)[0], sent_back(max),
         (CALM, Float((4, 5), reach=50.0))),
    Case("min_pool_gradient", ("select_and_scatter_add",),
         lambda x, s: jax.vjp(lambda x: pool(x, jnp.inf, lax.min), x)[1](s)[0],
         sent_back(min), (CALM, Float((4, 5), reach=50.0))),
    Case("max_pool_tangent", ("select_and_gather_add",),
         lambda x, t: jax.jvp(max_pool, (x,), (t,))[1], read_there(max), (CALM, CALM)),
]  # fmt: skip


def correlated(x, k, stride=(1, 1), dilation=(1, 1), pad=0, groups=1, interior=(1, 1)):
    """Cross-correlation of x [n, c, h, w] with k [o, c/groups, kh, kw], from the definition."""
    n, c, h, w = x.shape
    spread = np.full((n, c, (h - 1) * interior[0] + 1, (w - 1) * interior[1] + 1),
                     Fraction(0), object)  # fmt: skip
    spread[:, :, :: interior[0], :: interior[1]] = x
    x = np.pad(
        spread, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=Fraction(0)
    )
    o, per, kh, kw = k.shape
    reach = (kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1
    rows = range(0, x.shape[2] - reach[0] + 1, stride[0])
    columns = range(0, x.shape[3] - reach[1] + 1, stride[1])
    out = np.empty((n, o, len(rows), len(columns)), object)
    for b, f, i, j in np.ndindex(out.shape):
        r, s = rows[i], columns[j]
        first = f // (o // groups) * per
        patch = x[b, first : first + per, r : r + reach[0] : dilation[0],
                  s : s + reach[1] : dilation[1]]  # fmt: skip
        out[b, f, i, j] = (patch * k[f]).sum()
    return out


def conv(name, shape, kernel, *, exact, **params):
    params = {"window_strides": (1, 1), "padding": "VALID", **params}
    return Case(name, ("conv_general_dilated",),
                lambda x, k: lax.conv_general_dilated(x, k, **params),
                lambda x, k: correlated(x, k, **exact),
                (Float(shape, reach=9.0), Float(kernel, reach=9.0)), None)  # fmt: skip


WEIGHT = np.array(np.random.default_rng(0).normal(size=(4, 3)), np.float32)


def grouped(x, w):
    return np.concatenate([x[:2] @ w[0], x[2:] @ w[1]])


def fourier(x, inverse=False, half=False):
    """The transform of the last axis of pairs (re, im), from the definition, in Arb."""
    re, im = x
    n = re.shape[-1]
    out = [np.empty((*re.shape[:-1], n // 2 + 1 if half else n), object) for _ in "ri"]
    for index in np.ndindex(out[0].shape):
        total = [flint.arb(0), flint.arb(0)]
        for j in range(n):
            turn = flint.arb(flint.fmpq(2 * j * index[-1] * (1 if inverse else -1), n))
            c, s = turn.cos_pi(), turn.sin_pi()
            a, b = ball(re[(*index[:-1], j)]), ball(im[(*index[:-1], j)])
            total = [total[0] + a * c - b * s, total[1] + a * s + b * c]
        for part, t in zip(out, total, strict=True):
            part[index] = t / n if inverse else t
    return out


def mirrored(re, im, n):
    """The full spectrum of a real signal from its half; Im at 0 and n/2 is not read."""
    full = [np.empty((*re.shape[:-1], n), object) for _ in "ri"]
    for k in range(n):
        source, sign = (k, 1) if k <= n // 2 else (n - k, -1)
        idle = k == 0 or 2 * k == n
        full[0][..., k] = re[..., source]
        full[1][..., k] = Fraction(0) if idle else sign * im[..., source]
    return full


SIGNAL = Float((2, 6), reach=20.0)
ODD = Float((2, 5), reach=20.0)
HALF = Float((2, 4), reach=20.0)
PARTS = lambda z: (z.real, z.imag)  # noqa: E731
ZERO = elementwise(lambda x: Fraction(0))
CONTRACTIONS = [
    Case("dot_general", ("dot_general",), lambda x, y: x @ y, lambda x, y: x @ y,
         (CALM, Float((4, 2), reach=50.0))),
    Case("dot_wild", ("dot_general",), lambda x, y: x @ y, lambda x, y: x @ y,
         (MATRIX, Float((4, 2)))),
    Case("dot_itself", ("same:dot_general",), lambda x: lax.dot_general(
        x, x, (((1,), (1,)), ((0,), (0,)))), lambda x: (x * x).sum(1), (CALM,), (9, 2)),
    Case("dot_itself_paired", ("same:dot_general",), lambda x: lax.dot_general(
        x, x, (((1,), (1,)), ((), ()))), lambda x: x @ x.T, (CALM,)),
    Case("dot_weights", ("dot_general",), lambda x: x @ WEIGHT,
         lambda x: x @ elementwise(lambda w: Fraction(float(w)))(WEIGHT), (CALM,), None),
    conv("conv", (1, 2, 4, 4), (3, 2, 2, 2), exact={}),
    conv("conv_strided_padded", (1, 2, 4, 5), (2, 2, 3, 2), window_strides=(2, 1),
         padding=((1, 1), (1, 1)), exact=dict(stride=(2, 1), pad=1)),
    conv("conv_dilated", (1, 1, 5, 5), (2, 1, 2, 2), rhs_dilation=(2, 3),
         exact=dict(dilation=(2, 3))),
    conv("conv_transposed", (1, 2, 3, 3), (2, 2, 2, 2), lhs_dilation=(2, 2),
         padding=((1, 1), (1, 1)), exact=dict(interior=(2, 2), pad=1)),
    conv("conv_grouped", (1, 4, 3, 3), (4, 2, 2, 2), feature_group_count=2,
         exact=dict(groups=2)),
    Case("ragged_dot", ("ragged_dot_general",),
         lambda x, w: lax.ragged_dot(x, w, jnp.array([2, 1])), grouped,
         (CALM, Float((2, 4, 3), reach=9.0)), batched=False),
    Case("fft", ("fft", "complex", "real", "imag"),
         lambda a, b: PARTS(jnp.fft.fft(lax.complex(a, b))),
         lambda a, b: fourier((a, b)), (SIGNAL, SIGNAL)),
    Case("ifft", ("fft",), lambda a, b: PARTS(jnp.fft.ifft(lax.complex(a, b))),
         lambda a, b: fourier((a, b), inverse=True), (ODD, ODD)),
    Case("rfft", ("fft",), lambda a: PARTS(jnp.fft.rfft(a)),
         lambda a: fourier((a, ZERO(a)), half=True), (SIGNAL,)),
    Case("irfft", ("fft",), lambda a, b: jnp.fft.irfft(lax.complex(a, b), n=6),
         lambda a, b: fourier(mirrored(a, b, 6), inverse=True)[0], (HALF, HALF)),
    Case("irfft_odd", ("fft",), lambda a, b: jnp.fft.irfft(lax.complex(a, b), n=7),
         lambda a, b: fourier(mirrored(a, b, 7), inverse=True)[0], (HALF, HALF)),
]  # fmt: skip


def solved(a, b, lower=True):
    """The solution of a triangular system by substitution in fractions; None where singular."""
    n = len(a)
    x = np.full(b.shape, None, object)
    for c in range(b.shape[1]):
        for i in range(n) if lower else reversed(range(n)):
            others = range(i) if lower else range(i + 1, n)
            if a[i, i] == 0 or any(x[j, c] is None for j in others):
                continue
            x[i, c] = (b[i, c] - sum(a[i, j] * x[j, c] for j in others)) / a[i, i]
    return x


SQUARE, COLUMN = Float((3, 3), reach=5.0), Float((3, 2), reach=5.0)
SOLVES = [
    Case("triangular_solve", ("triangular_solve",),
         lambda a, b: lax.linalg.triangular_solve(a, b, left_side=True, lower=True), solved,
         (SQUARE, COLUMN)),
    Case("triangular_solve_transposed", ("triangular_solve",),
         lambda a, b: lax.linalg.triangular_solve(a, b.T, left_side=False, lower=True),
         lambda a, b: solved(a.T, b, lower=False).T, (SQUARE, COLUMN)),
    Case("triangular_solve_unit", ("triangular_solve",),
         lambda a, b: lax.linalg.triangular_solve(
             a, b, left_side=True, lower=False, transpose_a=True, unit_diagonal=True),
         lambda a, b: solved(
             np.where(np.eye(3, dtype=bool), Fraction(1), a.T), b, lower=True),
         (SQUARE, COLUMN)),
]  # fmt: skip

CASES = [*LAYOUT, *INDEXING, *ORDER, *REDUCTIONS, *POOLING, *CONTRACTIONS, *SOLVES]
