"""The function that users call."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.interpreters._reference import kernel_call
from torchlean_jax.pallas_kernels._arguments import require, require_floats
from torchlean_jax.pallas_kernels.selective_scan import _kernel, _reference


def selective_scan(
    x: jax.Array,
    delta: jax.Array,
    a: jax.Array,
    b: jax.Array,
    c: jax.Array,
    d: jax.Array,
    *,
    z: jax.Array | None = None,
    state: jax.Array | None = None,
    lengths: jax.Array | None = None,
    implementation: str = "auto",
) -> tuple[jax.Array, jax.Array]:
    """The recurrence of Mamba along time: all results, and the state after the last.

    In each channel, from the state h[-1] = `state` (by default 0) on,

        h[t] = exp(delta[t] a) h[t-1] + delta[t] b[t] x[t]
        y[t] = c[t] . h[t] + d x[t]

    and with `z` the result is y silu(z). x, delta, z: [batch, steps, channels]; a:
    [channels, states]; b, c: [batch, steps, states]; d: [channels]; state: [batch,
    channels, states]; float32, bfloat16 or float16, computed in float32. lengths:
    [batch], integers; from there on y is 0 and the state stays, whatever the operands
    hold, NaN included. Returns y in the dtype of `x`, and the last state in that of
    `state` (float32 by default), so that a sequence may be taken piece by piece.

    Differentiable in reverse mode, with kernels of their own that recompute states in
    chunks. implementation: "auto" runs the kernels on a CUDA GPU and the formula
    elsewhere; "reference" the formula; "pallas" the kernels, or an error.

    Raises: InputError for other dtypes and for shapes that do not fit; on lowering
        "pallas" for a platform without a GPU.
    Source: Gu and Dao 2023 (arXiv:2312.00752), algorithm 2.

    >>> x = jnp.ones((1, 3, 1))
    >>> halves = jnp.full((1, 1), -jnp.log(2.0))
    >>> y, state = selective_scan(x, x, halves, x, x, jnp.zeros(1))
    >>> [round(float(v), 3) for v in y[0, :, 0]]
    [1.0, 1.5, 1.75]
    """
    floats = {"x": x, "delta": delta, "a": a, "b": b, "c": c, "d": d}
    floats |= {k: v for k, v in (("state", state), ("z", z)) if v is not None}
    _require_fit(floats)
    (batch, steps, channels), states = x.shape, a.shape[1]
    if lengths is None:
        lengths = jnp.full(batch, steps, jnp.int32)
    integers = jnp.issubdtype(lengths.dtype, jnp.integer) and lengths.shape == (batch,)
    needs = f"lengths [{batch}] of integers, by x"
    require("selective_scan", integers, needs, x=x, lengths=lengths)
    if state is None:
        state = jnp.zeros((batch, channels, states), jnp.float32)
    gate = () if z is None else (z,)
    return _compiled((x, delta, a, b, c, d, state, *gate), lengths, implementation)


def _require_fit(floats):
    require_floats("selective_scan", **floats)
    x, a = floats["x"], floats["a"]
    fits = x.ndim == 3 and a.ndim == 2 and a.shape[0] == x.shape[2] and a.shape[1] > 0
    needs = "x [batch, steps, channels] and a [channels, states], states >= 1"
    require("selective_scan", fits, needs, x=x, a=a)
    (batch, steps, channels), states = x.shape, a.shape[1]
    wanted = {
        "delta": x.shape,
        "b": (batch, steps, states),
        "c": (batch, steps, states),
        "d": (channels,),
        "state": (batch, channels, states),
        "z": x.shape,
    }
    for key, value in floats.items():
        if key in wanted:
            needs = f"{key} {list(wanted[key])}, by x and a"
            fits, given = value.shape == wanted[key], {"x": x, "a": a, key: value}
            require("selective_scan", fits, needs, **given)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _selective_scan(floats, lengths, implementation):
    return kernel_call(
        "selective_scan",
        _reference.selective_scan,
        _kernel.selective_scan,
        *(*floats[:7], lengths, *floats[7:]),
        implementation=implementation,
    )


def _forward(floats, lengths, implementation):
    return _selective_scan(floats, lengths, implementation), (floats, lengths)


def _backward(implementation, saved, cotangents):
    floats, lengths = saved
    gradients = kernel_call(
        "selective_scan_backward",
        _reference.selective_scan_backward,
        _kernel.selective_scan_backward,
        *(*floats[:7], lengths, *cotangents, *floats[7:]),
        implementation=implementation,
    )
    return gradients, np.zeros(lengths.shape, jax.dtypes.float0)


_selective_scan.defvjp(_forward, _backward)
# or each call outside of jit would trace and compile anew
_compiled = jax.jit(_selective_scan, static_argnums=(2,))
