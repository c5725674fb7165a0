"""`from_onnx`: a network from an ONNX file as a JAX function and its parameters."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import (
    FileFormatError,
    InputError,
    MissingOperatorError,
    TorchLeanError,
)
from torchlean_jax.onnx import _rules
from torchlean_jax.onnx._file import Declared, Program, parse, program, read_bytes
from torchlean_jax.onnx._operators import UnsupportedError
from torchlean_jax.onnx._translate import Step, Value, apply, steps_of


@dataclass(frozen=True, eq=False)
class Network:
    """A network of an ONNX file: `network(params, *inputs)` is its output.

    A pure function of arrays, like any other model. Several outputs are a tuple.

    name: of the file.
    inputs: name, dtype and shape of each input as the file declares them. A size that
        the file leaves open is a name, or None.
    output_names: of the outputs, in order.
    """

    name: str
    inputs: tuple[Declared, ...]
    output_names: tuple[str, ...]
    _steps: tuple[Step, ...]
    _fixed: dict[str, np.ndarray]
    _wide: bool
    _source: str  # what errors call the file

    def __post_init__(self):
        object.__setattr__(self, "__name__", self.name)  # as every function has one

    def __call__(self, params: dict[str, jax.Array], *inputs: Any) -> Any:
        _require_x64(self.name, self._wide)
        values = {name: Value(None, array) for name, array in self._fixed.items()}
        values.update({name: Value(array, None) for name, array in params.items()})
        values.update(self._bound(inputs))
        for step in self._steps:
            with self._in_step(step):
                apply(step, values)
        found = tuple(values[name].staged() for name in self.output_names)
        return found[0] if len(found) == 1 else found

    def _bound(self, inputs) -> dict[str, Value]:
        """The inputs by name, each checked against what the file declares."""
        if len(inputs) != len(self.inputs):
            names = ", ".join(declared.name for declared in self.inputs)
            raise InputError(
                f"{self.name} takes {len(self.inputs)} inputs ({names}) after its "
                f"parameters; got {len(inputs)}"
            )
        bound, sizes = {}, {}
        for declared, given in zip(self.inputs, inputs, strict=True):
            x = jnp.asarray(given)
            wanted = jax.dtypes.canonicalize_dtype(declared.dtype)
            if x.dtype != wanted or not _fits(declared.shape, x.shape, sizes):
                raise InputError(
                    f"{self.name} takes {_stated(declared)} as its input "
                    f"{declared.name!r}; got {x.dtype}{list(x.shape)}"
                )
            bound[declared.name] = Value(x, None)
        return bound

    @contextmanager
    def _in_step(self, step: Step) -> Iterator[None]:
        """Errors of a node name the file and the node."""
        where = f"{self._source}: node {step.label!r} ({step.op_type})"
        try:
            with jax.named_scope(step.op_type):
                yield
        except UnsupportedError as error:
            raise MissingOperatorError(f"{where} is not translated: {error}") from error
        except TorchLeanError as error:
            raise type(error)(f"{where}: {error}") from error
        except Exception as error:  # whatever NumPy and JAX raise on shapes
            first = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(f"{where}: {first[0]}") from error

    def __repr__(self):
        takes = ", ".join(map(_stated, self.inputs))
        return f"Network({self.name}: {takes})"


def from_onnx(path: Any) -> tuple[Network, dict[str, jax.Array]]:
    """The network in an ONNX file, as a JAX function and its parameters.

    `function(params, *inputs)` is what the file prescribes, with its own dtypes and
    layout, for single inputs as for batches, under `jit`, `vmap` and `grad`. `params`
    holds the floating-point weights by their names in the file, bit for bit. Shapes,
    axes and other numbers that shape the graph are part of the function, and so are
    integers. Dropout and batch normalisation mean what they mean in inference.

    path: a file as it is or packed (.gz); tensors that it keeps in other files must be
        in its folder. Or a ModelProto.

    A dtype of 64 bits needs `jax.enable_x64`; without it, indices (such as those that
    ArgMax returns) have 32 bits, as everywhere in JAX, and floats are refused.

    Raises MissingOperatorError listing every operator that has no translation, and
    FileFormatError for a file that is damaged or contradicts itself; both name the file
    and the node. Needs the package `onnx`: `pip install 'torchlean-jax[onnx]'`.

    >>> import onnx.parser, torchlean_jax as tl
    >>> model = onnx.parser.parse_model('''
    ... <ir_version: 8, opset_import: ["" : 18]>
    ... score (float[2] x) => (float[2] y)
    ... <float[2, 2] w = {2.0, 0.5, -1.0, 1.5}> { z = MatMul(w, x)  y = Relu(z) }''')
    >>> score, params = tl.from_onnx(model)
    >>> score(params, jnp.array([1.0, 1.0]))
    Array([2.5, 0.5], dtype=float32)
    >>> tl.bounds(score)(params, tl.box([1.0, 1.0], radius=0.5)).contains(0.5)
    Array([False,  True], dtype=bool)
    """
    from torchlean_jax.zoo._extras import import_extra

    onnx = import_extra("onnx", extra="onnx", purpose="reading an ONNX file")
    import_extra("onnx.defs", extra="onnx", purpose="reading an ONNX file")
    given = isinstance(path, onnx.ModelProto)
    name = path.graph.name or "network" if given else os.fspath(path)
    _rules.load()
    try:
        model = path if given else parse(read_bytes(path), onnx)
        source = program(model, None if given else Path(path).parent, onnx)
        steps = steps_of(source, onnx)
    except (FileFormatError, MissingOperatorError) as error:
        message = str(error).removeprefix(f"{name}: ")
        raise type(error)(f"{name}: {message}") from error
    return _network(name, source, steps)


def _network(name, source: Program, steps):
    arrays = [
        *source.constants.values(),
        *(np.empty(0, i.dtype) for i in source.inputs),
    ]
    wide = any(a.dtype == np.float64 for a in arrays)
    _require_x64(name, wide)
    weights = _weights(source, steps)
    network = Network(
        Path(name).name.removesuffix(".gz").removesuffix(".onnx"),
        tuple(source.inputs),
        tuple(source.outputs),
        tuple(steps),
        {n: a for n, a in source.constants.items() if n not in weights},
        wide,
        name,
    )
    params = {n: jnp.asarray(source.constants[n]) for n in weights}
    _try(network, params)
    return network, params


def _weights(source: Program, steps) -> list[str]:
    """The floating constants that somebody computes with.

    Not those that only say how (the scale of a resize, the bounds of a clip, whatever a
    shape is computed from), nor single numbers that stand in the graph as a node: these
    are part of the formula.
    """
    used, shaping = set(source.outputs), set()
    for step in reversed(steps):
        operator = step.operator
        decides = operator.foldable and not shaping.isdisjoint(step.outputs)
        for i, name in enumerate(step.inputs):
            if decides or i in operator.static:
                shaping.add(name)
            if i not in operator.fixed:
                used.add(name)
    return [
        name
        for name, array in source.constants.items()
        if name in used - shaping
        and jnp.issubdtype(array.dtype, jnp.floating)
        and not (name in source.literals and array.size == 1)
    ]


def _try(network: Network, params) -> None:
    """Trace the network once, if the file fixes all shapes: it fails now or never."""
    shapes = [declared.shape for declared in network.inputs]
    if all(s is not None and all(isinstance(n, int) for n in s) for s in shapes):
        avals = [
            jax.ShapeDtypeStruct(
                declared.shape, jax.dtypes.canonicalize_dtype(declared.dtype)
            )
            for declared in network.inputs
        ]
        jax.eval_shape(network, params, *avals)


def _require_x64(name, wide):
    if wide and not jax.config.read("jax_enable_x64"):
        raise InputError(
            f"{name} computes in float64, which JAX would round to float32; "
            "enable 64-bit types (jax.enable_x64) to load and to call it"
        )


def _fits(declared, shape, sizes) -> bool:
    """Whether `shape` is as declared; a named size is the same wherever it appears."""
    if declared is None:
        return True
    if len(declared) != len(shape):
        return False
    for wanted, size in zip(declared, shape, strict=True):
        if isinstance(wanted, str):
            wanted = sizes.setdefault(wanted, size)
        if wanted not in (None, size):
            return False
    return True


def _stated(declared: Declared) -> str:
    if declared.shape is None:
        return f"{declared.dtype} of any shape"
    sizes = ",".join("?" if n is None else str(n) for n in declared.shape)
    return f"{declared.dtype}[{sizes}]"
