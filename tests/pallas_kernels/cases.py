"""A call of each public function, with arguments small enough to interpret its kernels.

Every case has an array without the axis that the others are mapped over, where it has
several, and one that is mapped along an axis other than its first.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import pallas_kernels as kernels

EXAMPLES = 2


class Case:
    """`call(*floats, implementation=...)`, mapped over `axes` of the arguments, of
    which one is none at least; `kernels`: those that it and its reverse mode run."""

    def __init__(self, call, axes, *shapes, kernels):
        self.call, self.axes, self.kernels = call, axes, kernels
        self.arguments = [0.5 * _normal(shape, k) for k, shape in enumerate(shapes)]
        assert None in axes or len(axes) == 1
        assert any(axes)  # an axis that is neither the first nor none

    def one(self, example):
        """The arguments of one example."""
        return [
            jnp.asarray(x if axis is None else np.take(x, example, axis))
            for x, axis in zip(self.arguments, self.axes, strict=True)
        ]


def _normal(shape, seed):
    """By NumPy, which compiles nothing for it."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def both(f):
    """(y, the cotangents of all arguments), from a cotangent and the arguments."""

    def run(dy, *args):
        y, back = jax.vjp(f, *args)
        return y, back(dy)

    return run


def of_rows(call, *shapes, **options):
    """Rows along the first axis of the first array, mapped along its second one."""
    axes = (1, *[None] * (len(shapes) - 1))
    return Case(functools.partial(call, **options), axes, *shapes, **_names(call))


def _names(call):
    return {"kernels": {call.__name__, f"{call.__name__}_backward"}}


PLACES = jnp.asarray([2, 0, 2, -1, 3, 0])
LABELS = jnp.asarray([0, 4, -100])
MASK = jnp.asarray(np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0], [1] * 5], bool))


def _rope(x, **options):
    return kernels.rope(x, 3 * jnp.arange(3), layout="interleaved", **options)


def _scatter_add(operand, updates, **options):
    return kernels.scatter_add(operand, PLACES, updates, **options)


def _attention(q, k, v, bias, **options):
    return kernels.attention(
        q, k, v, bias=bias, causal=True, alignment="end", **options
    )


def _invariant_attention(q, k, v, **options):
    window = {"window": 2, "alignment": "start"}
    return kernels.batch_invariant_attention(q, k, v, **window, **options)


def _scan(x, delta, a, b, c, d, state, z, **options):
    return kernels.selective_scan(
        *(x, jnp.abs(delta), -jnp.abs(a), b, c, d), z=z, state=state, **options
    )


CASES = {
    "rms_norm": of_rows(kernels.rms_norm, (3, EXAMPLES, 5), (5,)),
    "layer_norm": of_rows(kernels.layer_norm, (3, EXAMPLES, 5), (5,), (5,)),
    "softmax": Case(
        lambda x, **options: kernels.softmax(x, MASK, **options),
        (2,),
        (3, 5, EXAMPLES),
        **_names(kernels.softmax),
    ),
    "cross_entropy": Case(
        lambda x, **options: kernels.cross_entropy(x, LABELS, z_loss=0.1, **options),
        (1,),
        (3, EXAMPLES, 5),
        **_names(kernels.cross_entropy),
    ),
    "rope": Case(_rope, (2,), (3, 4, EXAMPLES), **_names(kernels.rope)),
    "linear": Case(
        functools.partial(kernels.linear, activation="tanh"),
        (None, 2, None),
        (17, 18),
        (18, 3, EXAMPLES),
        (3,),
        **_names(kernels.linear),
    ),
    "batch_invariant_matmul": Case(
        kernels.batch_invariant_matmul,
        (None, 2),
        (17, 18),
        (18, 3, EXAMPLES),
        kernels={"batch_invariant_matmul"},
    ),
    "batch_invariant_rms_norm": Case(
        kernels.batch_invariant_rms_norm,
        (1, None),
        (3, EXAMPLES, 5),
        (5,),
        kernels={"batch_invariant_rms_norm", "rms_norm_backward"},
    ),
    "scatter_add": Case(
        _scatter_add,
        (None, 1),
        (3, 4),
        (len(PLACES), EXAMPLES, 4),
        **_names(kernels.scatter_add),
    ),
    "spectral_convolution": Case(
        kernels.spectral_convolution,
        (None, 3),
        (2, 6, 2),
        (2, 3, 2, EXAMPLES, 2),
        **_names(kernels.spectral_convolution),
    ),
    "attention": Case(
        _attention,
        (2, None, 0, None),
        (1, 3, EXAMPLES, 2, 2),
        (1, 4, 1, 2),
        (EXAMPLES, 1, 4, 1, 2),
        (1, 1, 3, 4),
        kernels={"attention", "attention_backward", "attention_bias_backward"},
    ),
    "batch_invariant_attention": Case(
        _invariant_attention,
        (None, 1, None),
        (1, 3, 2, 2),
        (1, EXAMPLES, 3, 1, 2),
        (1, 3, 1, 2),
        kernels={"batch_invariant_attention", "attention_backward"},
    ),
    "selective_scan": Case(
        _scan,
        (None, 1, None, 0, None, None, 2, None),
        (1, 3, 2),
        (1, EXAMPLES, 3, 2),
        (2, 2),
        (EXAMPLES, 1, 3, 2),
        (1, 3, 2),
        (2,),
        (1, 2, EXAMPLES, 2),
        (1, 3, 2),
        **_names(kernels.selective_scan),
    ),
}


def cotangents(case):
    """Of the results of all examples, as the first axis of each array."""
    y = jax.eval_shape(case.call, *case.one(0))
    return jax.tree.map(lambda a: _normal((EXAMPLES, *a.shape), 7), y)
