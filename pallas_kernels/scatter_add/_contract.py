"""What scatter-add promises."""

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms
from torchlean_jax.pallas_kernels.scatter_add import _kernel, _reference
from torchlean_jax.pallas_kernels.scatter_add._op import scatter_add
from torchlean_jax.pallas_kernels.scatter_add._shapes import SHAPES

_WHY = "the same sums in one of the orders that the formula allows"


def _places(key, rows, count):
    """Places with repetitions, on both sides outside as well."""
    return jax.random.randint(jax.random.fold_in(key, 2), (count,), -1, rows + 1)


def _forward(key, shape, dtype):
    rows, count, columns = shape
    operand = jax.random.normal(key, (rows, columns), jnp.float32)
    key = jax.random.fold_in(key, 1)
    updates = jax.random.normal(key, (count, columns), jnp.float32)
    return operand.astype(dtype), _places(key, rows, count), updates.astype(dtype)


def _backward(key, shape, dtype):
    rows, count, columns = shape
    source = jax.random.normal(key, (rows, columns), jnp.float32)
    return source.astype(dtype), _places(key, rows, count)


def _of_floats(operand, updates):
    """With places that repeat and, where there are several, lie outside."""
    places = jnp.arange(updates.shape[0]) % (operand.shape[0] + 1) - 1
    return scatter_add(operand, places, updates)


def _ones(op, rows, *indices):
    updates = jnp.ones((len(indices), 1), jnp.float32)
    return op(jnp.zeros((rows, 1)), jnp.array(indices, jnp.int32), updates)


def _column(*numbers):
    return jnp.array(numbers, jnp.float32)[:, None]


TERMS = Terms(
    name="scatter_add",
    summary="sums of updates by index, in one fixed order, without atomic operations",
    formula="y[i] = operand[i] + sum(updates[j] where indices[j] = i)",
    op=scatter_add,
    differentiable=_of_floats,
    programs=(
        Program(
            "scatter_add",
            _kernel.scatter_add,
            _reference.scatter_add,
            _forward,
            slack=1.0,
            because=_WHY,
        ),
        Program(
            "gather_rows",
            _kernel.gather_rows,
            _reference.gather_rows,
            _backward,
            slack=1.0,
            because="nothing is rounded",
        ),
    ),
    typical=(8192, 1024, 256),
    streaming=(128, 128, 250),
    shapes=SHAPES,
    edges=(
        Edge("no rows", lambda op: _ones(op, 0, 0, 1)),
        Edge("no updates", lambda op: _ones(op, 2)),
        Edge(
            "no columns",
            lambda op: op(jnp.ones((2, 0)), jnp.array([0]), jnp.ones((1, 0))),
        ),
        Edge(
            "all into one row",
            lambda op: _ones(op, 3, 1, 1, 1, 1, 1),
            expected=lambda: _column(0, 5, 0),
        ),
        Edge(
            "outside on both sides",
            lambda op: _ones(op, 3, -1, 3, 2, -3, 2**31 - 1),
            expected=lambda: _column(0, 0, 1),
        ),
        Edge(
            "narrow indices",
            lambda op: op(
                jnp.zeros((300, 1)), jnp.array([255, 3], jnp.uint8), _column(1, 2)
            ),
            expected=lambda: jnp.zeros((300, 1)).at[255].set(1.0).at[3].set(2.0),
        ),
        Edge(
            "a NaN stays in its row",
            lambda op: op(
                jnp.zeros((3, 1)), jnp.array([0, 1, 2]), _column(1, jnp.nan, 2)
            ),
            expected=lambda: _column(1, jnp.nan, 2),
        ),
        Edge(
            "a NaN that is dropped",
            lambda op: op(jnp.zeros((2, 1)), jnp.array([0, 2]), _column(1, jnp.nan)),
            expected=lambda: _column(1, 0),
        ),
        Edge("huge", lambda op: op(_column(3e38), jnp.array([0]), _column(3e38))),
        Edge("tiny", lambda op: op(_column(1e-37), jnp.array([0]), _column(1e-37))),
    ),
    assumed=("the sort that orders updates by place is XLA's",),
)
