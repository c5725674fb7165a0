"""What the arrays of attention have to be."""

import math

from torchlean_jax.domains._errors import InputError
from torchlean_jax.pallas_kernels._arguments import require, require_floats

NAME = "attention"
_LAYOUT = (
    "q [batch, queries, heads, head_dim], k and v [batch, keys, kv_heads, head_dim]"
)


def check_arrays(q, k, v, mask, bias) -> None:
    floats = {"q": q, "k": k, "v": v} | ({} if bias is None else {"bias": bias})
    require_floats(NAME, **floats)
    arrays = {"q": q, "k": k, "v": v}
    require(NAME, q.ndim == k.ndim == v.ndim == 4, _LAYOUT, **arrays)
    require(NAME, k.shape == v.shape, "k and v of one shape", **arrays)
    same = q.dtype == k.dtype == v.dtype
    given = ", ".join(str(x.dtype) for x in (q, k, v))
    require(NAME, same, f"one dtype of q, k and v, not {given}", **arrays)
    require(NAME, q.shape[0] == k.shape[0], f"one batch in {_LAYOUT}", **arrays)
    dims = q.shape[3] == k.shape[3] >= 1
    require(NAME, dims, f"one head_dim of at least 1 in {_LAYOUT}", **arrays)
    heads, kv_heads = q.shape[2], k.shape[2]
    divides = kv_heads >= 1 and heads % kv_heads == 0
    require(NAME, divides, "kv_heads that divides heads", **arrays)
    whole = q.shape[0], heads, q.shape[1], k.shape[1]
    needs = f"[batch, heads, queries, keys] = {list(whole)}, any of them 1, of"
    if mask is not None:
        require(NAME, mask.dtype == bool, "a mask of booleans", mask=mask)
        require(NAME, _fits(mask, whole), f"{needs} the mask", mask=mask, **arrays)
    if bias is not None:
        require(NAME, _fits(bias, whole), f"{needs} the bias", bias=bias, **arrays)


def _fits(x, whole) -> bool:
    return x.ndim == 4 and all(n in (1, m) for n, m in zip(x.shape, whole, strict=True))


def scale_of(scale, q) -> float:
    """The scale as a number; by default head_dim ** -0.5."""
    if scale is None:
        return q.shape[3] ** -0.5
    if not math.isfinite(scale):
        raise InputError(f"{NAME} needs a finite scale, not {scale}")
    return float(scale)
