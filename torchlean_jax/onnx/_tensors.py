"""Tensors and numbers of an ONNX file as NumPy arrays, with every length checked."""

import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import MOST_ELEMENTS, UnsupportedError

# TensorProto.DataType: (NumPy dtype, the field that holds it without raw_data)
_TYPES = {
    1: ("FLOAT", np.dtype(np.float32), "float_data"),
    2: ("UINT8", np.dtype(np.uint8), "int32_data"),
    3: ("INT8", np.dtype(np.int8), "int32_data"),
    4: ("UINT16", np.dtype(np.uint16), "int32_data"),
    5: ("INT16", np.dtype(np.int16), "int32_data"),
    6: ("INT32", np.dtype(np.int32), "int32_data"),
    7: ("INT64", np.dtype(np.int64), "int64_data"),
    9: ("BOOL", np.dtype(np.bool_), "int32_data"),
    10: ("FLOAT16", np.dtype(np.float16), "int32_data"),
    11: ("DOUBLE", np.dtype(np.float64), "double_data"),
    12: ("UINT32", np.dtype(np.uint32), "uint64_data"),
    13: ("UINT64", np.dtype(np.uint64), "uint64_data"),
    16: ("BFLOAT16", jnp.dtype(jnp.bfloat16), "int32_data"),
}
_BY_NAME = {name: dtype for name, dtype, _ in _TYPES.values()}
_EXTERNAL = 1  # TensorProto.EXTERNAL


def dtype_of_code(code: int | str) -> np.dtype:
    """The dtype that a TensorProto.DataType, or its name in opset 1, stands for."""
    if isinstance(code, str) and code.upper() in _BY_NAME:
        return _BY_NAME[code.upper()]
    if isinstance(code, int) and code in _TYPES:
        return _TYPES[code][1]
    raise UnsupportedError(f"tensors of element type {code}")


def to_array(tensor: Any, folder: Path | None) -> np.ndarray:
    """The numbers of a TensorProto, bit for bit; `folder` may hold external data."""
    shape = tuple(tensor.dims)
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count > MOST_ELEMENTS:
        raise FileFormatError(f"tensor {tensor.name!r} claims shape {list(shape)}")
    dtype = dtype_of_code(tensor.data_type)
    if tensor.data_location == _EXTERNAL:
        blob = _external(tensor, folder, count * dtype.itemsize)
        found = np.frombuffer(blob, dtype.newbyteorder("<"))
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * dtype.itemsize:
            raise FileFormatError(
                f"tensor {tensor.name!r} of shape {list(shape)} and type {dtype} holds "
                f"{len(tensor.raw_data)} bytes, not {count * dtype.itemsize}"
            )
        found = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<"))
    else:
        found = _listed(tensor, dtype, count)
    if dtype == np.bool_:
        found = found.view(np.uint8) != 0  # another byte than 0 or 1 is no numpy bool
    return found.astype(dtype).reshape(shape)


def _listed(tensor, dtype, count):
    """Numbers that stand in a field of their own type."""
    numbers = getattr(tensor, _TYPES[tensor.data_type][2])
    if len(numbers) != count:
        raise FileFormatError(
            f"tensor {tensor.name!r} of shape {list(tensor.dims)} holds {len(numbers)} "
            f"numbers, not {count}"
        )
    halves = dtype in (np.dtype(np.float16), jnp.dtype(jnp.bfloat16))
    try:
        found = np.array(list(numbers), np.uint16 if halves else dtype)
        return found.view(dtype) if halves else found  # of the former, the bits
    except OverflowError as error:
        raise FileFormatError(f"tensor {tensor.name!r}: {error}") from error


def _external(tensor, folder, count) -> bytes:
    """The bytes of a tensor that lie in another file, which must be in `folder`."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    if folder is None or not name:
        raise FileFormatError(
            f"tensor {tensor.name!r}: its data is in a file not given"
        )
    path = (folder / name).resolve()  # a symbolic link could lead out as well
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise FileFormatError(
            f"tensor {tensor.name!r}: its data is said to be in {name!r}, which is no "
            "file in the folder of the network"
        )
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", count))
    except ValueError as error:
        raise FileFormatError(f"tensor {tensor.name!r}: {error}") from error
    if length != count or not 0 <= offset <= path.stat().st_size - count:
        raise FileFormatError(
            f"tensor {tensor.name!r} needs {count} bytes; {name} is said to hold "
            f"{length} at {offset}, and has {path.stat().st_size} in all"
        )
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(count)
