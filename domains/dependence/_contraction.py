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
    x_axes, y_axes = _axes(x, x_batch, x_sum), _axes(y, y_batch, y_sum)
    count_x, count_y = _counting(domain, x, y)
    products = [
        _products(*part)
        for part in zip(
            _arranged(x.words, x_axes),
            _arranged(y.words, y_axes),
            _arranged_counts(count_x, x, x_axes),
            _arranged_counts(count_y, y, y_axes),
            strict=True,
        )
    ]
    out = _facts.outline(operation, (x, y))
    words = domain.no_words(out.shape)
    if products:
        words = products[0] if len(products) == 1 else np.stack(products)
        words = words.reshape(*out.shape, words.shape[-1])
    return _nothing_left(domain, operation, words, (x, y))


def _counting(domain, x, y):
    """For both operands which elements are not known to be 0, None where all are."""
    zeros = [v.known & (v.value == 0) if v.known.any() else None for v in (x, y)]
    if not any(z is not None and z.any() for z in zeros):
        return None, None
    if not _zeros_count(domain, x, y):
        return None, None
    return [None if z is None or not z.any() else ~z for z in zeros]


def _zeros_count(domain, x, y):
    """Whether 0 times any of the others is 0: not if that may be infinite or NaN."""
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return True
    for v in (x, y):
        if v.known.any() and (v.known & ~np.isfinite(v.value.astype(complex))).any():
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


def _axes(x: SetArray, batch, summed):
    free = [a for a in range(x.ndim) if a not in (*batch, *summed)]
    return tuple(batch), tuple(free), tuple(summed)


def _arranged(part, axes):
    """`part` as [batch, free, summed]."""
    order = [a for group in axes for a in group]
    sizes = [math.prod(part.shape[a] for a in group) for group in axes]
    extra = range(len(order), part.ndim)
    return part.transpose([*order, *extra]).reshape(*sizes, *part.shape[len(order) :])


def _arranged_counts(counts, x, axes):
    """The same, or a None for each of the batch."""
    if counts is None:
        return [None] * math.prod(x.shape[a] for a in axes[0])
    return _arranged(counts, axes)


def _products(a, b, a_counts, b_counts):
    """[m, n, words]: what the sums of products of a[m, k] and b[n, k] depend on."""
    left = chosen_union(a, b_counts, len(b))
    right = chosen_union(b, a_counts, len(a))
    if right is None:
        nothing = np.broadcast_to(np.uint32(0), (len(a), len(b), a.shape[-1]))
        return nothing if left is None else left
    right = right.swapaxes(0, 1)
    return right if left is None else left | right


def chosen_union(words: np.ndarray, counts: np.ndarray | None, n: int):
    """[m, n, words]: the union over k of words[m, k] where counts[n, k], everywhere if
    that is None; None if there are no words at all."""
    if not words[_distinct_part(words)].any():
        return None
    m, _, size = words.shape
    if counts is None:
        union = np.bitwise_or.reduce(words, axis=1)
        return np.broadcast_to(union[:, None], (m, n, size))
    rows, row_of = _distinct(words)
    terms, term_of = _distinct(rows.swapaxes(0, 1))
    together = np.zeros((n, len(terms)), bool)
    for term in range(len(terms)):
        together[:, term] = counts[:, term_of == term].any(axis=1)
    columns, column_of = _distinct(together)
    union = np.zeros((len(rows), len(columns), size), np.uint32)
    for term, chosen in zip(terms, columns.T, strict=True):
        union[:, chosen] |= term[:, None]
    return union[row_of][:, column_of]


def _distinct_part(array):
    """An index that leaves out what broadcasting repeats."""
    return tuple(slice(0, 1 if s == 0 else None) for s in array.strides)


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
    counts = _counting(domain, x, kernel)
    x_counts, kernel_counts = (
        np.ones(v.shape, bool) if c is None else c
        for v, c in zip((x, kernel), counts, strict=True)
    )
    a, b = _transposed(x.words, x_spec), _transposed(kernel.words, kernel_spec)
    a_counts = x_counts.transpose(x_spec)
    b_counts = kernel_counts.transpose(kernel_spec)
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
    words = words.reshape(*words.shape[:2], *spatial, words.shape[-1])
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
