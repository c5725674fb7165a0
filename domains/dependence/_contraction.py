"""Rules for sums of products: a term with a known 0 in it adds nothing.

The elements of a sum over k of a[m, k] b[k, n] depend on the a[m, k] whose partner is
not 0, and on the b[k, n] likewise. Rows, columns and terms that are alike are computed
once, which makes a dense layer of any width as cheap as one row.
"""

import math

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._windows import PADDING, Convolution
from torchlean_jax.domains.dependence import _facts
from torchlean_jax.domains.dependence._domain import table
from torchlean_jax.domains.dependence._reduce import either
from torchlean_jax.domains.dependence._value import SetArray, anything


@table.define_op("dot_general")
def _dot_general(domain, operation, x, y):
    x, y = domain.lift(x), domain.lift(y)
    (x_sum, y_sum), (x_batch, y_batch) = operation.params["dimension_numbers"]
    a, x_free = _arranged(x, x_batch, x_sum)
    b, y_free = _arranged(y, y_batch, y_sum)
    shape = (*(x.shape[i] for i in x_batch), *x_free, *y_free)
    counts, count_of = _counting(domain, x, y)
    words = np.empty((len(a.words), a.words.shape[1], b.words.shape[1], counts), "u4")
    for part in range(len(words)):
        words[part] = _products(
            a.words[part],
            b.words[part],
            count_of(a)[part],
            count_of(b)[part],
        )
    return _nothing_left(domain, operation, words.reshape(*shape, counts), (x, y))


def _counting(domain, x, y):
    """(words in a set, which elements of an operand are not known to be 0)."""

    def count_of(operand):
        zero = operand.known & (operand.value == 0)
        return ~zero if _zeros_count(domain, x, y) else np.ones_like(zero)

    return x.words.shape[-1], count_of


def _zeros_count(domain, x, y):
    """Whether 0 times any of the others is 0: not if that may be infinite or NaN."""
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return True
    zeros = [v.known & (v.value == 0) for v in (x, y)]
    if not any(z.any() for z in zeros):
        return True
    for v in (x, y):
        wide = v.value.astype(np.complex128)
        if (v.known & ~np.isfinite(wide)).any():
            return False
    if all(v.known.all() for v in (x, y)):
        return True
    if domain.finite:
        domain.assume_finite()
    return domain.finite


def _nothing_left(domain, operation, words, operands) -> SetArray:
    """The value with these sets; known where known numbers give it exactly."""
    out = _facts.outline(operation, operands)
    unknown = anything(words, np.dtype(out.dtype))
    if not all(v.known.all() for v in operands):
        return unknown
    values = [v.value for v in operands]
    value = _facts.evaluate(operation, *values)
    if jnp.issubdtype(out.dtype, jnp.inexact):
        sizes = _facts.evaluate(operation, *[np.abs(v) for v in values])
        whole = [(np.floor(v.astype(float)) == v).all() for v in values]
        exact = all(whole) and sizes.max(initial=0) < 2.0 ** jnp.finfo(out.dtype).nmant
        if not exact:
            return unknown
    return domain.lift(value)


def _arranged(x: SetArray, batch, summed):
    """(`x` as [batch, free, summed], lengths of the free axes)."""
    free = [a for a in range(x.ndim) if a not in (*batch, *summed)]
    order = [*batch, *free, *summed]
    sizes = [math.prod(x.shape[a] for a in axes) for axes in (batch, free, summed)]

    def arranged(part):
        extra = range(x.ndim, part.ndim)
        return part.transpose([*order, *extra]).reshape(*sizes, *part.shape[x.ndim :])

    moved = SetArray(
        arranged(x.words),
        arranged(x.known),
        arranged(x.value),
        arranged(x.low),
        x.dtype,
    )
    return moved, [x.shape[a] for a in free]


def _products(a, b, a_counts, b_counts):
    """[m, n, words]: what the sums of products of a[m, k] and b[n, k] depend on."""
    left = chosen_union(a, b_counts.T)
    right = chosen_union(b, a_counts.T)
    return left | right.swapaxes(0, 1)


