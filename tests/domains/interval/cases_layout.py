"""Containment cases for rules that move elements to known places."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from tests.domains.interval.cases import (
    MATRIX,
    Case,
    Float,
    twin,
)
from tests.domains.interval.exact import elementwise


def move(name, f, exact, rules=None, inputs=(MATRIX,)):
    return Case(name, rules or (name,), f, exact, inputs, (0, 0))


def padded(x):
    out = np.full((5, 7), Fraction(3, 2), object)
    out[1:4, 0:7:2] = x
    return out


LAYOUT = [
    move(
        "broadcast_in_dim",
        lambda x: jnp.broadcast_to(x[:, None], (3, 2, 4)),
        lambda x: np.broadcast_to(x[:, None], (3, 2, 4)),
    ),
    twin("reshape", ("reshape",), lambda n, x: n.reshape(x, (2, 6))),
    twin("transpose", ("transpose",), lambda n, x: n.transpose(x)),
    move(
        "squeeze",
        lambda x: lax.squeeze(x, (0,)),
        lambda x: x[0],
        inputs=(Float((1, 5)),),
    ),
    twin(
        "concatenate",
        ("concatenate",),
        lambda n, x, y: n.concatenate([x, y]),
        (MATRIX, MATRIX),
    ),
    move(
        "slice", lambda x: lax.slice(x, (0, 1), (3, 4), (2, 1)), lambda x: x[0:3:2, 1:4]
    ),
    move("rev", lambda x: lax.rev(x, (1,)), lambda x: x[:, ::-1]),
    move(
        "pad",
        lambda x: lax.pad(x, jnp.asarray(1.5, x.dtype), [(1, 1, 0), (0, 0, 1)]),
        padded,
    ),
    move(
        "split", lambda x: lax.split(x, (1, 3), axis=1), lambda x: [x[:, :1], x[:, 1:]]
    ),
    move(
        "stack",
        lambda x, y: lax.stack_p.bind(x, y, axis=1),
        lambda x, y: np.stack([x, y], 1),
        inputs=(MATRIX, MATRIX),
    ),
    move(
        "unstack",
        lambda x: lax.unstack_p.bind(x, axis=1),
        lambda x: [x[:, i] for i in range(4)],
    ),
    move("tile", lambda x: lax.tile(x, (2, 1)), lambda x: np.tile(x, (2, 1))),
    move("copy", lax.copy_p.bind, lambda x: x),
    move(
        "optimization_barrier",
        lambda x, y: lax.optimization_barrier((x, y)),
        lambda x, y: [x, y],
        inputs=(MATRIX, MATRIX),
    ),
    move("name", lambda x: checkpoint_name(x, "here"), lambda x: x),
    Case(
        "empty",
        ("empty",),
        lambda x: lax.empty(x.shape, x.dtype),
        elementwise(lambda x: None),
        (MATRIX,),
    ),
    move(
        "written_empty",
        lambda x: lax.dynamic_update_slice(lax.empty(x.shape, x.dtype), x, (0, 0)),
        lambda x: x,
        rules=("dynamic_update_slice",),
    ),
]


CASES = [*LAYOUT]
