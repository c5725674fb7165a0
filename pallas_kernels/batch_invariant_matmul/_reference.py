"""y = x @ weight, in float32 sums."""

from torchlean_jax.pallas_kernels import _fixed_order
from torchlean_jax.pallas_kernels._arguments import as_rows
from torchlean_jax.pallas_kernels.linear._reference import product


def matmul(x, weight):
    return product(x, weight).astype(x.dtype)


def fixed_order(x, weight):
    """The same on a platform without the kernel, term by term."""
    return _fixed_order.matmul(x, weight).astype(x.dtype)


def dweight(x, weight, dy):
    """The gradient with respect to the weight: a sum over the batch, as it must be."""
    return product(as_rows(x).T, as_rows(dy)).astype(weight.dtype)
