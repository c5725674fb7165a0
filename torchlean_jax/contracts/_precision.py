"""Every matrix product is computed in float32, as the lowered module says.

A float32 product that states no precision becomes TF32 on a GPU, with 10 bits of
significand, and interpret mode on a CPU does not show it. That holds for products in
kernels, and for those that are left to XLA beside them.

Where there is nothing to add or to multiply, as in a scatter without updates, no kernel
is called and an operand or a constant is returned. Such a program has no product to
state a precision for; it passes if what it returns is what the formula returns.
"""

import re

import jax
import numpy as np

from torchlean_jax.contracts._cuda import exported, kernels_of
from torchlean_jax.pallas_kernels._terms import Program

_DOT = re.compile(r"tt\.dot\b.*")
# products of XLA's own, a line each, with the precision of both operands
_BESIDE = re.compile(r"stablehlo\.(?:dot_general|convolution)\b.*")


def is_stated(program: Program, args) -> tuple[bool, str]:
    module = exported(program.kernel, *args)
    kernels = kernels_of(module)
    beside = [dot for dot in _BESIDE.findall(module) if dot.count("HIGHEST") < 2]
    if beside:
        return False, f"beside the kernel, a product that may be TF32: {beside[0]}"
    if not kernels:
        return _without_a_kernel(program, args)
    products = [dot for kernel in kernels for dot in _DOT.findall(kernel.ir)]
    loose = [dot for dot in products if "tf32" in dot.lower()]
    narrow = [dot for dot in products if not re.search(r"-> tensor<[^>]*xf32", dot)]
    if loose:
        return False, f"a product in TF32: {loose[0].strip()}"
    if narrow:
        return False, f"a product that accumulates below float32: {narrow[0].strip()}"
    names = ", ".join(kernel.name for kernel in kernels)
    return True, f"{names}: lowered for CUDA, {len(products)} products, all in float32"


def _without_a_kernel(program: Program, args) -> tuple[bool, str]:
    equations = jax.make_jaxpr(program.kernel)(*args).eqns
    if any(eqn.primitive.name != "broadcast_in_dim" for eqn in equations):
        return False, "nothing was lowered to a Triton kernel"
    found, expected = (
        jax.tree.leaves(f(*args)) for f in (program.kernel, program.formula)
    )
    if not all(map(np.array_equal, found, expected)):
        return False, "no kernel is called, and the formula returns something else"
    return True, "no kernel is called: what is returned has no product in it"