def chosen_union(words: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """[m, n, words]: the union over k of words[m, k] where counts[k, n]."""
    m, _, size = words.shape
    n = counts.shape[1]
    if not words.any():
        return np.broadcast_to(np.uint32(0), (m, n, size))
    rows, row_of = _distinct(words)
    terms, term_of = _distinct(rows.swapaxes(0, 1))
    together = np.zeros((len(terms), n), bool)
    for term in range(len(terms)):
        together[term] = counts[term_of == term].any(axis=0)
    columns, column_of = _distinct(together.T)
    union = np.zeros((len(rows), len(columns), size), np.uint32)
    for term, chosen in zip(terms, columns.T, strict=True):
        union[:, chosen] |= term[:, None]
    return union[row_of][:, column_of]


def _distinct(array):
    """(the distinct entries along the first axis, which of them each entry is)."""
    numbers: dict[bytes, int] = {}
    first, which = [], []
    for i, entry in enumerate(np.ascontiguousarray(array)):
        number = numbers.setdefault(entry.tobytes(), len(numbers))
        if number == len(first):
            first.append(i)
        which.append(number)
    return array[first], np.array(which, int)


@table.define_op("conv_general_dilated")
def _conv(domain, operation, x, kernel):
    """Place by place of the window: what it meets, through the features it connects."""
    x, kernel = domain.lift(x), domain.lift(kernel)
    conv = Convolution(**operation.params)
    x_spec, kernel_spec, out_spec = conv.dimension_numbers
    size, count_of = _counting(domain, x, kernel)
    a, b = _transposed(x.words, x_spec), _transposed(kernel.words, kernel_spec)
    a_counts = count_of(x).transpose(x_spec)
    b_counts = count_of(kernel).transpose(kernel_spec)
    places = conv.windows(b.shape[2:-1]).positions((1, 1, *a.shape[2:-1]))
    spatial = places.shape[2 : a.ndim - 1]
    places = places.reshape(math.prod(spatial), -1)
    axis = 0 if conv.by_batch else 1
    parts = [
        _correlated(*part, places)
        for part in zip(
            np.split(a, conv.groups, axis),
            np.split(a_counts, conv.groups, axis),
            np.split(b, conv.groups, 0),
            np.split(b_counts, conv.groups, 0),
            strict=True,
        )
    ]
    words = np.concatenate(parts, 1)
    words = words.reshape(*words.shape[:2], *spatial, size)
    words = _transposed(words, np.argsort(out_spec))
    return _nothing_left(domain, operation, words, (x, kernel))


def _transposed(words, order):
    return words.transpose([*order, words.ndim - 1])


def _correlated(x, x_counts, kernel, kernel_counts, places):
    """[n, o, windows, words] of images [n, c, ...] and kernels [o, c, ...]."""
    (n, c), o, size = x.shape[:2], kernel.shape[0], x.shape[-1]
    x, x_counts = x.reshape(n, c, -1, size), x_counts.reshape(n, c, -1)
    kernel = kernel.reshape(o, c, -1, size)
    kernel_counts = kernel_counts.reshape(o, c, -1)
    total = np.zeros((n, len(places), o, size), np.uint32)
    for k in range(places.shape[1]):
        here = places[:, k] != PADDING
        at = places[here, k]
        rows = x[:, :, at].swapaxes(1, 2).reshape(-1, c, size)
        counts = x_counts[:, :, at].swapaxes(1, 2).reshape(-1, c)
        met = _products(rows, kernel[:, :, k], counts, kernel_counts[:, :, k])
        total[:, here] |= met.reshape(n, -1, o, size)
    return total.transpose(0, 2, 1, 3)


@table.define_op("ragged_dot_general", "ragged_dot")
def _ragged_dot(domain, operation, *operands):
    """Which rows meet which matrix is for the group sizes to say: anything may."""
    out = _facts.outline(operation, operands)
    words = domain.no_words(())
    for x in map(domain.lift, operands):
        words = words | either(x.words, range(x.ndim))
    return anything(np.broadcast_to(words, (*out.shape, words.size)), out.dtype)
