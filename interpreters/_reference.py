"""The primitive through which the call of a fused kernel stands for its formula.

Where a program runs, the equation is the kernel on platforms that have one and the
formula elsewhere; where a domain walks it, it is the formula: `fused_kernel` is one of
the calls of `_control`, and its jaxpr is the formula's. So a claim about a model with
kernels rests on the contract of each, and `kernels_in` lists them. A name in a `jit`
would not do: any function may have that name.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.core import ShapedArray
from jax.extend.core import Primitive, jaxpr_as_fun
from jax.interpreters import batching, mlir

from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters import _jaxpr

IMPLEMENTATIONS = ("auto", "reference", "pallas")

fused_kernel = Primitive("fused_kernel")
fused_kernel.multiple_results = True


def kernel_call(
    name: str,
    formula: Callable[..., Any],
    kernel: Callable[..., Any],
    *args,
    implementation: str = "auto",
    elsewhere: Callable[..., Any] | None = None,
):
    """`formula(*args)`, computed by `kernel(*args)` where the platform has it.

    Both take and return the same arrays. implementation: "auto" is the kernel on CUDA
    and the formula elsewhere, "reference" the formula everywhere, "pallas" the kernel,
    or an error where it cannot run. elsewhere: what "auto" runs without a GPU in place
    of the formula, where the order of its operations is promised; domains walk the
    formula all the same.

    Raises: InputError for another implementation, and, on lowering "pallas" for a
        platform without a GPU, saying so.
    """
    if implementation not in IMPLEMENTATIONS:
        raise InputError(
            f"implementation is one of {', '.join(IMPLEMENTATIONS)}, "
            f"not {implementation!r}"
        )
    if implementation == "reference":
        return formula(*args)
    closed, shape = jax.make_jaxpr(formula, return_shape=True)(*args)
    leaves, tree = jax.tree.flatten(args)
    outputs = fused_kernel.bind(
        *leaves,
        name=name,
        jaxpr=closed,
        kernel=_Leaves(kernel, tree),
        elsewhere=elsewhere and _Leaves(elsewhere, tree),
        required=implementation == "pallas",
    )
    return jax.tree.unflatten(jax.tree.structure(shape), outputs)


def kernels_in(jaxpr) -> tuple[str, ...]:
    """The names of the kernels that a jaxpr calls, at any depth, sorted."""
    names, waiting = set(), [_jaxpr.open_jaxpr(jaxpr)[0]]
    while waiting:
        for eqn in waiting.pop().eqns:
            if eqn.primitive.name == fused_kernel.name:
                names.add(eqn.params["name"])
            waiting += [_jaxpr.open_jaxpr(sub)[0] for sub in _jaxpr.subjaxprs(eqn)]
    return tuple(sorted(names))


class _Leaves:
    """A function of trees as one of leaves, returning a list of them."""

    def __init__(self, function, tree):
        self.function, self.tree = function, tree

    def __call__(self, *leaves):
        return jax.tree.leaves(self.function(*jax.tree.unflatten(self.tree, leaves)))


class _Mapped:
    """A function of arrays, mapped over some of their axes."""

    def __init__(self, function, axes):
        self.function, self.axes = function, axes

    def __call__(self, *args):
        return jax.vmap(self.function, self.axes)(*args)


def _formula(*args, jaxpr, elsewhere, required, name, **_):
    if required:
        raise InputError(
            f"{name} was asked for with implementation='pallas', and this platform "
            "runs no Triton kernels: take 'auto' or 'reference', or run on a GPU"
        )
    return (elsewhere or jaxpr_as_fun(jaxpr))(*args)


def _kernel(*args, kernel, name, **_):
    closed = jax.make_jaxpr(kernel)(*args)
    _require_addresses(name, closed)
    return jaxpr_as_fun(closed)(*args)


def _require_addresses(name, jaxpr):
    """Every element has an address that the kernel computes rightly.

    Pallas takes 64 bits for offsets, which count elements, where an array has more
    than 2**32 bytes. Of one-byte elements there are then 2**32, and 32 bits with a sign
    reach 2**31: a mask of 50,000 x 50,000 would be read from before its beginning.
    """
    for eqn in _jaxpr.open_jaxpr(jaxpr)[0].eqns:
        if eqn.primitive.name != "pallas_call":
            for inner in _jaxpr.subjaxprs(eqn):
                _require_addresses(name, inner)
            continue
        for aval in (v.aval for v in (*eqn.invars, *eqn.outvars)):
            if aval.size > 2**31 and aval.size * aval.dtype.itemsize <= 2**32:
                raise InputError(
                    f"{name} would address {aval.dtype}{list(aval.shape)}, more than "
                    "2**31 elements of one byte, with 32 bits: take "
                    "implementation='reference', or less at a time"
                )


@fused_kernel.def_abstract_eval
def _shapes(*args, jaxpr, **_):
    outputs = _jaxpr.open_jaxpr(jaxpr)[0].outvars
    return [ShapedArray(v.aval.shape, v.aval.dtype) for v in outputs]


@fused_kernel.def_impl
def _eager(*args, **params):
    return jax.jit(functools.partial(fused_kernel.bind, **params))(*args)


def _batched(args, axes, *, jaxpr, kernel, elsewhere, **params):
    axes = tuple(axes)
    formula = _Mapped(jaxpr_as_fun(jaxpr), axes)
    outputs = fused_kernel.bind(
        *args,
        jaxpr=jax.make_jaxpr(formula)(*args),
        kernel=_Mapped(kernel, axes),
        elsewhere=elsewhere and _Mapped(elsewhere, axes),
        **params,
    )
    return outputs, [0] * len(outputs)


batching.primitive_batchers[fused_kernel] = _batched
mlir.register_lowering(fused_kernel, mlir.lower_fun(_formula, multiple_results=True))
mlir.register_lowering(
    fused_kernel, mlir.lower_fun(_kernel, multiple_results=True), platform="cuda"
)
