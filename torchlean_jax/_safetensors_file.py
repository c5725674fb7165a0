"""safetensors files as NumPy arrays by name, and back, bit for bit.

The package `safetensors` (Hugging Face) reads and checks the format. Here: what it lets
pass that has no one meaning, and rounding to another floating dtype. Whose arrays they
are, and by which names, is the caller's.
Source: https://huggingface.co/docs/safetensors, "Format".
"""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from torchlean_jax._files import replacing
from torchlean_jax.domains._errors import FileFormatError, InputError

TYPES = {
    "BOOL": np.dtype(bool),
    **{f"{kind}{n}": np.dtype(f"{kind.lower()}{n // 8}") for kind in "UI" for n in
       (8, 16, 32, 64)},
    **{f"F{n}": np.dtype(f"f{n // 8}") for n in (16, 32, 64)},
    "BF16": np.dtype(jnp.bfloat16),
    "F8_E4M3": np.dtype(jnp.float8_e4m3fn),
    "F8_E5M2": np.dtype(jnp.float8_e5m2),
    "C64": np.dtype(np.complex64),
}  # fmt: skip

# What arrays are rounded to. ml_dtypes rounds to 8 bits by way of binary16, twice.
ROUNDED = [TYPES[name] for name in ("F64", "F32", "F16", "BF16")]


def read(path: Path) -> dict[str, np.ndarray]:
    """Every array of a file. Raises FileFormatError naming the file."""
    package = _package()
    content = path.read_bytes()
    try:
        entries = package.deserialize(content)
        size = int.from_bytes(content[:8], "little")
        # of two arrays of one name the package gives the last
        json.loads(content[8 : 8 + size], object_pairs_hook=_once)
        return {name: _array(name, entry) for name, entry in entries}
    except (package.SafetensorError, ValueError) as error:
        raise FileFormatError(f"{path}: not a safetensors file: {error}") from error


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """A file of these arrays, whole or not at all. Their dtypes are among `TYPES`."""
    _package()
    from safetensors.numpy import save

    # the package writes the memory of an array as it lies, strides or not
    dense = {name: np.array(x, order="C") for name, x in arrays.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(dense))


def rounded(x: np.ndarray, dtype: np.dtype | None) -> np.ndarray:
    """A floating array in another dtype of `ROUNDED`, to nearest, ties to even.

    Other arrays, and any if `dtype` is None, as they are. Raises InputError if a finite
    number has no finite neighbour there.
    """
    if dtype is None or x.dtype == dtype or not jnp.issubdtype(x.dtype, jnp.floating):
        return x
    with np.errstate(over="ignore", under="ignore"):
        narrow = x
        if x.dtype == np.float64 and dtype.kind != "f":
            narrow = _to_odd(x)
        result = narrow.astype(dtype)
    lost = np.isfinite(x) & ~np.isfinite(result)
    if lost.any():
        raise InputError(f"{lost.sum()} finite numbers of {x.dtype} overflow {dtype}")
    return result


def _to_odd(x: np.ndarray) -> np.ndarray:
    """binary64 to binary32, an inexact result with an odd last bit.

    ml_dtypes rounds binary64 to bfloat16 by way of binary32, to nearest both times: 1 +
    2^-8 + 2^-40 became 1. After rounding to odd the second rounding decides alone
    (Boldo and Melquiond 2008, doi:10.1109/TC.2007.70819).
    """
    near = x.astype(np.float32)
    wide = near.astype(np.float64)
    bits = np.atleast_1d(near).view(np.uint32).reshape(x.shape)
    down = bits - (np.abs(wide) > np.abs(x)).astype(np.uint32)
    inexact = (wide != x) & ~np.isnan(x)
    odd = np.where(inexact, down | np.uint32(1), bits)
    return np.atleast_1d(odd).view(np.float32).reshape(x.shape)


def _array(name: str, entry) -> np.ndarray:
    if entry["dtype"] not in TYPES:
        raise ValueError(f"{name!r} is {entry['dtype']}, which JAX does not store")
    dtype, content = TYPES[entry["dtype"]], np.frombuffer(entry["data"], np.uint8)
    if dtype.kind == "b" and (content > 1).any():
        raise ValueError(f"{name!r} holds a byte that is neither true nor false")
    return content.view(dtype).reshape(entry["shape"])


def _once(pairs) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"its header names {', '.join(map(repr, twice))} twice")
    return found


def _package():
    from torchlean_jax.zoo._extras import import_extra

    return import_extra(
        "safetensors", extra="safetensors", purpose="a safetensors file"
    )
