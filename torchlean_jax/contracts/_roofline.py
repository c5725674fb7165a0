"""What a kernel has to move and to do, and the least time that takes on a card.

Both are those of the formula, whatever computes it: operands and results once, and the
additions, multiplications, comparisons, roots and exponentials without which it cannot
be evaluated. A kernel may move and do more (`Contract.bytes` counts what it moves).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from torchlean_jax.contracts._speed import BANDWIDTH
from torchlean_jax.pallas_kernels._terms import Program, Terms


@dataclass(frozen=True)
class Card:
    """bandwidth: bytes a second. Operations a second: `vector`, in float32 outside of
    the matrix units; `matrix`, products of bfloat16 and sums in float32, dense."""

    name: str
    bandwidth: float
    vector: float
    matrix: float


# NVIDIA's data sheets: A100 40 GB SXM (2021), H100 SXM (2023; half of what is printed
# "with sparsity").
CARDS = (
    Card("A100", BANDWIDTH["NVIDIA A100-SXM4-40GB"], 19.5e12, 312e12),
    Card("H100", BANDWIDTH["NVIDIA H100 80GB HBM3"], 67e12, 989e12),
)


@dataclass(frozen=True)
class Work:
    """Of one program at one shape; on_matrix_units: where its operations are done,
    which only takes those of narrow dtypes."""

    bytes: int
    operations: float
    on_matrix_units: bool
    dtype: str

    def seconds(self, card: Card) -> float:
        """The least: that of the bytes or that of the operations."""
        rate = card.matrix if self.on_matrix_units else card.vector
        return max(self.bytes / card.bandwidth, self.operations / rate)

    def bound(self, card: Card) -> str:
        moving = self.bytes / card.bandwidth
        return "memory" if self.seconds(card) == moving else "arithmetic"


def work(terms: Terms, program: Program, shape=None, dtype: str | None = None) -> Work:
    """At the shape as in a model, in the narrowest of bfloat16 and float32 that the
    contract has, unless others are given. Nothing is allocated."""
    shape = terms.typical if shape is None else shape
    if dtype is None:
        dtype = "bfloat16" if "bfloat16" in terms.dtypes else "float32"

    def arguments():
        return tuple(program.arguments(jax.random.key(0), shape, jnp.dtype(dtype)))

    args = jax.eval_shape(arguments)
    arrays = jax.tree.leaves((args, jax.eval_shape(program.formula, *args)))
    formula = formula_of(program.name)
    return Work(
        sum(x.size * x.dtype.itemsize for x in arrays),
        float(OPERATIONS[formula](shape)),
        dtype != "float32" and formula[0] in _PRODUCTS,
        dtype,
    )


def formula_of(program: str) -> tuple[str, str]:
    """(name, "forward" or "backward"), as `OPERATIONS` has it."""
    name, backward = program.removesuffix("_backward"), program.endswith("_backward")
    name = name.removeprefix("batch_invariant_")
    for family in ("linear", "rope"):
        name = family if name.startswith(f"{family}_") else name
    return name, "backward" if backward else "forward"


def _of_rows(each: float) -> Callable[[Any], float]:
    return lambda shape: each * math.prod(shape)


def _of_product(each: float) -> Callable[[Any], float]:
    return lambda shape: each * math.prod(shape[0]) * shape[1]


def _of_pairs(products: float) -> Callable[[Any], float]:
    """`products` of head_dim multiplications and additions for each pair of a query and
    a key that it may look at: half of them if causal."""

    def count(shape):
        pairs = shape.queries * shape.keys
        if shape.causal:
            pairs = shape.queries * (2 * shape.keys - shape.queries + 1) / 2
        return products * 2 * shape.dim * shape.batch * shape.heads * pairs

    return count


def _of_steps(each: float) -> Callable[[Any], float]:
    return lambda shape: each * math.prod(shape[:4])


_PRODUCTS = frozenset(("linear", "matmul", "attention"))
# By formula. What makes up a number stands beside it, for each element (pair, state).
OPERATIONS: dict[tuple[str, str], Callable[[Any], float]] = {
    # square, its sum; times the scale, times the weight
    ("rms_norm", "forward"): _of_rows(4),
    # those two again, weight dy, times x, its sum, times x, minus, times the scale;
    # for the weight: x times the scale, times dy, its sum
    ("rms_norm", "backward"): _of_rows(11),
    # sum, minus, square, its sum, times the scale, times the weight, plus the bias
    ("layer_norm", "forward"): _of_rows(7),
    # the first five again, weight dy, its sum, times x', its sum, times x', two minus,
    # times the scale; for the weight: times dy, its sum; the sum for the bias
    ("layer_norm", "backward"): _of_rows(16),
    # largest, minus, exp, its sum, quotient
    ("softmax", "forward"): _of_rows(5),
    # y dy, its sum, minus, times y
    ("softmax", "backward"): _of_rows(4),
    # largest, minus, exp, its sum
    ("cross_entropy", "forward"): _of_rows(4),
    # minus, exp, times the slope; the label is one element of a row
    ("cross_entropy", "backward"): _of_rows(3),
    # two products and a sum; for each pair an angle, its sine and its cosine
    ("rope", "forward"): _of_rows(4.5),
    ("rope", "backward"): _of_rows(4.5),
    ("linear", "forward"): _of_product(2),
    ("linear", "backward"): _of_product(4),
    ("matmul", "forward"): _of_product(2),
    # q k and the weights times v
    ("attention", "forward"): _of_pairs(2),
    # q k again, dout v, and one product for each of dq, dk, dv
    ("attention", "backward"): _of_pairs(5),
    # delta a, exp, times the state, b times delta x, plus; times c, its sum
    ("selective_scan", "forward"): _of_steps(7),
    # the first five again; c dy, plus what came from the next step; for c: two; for a
    # and delta together: times the state, times the decay, times delta, times a, two
    # sums; for b and delta x: two products and two sums; into the step before: one
    ("selective_scan", "backward"): _of_steps(20),
    # four products and four sums of real numbers
    ("mode_product", "forward"): lambda shape: 8 * math.prod(shape),
    ("mode_product", "backward"): lambda shape: 16 * math.prod(shape),
    # a sum for each number of the updates
    ("scatter_add", "forward"): lambda shape: shape[1] * shape[2],
    ("gather_rows", "forward"): lambda shape: 0,
}
