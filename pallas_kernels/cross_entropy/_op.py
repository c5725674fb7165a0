"""The function that users call."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.cross_entropy import _kernel, _reference


def cross_entropy(
    logits: jax.Array,
    labels: jax.Array,
    *,
    ignore_index: int = -100,
    z_loss: float = 0.0,
    implementation: str = "auto",
) -> jax.Array:
    """logsumexp(logits) - logits[label] + z_loss * logsumexp(logits)**2 for each row.

    logits: [..., n], float32, bfloat16 or float16, n >= 1; labels: [...], integers. The
    result is float32 of the shape of `labels`, 0 where the label is `ignore_index`, and
    infinite where it is neither that nor one of 0 .. n - 1, which have all the
    probability. It is not reduced: a mean over the rows that count is
    `loss.sum() / (labels != ignore_index).sum()`. Differentiable in reverse mode with
    respect to `logits`, with a kernel of its own that reads the logits once and holds
    no array of their size but the gradient; the gradient of an ignored row is 0,
    whatever it holds. implementation: "auto" runs the kernel on a CUDA GPU and the
    formula elsewhere; "reference" the formula; "pallas" the kernel, or an error.

    Raises: InputError for other dtypes, labels that are not integers or not one for
        each row, no elements, a negative z_loss; on lowering "pallas" for a platform
        without a GPU.
    Source: of the z-loss, Chowdhery et al. 2022 (arXiv:2204.02311), section 5.

    >>> logits = jnp.array([[0.0, 0.0], [5.0, 1.0]])
    >>> loss = cross_entropy(logits, jnp.array([1, -100]))
    >>> [round(float(y), 4) for y in loss]
    [0.6931, 0.0]
    """
    require_floats("cross_entropy", logits=logits)
    given = {"logits": logits, "labels": labels}
    fits = logits.ndim >= 1 and logits.shape[-1] > 0
    fits = fits and labels.shape == logits.shape[:-1]
    require("cross_entropy", fits, "logits [..., n], labels [...], n >= 1", **given)
    whole = jnp.issubdtype(labels.dtype, jnp.integer)
    require("cross_entropy", whole, f"integer labels, not {labels.dtype}", **given)
    needs = f"a z_loss of at least 0, not {z_loss}"
    require("cross_entropy", z_loss >= 0, needs, **given)
    options = int(ignore_index), float(z_loss), implementation
    return _compiled(logits, labels.astype(jnp.int32), *options)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _cross_entropy(x, labels, ignore, z, implementation):
    return _forward(x, labels, ignore, z, implementation)[0]


def _forward(x, labels, ignore, z, implementation):
    loss, level = kernel_call(
        "cross_entropy",
        functools.partial(_reference.cross_entropy, ignore=ignore, z=z),
        functools.partial(_kernel.cross_entropy, ignore=ignore, z=z),
        *(x, labels),
        implementation=implementation,
    )
    return loss, (x, labels, level)


def _backward(ignore, z, implementation, saved, dy):
    dx = kernel_call(
        "cross_entropy_backward",
        functools.partial(_reference.cross_entropy_backward, ignore=ignore, z=z),
        functools.partial(_kernel.cross_entropy_backward, ignore=ignore, z=z),
        *saved,
        dy,
        implementation=implementation,
    )
    return dx, np.zeros(saved[1].shape, jax.dtypes.float0)


_cross_entropy.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_cross_entropy, static_argnums=(2, 3, 4))
