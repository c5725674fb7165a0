"""What a kernel promises: data, which `torchlean_jax.contracts` checks.

A `Terms` is the kernel's programs beside their formulas, the named shapes and dtypes at
which the promise is checked, and the cases at the edge. It checks nothing itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

Arrays = tuple[jax.Array, ...]


@dataclass(frozen=True)
class Program:
    """One kernel and the formula that it must equal, as functions of arrays alone.

    `arguments(key, shape, dtype)`: arguments at a named shape, of ordinary size; floats
    are what the promise is about, integers are taken as they are. `slack`: the float32
    error of the kernel stays under `slack` times the error that *any* order of
    evaluating the formula may have (`tl.float_error` of the formula). A kernel that
    pads sums to a power of two, or rescales between blocks, rounds more often than the
    formula does; `because` says how much and why.

    `linear`: both are linear in their argument, so that they are equal if they are so
    at unit vectors; for sums with roots of unity, which finite fields and cosines have
    in different ways. `walked`: whether domains know how the kernel rounds; of one for
    which they do not, runs alone are held against the tolerance.
    """

    name: str
    kernel: Callable[..., Any]
    formula: Callable[..., Any]
    arguments: Callable[..., Arrays]
    slack: float
    because: str
    linear: bool = False
    walked: bool = True


@dataclass(frozen=True)
class Edge:
    """A case at the edge, given to the public function with both implementations.

    `call(op)` calls it; the result must be what `expected` says, or, without one, what
    the formula gives, to `ulps` in the last place of the dtype. Rows at the edges have
    at most 8 elements with their padding: kernel and formula each round at most 16
    times between x and y, by half an ulp, hence 16 ulps.
    """

    name: str
    call: Callable[[Callable[..., Any]], Any]
    expected: Callable[[], Any] | None = None
    ulps: float = 16.0


@dataclass(frozen=True)
class Terms:
    """The promise of one kernel.

    `op`: the function users call; `differentiable`: the same as a function of its float
    arguments, whose reverse mode must be its derivative. `shapes`: by name, whatever
    `arguments` of the programs take. `rows`: the axis along which rows of operands and
    results must not depend on each other, in bits too, where that is promised.
    `clauses`: those that speak of it, by default all. `typical`: a shape as in a model,
    at which kernels are compiled and timed, and nothing is checked. `streaming`: of
    kernels that are bound by memory, a shape at which the bytes they move are counted.
    """

    name: str
    summary: str
    formula: str
    op: Callable[..., Any]
    differentiable: Callable[..., Any]
    programs: tuple[Program, ...]
    shapes: dict[str, Any]
    dtypes: tuple[str, ...] = ("float32", "bfloat16", "float16")
    edges: tuple[Edge, ...] = ()
    rows: int | None = None
    assumed: tuple[str, ...] = ()
    clauses: tuple[str, ...] | None = None
    typical: Any = None
    streaming: Any = None
