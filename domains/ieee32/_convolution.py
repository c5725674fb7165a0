"""The rule for convolutions, which become one product of patches and kernel.

The terms of a result are counted by the place in the window in row-major order, and at
each place by the input feature. Places outside the array take no part.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._windows import Convolution
from torchlean_jax.domains.ieee32._contraction import dot, in_format, require_plain
from torchlean_jax.domains.ieee32._pool import stacked
from torchlean_jax.domains.ieee32._rules import rule


@rule("conv_general_dilated")
def _conv(domain, x, kernel, **params):
    conv = Convolution(**params)
    require_plain(conv.precision)
    x, kernel = in_format(domain, conv.preferred_element_type, x, kernel)
    numbers, groups = conv.dimension_numbers, conv.groups
    x, kernel = _transposed(x, numbers.lhs_spec), _transposed(kernel, numbers.rhs_spec)
    windows = conv.windows(kernel.shape[2:])
    patches = stacked([windows.at(offset, x) for offset in windows.offsets()])
    inside = windows.inside((1, 1, *x.shape[2:]))[:, 0, 0]
    out = patches.shape[3:]
    features = kernel.shape[1]
    batch = x.shape[0] // conv.batch_group_count
    rows = jax.tree.map(
        lambda a: _rows(a, groups, conv.by_batch, batch, features), patches
    )
    columns = jax.tree.map(lambda a: _columns(a, groups, features), kernel)
    present = None
    if not inside.all():
        shape = len(inside), features, batch, *out
        present = np.broadcast_to(inside[:, None, None], shape)
        present = jnp.asarray(present.reshape(len(inside) * features, -1))
    result = dot(domain, rows, columns, present)

    def arranged(a):
        a = a.reshape(groups, batch, math.prod(out), -1)
        a = jnp.transpose(a, (1, 0, 3, 2)).reshape(batch, kernel.shape[0], *out)
        return jnp.transpose(a, np.argsort(numbers.out_spec).tolist())

    return jax.tree.map(arranged, result)


def _transposed(x, spec):
    return jax.tree.map(lambda a: jnp.transpose(a, spec), x)


def _rows(a, groups, by_batch, batch, features):
    """[places, batch, features, out...] as [terms, groups, rows]."""
    places, area = a.shape[0], math.prod(a.shape[3:])
    if by_batch:
        a = a.reshape(places, groups, batch, features, area)
        a = jnp.transpose(a, (0, 3, 1, 2, 4))
    else:
        a = a.reshape(places, batch, groups, features, area)
        a = jnp.transpose(a, (0, 3, 2, 1, 4))
    return a.reshape(places * features, groups, batch * area)


def _columns(a, groups, features):
    """[out features, in features, places...] as [terms, groups, columns]."""
    a = a.reshape(groups, a.shape[0] // groups, features, -1)
    return jnp.transpose(a, (3, 2, 0, 1)).reshape(-1, groups, a.shape[1])
