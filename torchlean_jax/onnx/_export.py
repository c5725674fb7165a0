"""`to_onnx`: a model as an ONNX file, by jax2onnx; read back before it counts."""

import os
from pathlib import Path
from typing import Any

import jax

from torchlean_jax._equivalent import equivalent
from torchlean_jax._files import replacing
from torchlean_jax._trace import as_function
from torchlean_jax.domains._errors import InputError
from torchlean_jax.onnx._import import from_onnx
from torchlean_jax.onnx._torch import ConversionError


def to_onnx(
    model: Any,
    *inputs: Any,
    path: str | os.PathLike | None = None,
    check: bool = True,
) -> Any:
    """A model as an ONNX ModelProto, shown to be the same function.

    model: as for `tl.verify`, a function of `inputs` alone; bind parameters first,
        `lambda x: f(params, x)`. They become constants of the file.
    inputs: pytrees of arrays, or of `jax.ShapeDtypeStruct`, of one call. Their leaves,
        in the order of `jax.tree.leaves`, are the inputs of the file; shapes and dtypes
        are fixed by them.
    path: where to save it as well, whole or not at all.
    check: whether to read the file back (`tl.from_onnx`) and refuse it unless
        `tl.equivalent` finds it to be the same function of the real numbers, with
        outputs of the same dtypes. That says nothing of rounding: another runtime may
        round otherwise, and `tl.float_error` bounds by how much.

    Raises MissingExtraError without jax2onnx (`pip install 'torchlean-jax[export]'`),
    ConversionError if it cannot write the model, or wrote one that is another function
    or not seen to be the same, and, from the check, MissingOperatorError for an
    operator that `from_onnx` does not read (loops, for one). Then nothing is saved.

    ```python
    written = tl.to_onnx(lambda x: jax.nn.relu(x @ w), jnp.zeros((1, 4)), path="m.onnx")
    ```
    """
    from torchlean_jax.zoo._extras import import_extra

    jax2onnx = import_extra("jax2onnx", extra="export", purpose="writing an ONNX file")
    function = as_function(model)
    leaves, tree = jax.tree.flatten(inputs)

    def flat(*leaves):
        return jax.tree.leaves(function(*jax.tree.unflatten(tree, leaves)))

    shapes = [jax.eval_shape(lambda x: x, leaf) for leaf in leaves]
    try:
        written = jax2onnx.to_onnx(flat, shapes)
    except Exception as error:  # of many types: whatever its plugins raise
        first = str(error).strip().partition("\n")[0]
        raise ConversionError(f"jax2onnx: {type(error).__name__}: {first}") from error
    if check:
        _check(flat, written, leaves)
    if path is not None:
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(written.SerializeToString())
    return written


def _check(flat, written, leaves) -> None:
    network, params = from_onnx(written)

    def read(*leaves):
        return jax.tree.leaves(network(params, *leaves))

    dtypes = [[str(y.dtype) for y in jax.eval_shape(f, *leaves)] for f in (flat, read)]
    if dtypes[0] != dtypes[1]:
        raise ConversionError(
            f"jax2onnx wrote outputs of dtypes {dtypes[1]}; the model has {dtypes[0]}"
        )
    try:
        answer = equivalent(flat, read)(*leaves)
    except InputError as error:
        raise ConversionError(
            f"the file cannot be held against the model: {error}"
        ) from error
    if answer.equal is False:
        raise ConversionError(f"jax2onnx wrote another function.\n{answer}")
    if answer.equal is None:
        raise ConversionError(
            f"the file is not seen to be the same function ({answer.reason}); "
            "check=False writes it all the same"
        )
