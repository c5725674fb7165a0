"""What a kernel is lowered to for CUDA, on a machine that has none.

Triton IR is embedded in the exported module as bytecode; it is read back as text with
the dialect that jaxlib ships.
"""

import re
from dataclasses import dataclass

import jax
import numpy as np

from torchlean_jax.domains._errors import InputError

DEVICES = ("NVIDIA A100-SXM4-40GB", "NVIDIA H100 80GB HBM3")
_TARGET = "__gpu$xla.gpu.triton"
# MLIR writes a quote inside a string as \22, so that a string ends at the next quote.
_STRING = re.compile(r'(\w+) = "([^"]*)"')
_NUMBER = re.compile(r"(\w+) = (\d+) : i32")


@dataclass(frozen=True)
class TritonKernel:
    """One kernel as it is handed to Triton: its name, IR and launch parameters."""

    name: str
    ir: str
    grid: tuple[int, int, int]
    num_warps: int
    num_stages: int


def lowered(f, *args, device: str = DEVICES[0]) -> list[TritonKernel]:
    """The Triton kernels in `f`, lowered at the shapes of `args` for `device`."""
    return kernels_of(exported(f, *args, device=device))


def kernels_of(module: str) -> list[TritonKernel]:
    """The Triton kernels that a module for CUDA calls."""
    return [_kernel(config) for config in module.split("@" + _TARGET)[1:]]


def exported(f, *args, device: str = DEVICES[0]) -> str:
    """The StableHLO module of `f` for CUDA, as text."""
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(np.shape(x), jax.numpy.result_type(x)), args
    )
    allowed = [jax.export.DisabledSafetyCheck.custom_call(_TARGET)]

    def export():
        return jax.export.export(
            jax.jit(f), platforms=["cuda"], disabled_checks=allowed
        )(*shapes).mlir_module()

    # from 0.12 on JAX wants to know which GPU it lowers for
    if not hasattr(jax.sharding, "AbstractDevice"):
        return export()
    abstract = jax.sharding.AbstractDevice(
        device_kind=device, num_cores=None, platform="cuda"
    )
    mesh = jax.sharding.AbstractMesh((), (), abstract_device=abstract)
    with jax.sharding.use_abstract_mesh(mesh):
        return export()


def _kernel(config: str) -> TritonKernel:
    """The kernel of one custom call, from the text after its target's name."""
    strings = dict(reversed(_STRING.findall(config)))
    numbers = dict(reversed(_NUMBER.findall(_STRING.sub("", config))))
    missing = {"name", "ir"} - set(strings)
    if missing:
        raise InputError(f"the lowered module states no {' and no '.join(missing)}")
    return TritonKernel(
        strings["name"],
        _text(_unescaped(strings["ir"])),
        (int(numbers["grid_x"]), int(numbers["grid_y"]), int(numbers["grid_z"])),
        int(numbers["num_warps"]),
        int(numbers["num_stages"]),
    )


def _unescaped(literal: str) -> bytes:
    r"""The bytes of an MLIR string: \XX is a byte in hex, \n, \t and \\ as in C."""
    simple = {"n": b"\n", "t": b"\t", "\\": b"\\"}
    out, k = bytearray(), 0
    while k < len(literal):
        if literal[k] != "\\":
            out += literal[k].encode("latin-1")
            k += 1
        elif literal[k + 1] in simple:
            out += simple[literal[k + 1]]
            k += 2
        else:
            out.append(int(literal[k + 1 : k + 3], 16))
            k += 3
    return bytes(out)


def _text(bytecode: bytes) -> str:
    from jaxlib.mlir import ir
    from jaxlib.triton import dialect

    with ir.Context() as context, ir.Location.unknown():
        dialect.register_dialect(context)
        context.allow_unregistered_dialects = True
        return str(ir.Module.parse(bytecode))
