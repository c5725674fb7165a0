"""Rules for sums of products: batched matrix products and convolutions.

A residue times a few bits of another is exact in binary64, and so are sums of few
enough of them below 2**53: the products run at the speed of BLAS and nothing is lost.
"""

import math

import numpy as np

from torchlean_jax.domains._windows import PADDING, Convolution
from torchlean_jax.domains.finite_field._arithmetic import of_one_kind, result
from torchlean_jax.domains.finite_field._value import (
    UNDEFINED,
    FieldArray,
    kinds_of,
    rules,
)


def matrix_product_mod(x: np.ndarray, y: np.ndarray, modulus: int) -> np.ndarray:
    """x @ y mod `modulus` for residues below 2**31, stacked along leading axes."""
    terms = x.shape[-1]
    if terms > _MOST_TERMS:
        half = terms // 2
        first = matrix_product_mod(x[..., :half], y[..., :half, :], modulus)
        rest = matrix_product_mod(x[..., half:], y[..., half:, :], modulus)
        return (first + rest) % np.uint64(modulus)
    bits = 16 if terms <= 1 << 6 else 11
    m, whole, total = np.uint64(modulus), x.astype(np.float64), None
    for place in reversed(range(0, 31, bits)):
        digits = (y >> np.uint64(place)) & np.uint64((1 << bits) - 1)
        product = (whole @ digits.astype(np.float64)).astype(np.uint64)
        total = product if total is None else (total << np.uint64(bits)) + product
        total %= m
    assert total is not None
    return total


# 2**31 * 2**11 * 2**11
_MOST_TERMS = 1 << 11


def contracted(field, x: FieldArray, y: FieldArray, arrange_x, arrange_y, back):
    """The matrix product of arranged arrays, as a value of shape `back(product)`."""
    parts = []
    rows = zip(x.parts, y.parts, _moduli(field, x), strict=True)
    for a, b, modulus in rows:
        parts.append(back(matrix_product_mod(arrange_x(a), arrange_y(b), modulus)))
    residues = np.stack(parts)
    if x.is_complex:
        residues = residues.reshape(4, 2, *residues.shape[1:])
    terms = arrange_x(x.parts[0]).shape[-1]
    degree = x.degree.times(y.degree).summed(max(terms, 1))
    kinds = _kinds(x, y, arrange_x, arrange_y, back)
    return result(residues, x, y, kinds=kinds, degree=degree, positive=True)


def _moduli(field, x):
    return np.repeat(field.moduli, 2).tolist() if x.is_complex else field.moduli


def _kinds(x, y, arrange_x, arrange_y, back):
    """What meets an infinity is undefined: the other factor's sign is not known."""
    if x.kinds is None and y.kinds is None:
        return None
    a, b = ((kinds_of(v) != 0).astype(np.float64) for v in (x, y))
    left, right = arrange_x(a), arrange_y(b)
    met = left.any(-1)[..., None] | right.any(-2)[..., None, :]
    return np.where(back(met), UNDEFINED, 0).astype(np.uint8)


@rules.define("dot_general")
def dot_general(
    field, x, y, *, dimension_numbers, precision=None, preferred_element_type=None
):
    x, y = of_one_kind(x, y)
    (x_sum, y_sum), (x_batch, y_batch) = dimension_numbers
    x_free = [a for a in range(x.ndim) if a not in (*x_batch, *x_sum)]
    y_free = [a for a in range(y.ndim) if a not in (*y_batch, *y_sum)]

    def arranged(axes, *groups):
        lengths = [math.prod(axes[a] for a in group) for group in groups]
        order = [a for group in groups for a in group]
        return lambda a: a.transpose(order).reshape(lengths)

    shape = [x.shape[a] for a in (*x_batch, *x_free)] + [y.shape[a] for a in y_free]
    product = contracted(
        field,
        x,
        y,
        arranged(x.shape, x_batch, x_free, x_sum),
        arranged(y.shape, y_batch, y_sum, y_free),
        lambda a: a.reshape(shape),
    )
    return (
        product
        if preferred_element_type is None
        else _as(product, preferred_element_type)
    )


def _as(x, dtype):
    return x if x.is_complex else x.named(dtype)


@rules.define("conv_general_dilated")
def _conv(field, x, kernel, **params):
    """Products of patches with the kernel, group by group of features (of batches)."""
    conv = Convolution(**params)
    x_spec, kernel_spec, out_spec = conv.dimension_numbers
    order = np.argsort(out_spec)
    x = x.moved(lambda a: a.transpose(x_spec))
    kernel = kernel.moved(lambda a: a.transpose(kernel_spec))
    places = conv.windows(kernel.shape[2:]).positions((1, 1, *x.shape[2:]))
    spatial = places.shape[2 : x.ndim]
    places = places.reshape(math.prod(spatial), -1)
    groups, by_batch = conv.groups, conv.by_batch
    batch, features = x.shape[0] // (groups if by_batch else 1), kernel.shape[1]

    def patches(a):
        """[groups, batch * windows, features * window]."""
        flat = a.reshape(*a.shape[:2], -1)
        filled = np.concatenate([flat, np.zeros_like(flat[:, :, :1])], 2)
        assert PADDING == -1  # the zero that is appended
        taken = filled[:, :, places]
        split = taken.reshape(
            (groups, batch, features, *taken.shape[2:])
            if by_batch
            else (batch, groups, features, *taken.shape[2:])
        )
        split = split if by_batch else split.swapaxes(0, 1)
        return split.transpose(0, 1, 3, 2, 4).reshape(groups, batch * len(places), -1)

    def weights(k):
        return k.reshape(groups, k.shape[0] // groups, -1).swapaxes(1, 2)

    def back(product):
        """[groups, batch * windows, outputs] as the result lies."""
        parts = product.reshape(groups, batch, len(places), -1)
        parts = parts.transpose(1, 0, 3, 2).reshape(batch, -1, *spatial)
        return parts.transpose(order)

    return contracted(field, x, kernel, patches, weights, back)
