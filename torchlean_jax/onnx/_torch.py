"""`from_torch`: a PyTorch module as a JAX function, by way of torch.export and ONNX.

PyTorch writes the graph, `from_onnx` reads it. What the two make of the module is then
held against the module itself, since a lowering that goes wrong does so in silence.
"""

import contextlib
import io
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._executions import executions, may_return
from torchlean_jax.domains._errors import InputError, TorchLeanError
from torchlean_jax.onnx._import import Network, from_onnx


class ConversionError(TorchLeanError):
    """A model that its converter cannot write, or that it wrote as another function."""


def from_torch(
    module: Any, *example: Any, check: bool = True
) -> tuple[Network, dict[str, jax.Array]]:
    """A PyTorch module as a JAX function and its parameters: `f(params, *inputs)`.

    module: a `torch.nn.Module` on the CPU and in evaluation mode (`module.eval()`), so
        that dropout and batch normalisation mean what they mean in inference.
    example: the inputs of one call, tensors or arrays; shapes and dtypes are fixed by
        them, as `torch.export` specialises the graph.
    check: whether to hold the result against the module at the example: what PyTorch
        returns there has to be one of the executions that the error model of `FP32`
        allows of the function. That is no proof, but a mis-lowering fails it.

    `params` are the module's own by their names in its `state_dict`, bit for bit,
    except where PyTorch folds them into others (batch normalisation into a
    convolution, say).

    Raises MissingExtraError without PyTorch and onnxscript (`pip install
    'torchlean-jax[torch]'`), InputError for a module in training mode,
    MissingOperatorError listing all operators that have no translation, and
    ConversionError if PyTorch cannot export the module or if the check fails.
    """
    from torchlean_jax.zoo._extras import import_extra

    wanted = {"extra": "torch", "purpose": "reading a PyTorch module"}
    torch = import_extra("torch", **wanted)
    import_extra("onnxscript", **wanted)
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"a torch.nn.Module is needed; got {type(module).__name__}")
    training = [name or "itself" for name, m in module.named_modules() if m.training]
    if training:
        raise InputError(
            f"the module is in training mode ({', '.join(training[:3])}): call .eval()"
        )
    inputs = tuple(
        x if isinstance(x, torch.Tensor) else torch.as_tensor(np.array(x))
        for x in example
    )
    network, params = from_onnx(_exported(torch, module, inputs))
    if check:
        with torch.no_grad():
            returned = module(*inputs)
        _check(network, params, inputs, _tensors(torch, returned))
    return network, params


def _exported(torch, module, inputs):
    """The ModelProto that PyTorch makes of a module; its log goes nowhere."""
    silent = contextlib.redirect_stdout(io.StringIO())
    try:
        with warnings.catch_warnings(), silent:
            warnings.simplefilter("ignore")
            written = torch.onnx.export(module, inputs, dynamo=True, verbose=False)
    except Exception as error:  # of many types: whatever tracing a module raises
        first = str(error).strip().partition("\n")[0]
        raise ConversionError(
            f"torch.onnx.export: {type(error).__name__}: {first}"
        ) from error
    return written.model_proto


def _check(network, params, inputs, returned) -> None:
    point = [jnp.asarray(x.numpy(force=True)) for x in inputs]
    ours = executions(network, params, *point)
    if len(ours) != len(returned):
        raise ConversionError(
            f"the module returns {len(returned)} tensors, its graph {len(ours)}"
        )
    for number, (y, expected) in enumerate(zip(ours, returned, strict=True)):
        expected = expected.numpy(force=True)
        lo = y.lo
        if lo.dtype != expected.dtype or not may_return(y, expected):
            raise ConversionError(
                f"output {number} of the graph is not that of the module at the "
                f"example: {expected.dtype}{list(expected.shape)} against "
                f"{lo.dtype}{list(lo.shape)}, or values that no rounding explains"
            )


def _tensors(torch, returned) -> list:
    """The tensors of a nest of tuples, lists and dicts, without the Nones."""
    if isinstance(returned, torch.Tensor):
        return [returned]
    if isinstance(returned, dict):
        returned = tuple(returned.values())
    if returned is None:
        return []
    return [t for part in returned for t in _tensors(torch, part)]
