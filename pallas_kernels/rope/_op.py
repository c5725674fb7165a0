"""The function that users call."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.rope import _kernel, _reference


def rope(
    x: jax.Array,
    positions: jax.Array,
    *,
    layout: str,
    base: float = 10000.0,
    implementation: str = "auto",
) -> jax.Array:
    """Each pair of elements of a row turned by position * base**(-2 k / n).

    x: [..., n], n even, float32, bfloat16 or float16; computed in float32, the result
    in the dtype of `x`. positions: integers that broadcast to [...]; for queries
    [batch, length, heads, n] at positions [length], give `positions[:, None]`. They are
    taken as float32, exact below 2**24. layout: where pair k is; "interleaved", as in
    RoFormer and GPT-J, at 2 k and 2 k + 1; "half", as in GPT-NeoX and LLaMA, at k and
    k + n / 2. Weights that were trained with one are wrong with the other, so there is
    no default. Differentiable in reverse mode with respect to `x`: the cotangent is
    turned back. implementation: "auto" runs the kernel on a CUDA GPU and the formula
    elsewhere; "reference" the formula; "pallas" the kernel, or an error.

    Raises: InputError for other dtypes, positions that are not integers or do not
        broadcast, an odd n or none, another layout, a base that is not positive; on
        lowering "pallas" for a platform without a GPU.
    Source: Su et al. 2021 (arXiv:2104.09864), eq. 34.

    >>> y = rope(jnp.array([[1.0, 0.0]]), jnp.array([2]), layout="half")
    >>> [round(float(v), 4) for v in y[0]]
    [-0.4161, 0.9093]
    """
    require_floats("rope", x=x)
    given = {"x": x, "positions": positions}
    even = x.ndim >= 1 and x.shape[-1] > 0 and x.shape[-1] % 2 == 0
    require("rope", even, "x [..., n] with an even n >= 2", **given)
    whole = jnp.issubdtype(positions.dtype, jnp.integer)
    require("rope", whole, f"integer positions, not {positions.dtype}", **given)
    needs = "positions that broadcast to x without its last axis"
    require("rope", _fit(positions, x), needs, **given)
    require("rope", base > 0, f"a positive base, not {base}", **given)
    if layout not in _reference.LAYOUTS:
        known = ", ".join(_reference.LAYOUTS)
        raise InputError(f"rope knows the layouts {known}, not {layout!r}")
    each = jnp.broadcast_to(positions, x.shape[:-1]).astype(jnp.int32)
    return _compiled(x, each, float(base), layout, implementation)


def _fit(positions, x) -> bool:
    try:
        return np.broadcast_shapes(positions.shape, x.shape[:-1]) == x.shape[:-1]
    except ValueError:
        return False


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _rope(x, positions, base, layout, implementation):
    return _turned(x, positions, base, layout, implementation, 1.0)


def _turned(x, positions, base, layout, implementation, sign):
    options = {"base": base, "layout": layout, "sign": sign}
    return kernel_call(
        "rope" if sign > 0 else "rope_backward",
        functools.partial(_reference.rope, **options),
        functools.partial(_kernel.rope, **options),
        *(x, positions),
        implementation=implementation,
    )


def _forward(x, positions, *options):
    return _rope(x, positions, *options), positions


def _backward(base, layout, implementation, positions, dy):
    dx = _turned(dy, positions, base, layout, implementation, -1.0)
    return dx, np.zeros(positions.shape, jax.dtypes.float0)


_rope.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_rope, static_argnums=(2, 3, 4))
