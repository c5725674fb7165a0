"""What a kernel takes of a multiprocessor, from the machine code it is compiled to.

The compiler is that of the `triton` package, which needs no GPU: the IR that JAX hands
to Triton becomes PTX, and the assembler's own report of the binary is read. JAX
compiles with a Triton of its own, whose registers may be a few more or less.
"""

import contextlib
import importlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from torchlean_jax.contracts._cuda import TritonKernel
from torchlean_jax.domains._errors import InputError

_REGISTERS = 65_536  # of a multiprocessor, A100 and H100 alike
_GRANULE = 256  # in which a warp is given them
_WARPS, _PROGRAMS = 64, 32
_USAGE = re.compile(r"(REG|STACK|SHARED|LOCAL):(\d+)")


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU: its compute capability, and the bytes of shared memory that the
    programs on one multiprocessor have."""

    name: str
    capability: int
    shared: int


GPUS = {
    "a100": Gpu("A100", 80, 164 * 1024),
    "h100": Gpu("H100", 90, 228 * 1024),
}


@dataclass(frozen=True)
class Resources:
    """What one program takes: registers of each thread, bytes of shared memory, and
    bytes of each thread that did not fit into registers; `warps` of 32 threads."""

    registers: int
    shared: int
    spilled: int
    warps: int

    def programs(self, gpu: Gpu) -> int:
        """How many of them a multiprocessor holds at once.

        Source: CUDA C++ Programming Guide, tables of technical specifications; a
        program is given 1 KiB of shared memory besides its own.
        """
        each = -(-self.registers * 32 // _GRANULE) * _GRANULE * self.warps
        return min(
            _PROGRAMS,
            _WARPS // self.warps,
            _REGISTERS // each,
            gpu.shared // (self.shared + 1024),
        )

    def occupancy(self, gpu: Gpu) -> float:
        """The share of the warps that a multiprocessor could hold."""
        return self.programs(gpu) * self.warps / _WARPS


def compiled(kernel: TritonKernel, gpu: Gpu) -> Resources:
    """The kernel, compiled for that GPU.

    Raises: ImportError, saying how to get it, where there is no `triton`; InputError
        where it cannot compile the kernel.
    """
    compiler, target = _triton()
    options = {"num_warps": kernel.num_warps, "num_stages": kernel.num_stages}
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        source = Path(folder) / "kernel.ttir"
        source.write_text(kernel.ir)
        try:
            built = compiler(
                str(source), target=target("cuda", gpu.capability, 32), options=options
            )
        except Exception as error:  # a crash of a pass has types of its own
            raise InputError(
                f"triton compiles no {kernel.name} for {gpu.name}: "
                f"{str(error).strip().splitlines()[0]}"
            ) from error
        binary = Path(folder) / "kernel.cubin"
        binary.write_bytes(built.asm["cubin"])
        usage = _usage(binary)
    # what is asked for at the launch is not in the binary
    shared = max(usage["SHARED"], built.metadata.shared)
    spilled = usage["STACK"] + usage["LOCAL"]
    return Resources(usage["REG"], shared, spilled, kernel.num_warps)


def _triton():
    """(what compiles, what names a target)."""
    try:
        backends = importlib.import_module("triton.backends.compiler")
        compiler = importlib.import_module("triton.compiler")
    except ImportError as error:
        raise ImportError(
            "machine code needs the `triton` package, for Linux on x86: "
            "pip install torchlean-jax[ptx]"
        ) from error
    return compiler.compile, backends.GPUTarget


@contextlib.contextmanager
def _cache_in(folder):
    """Where Triton keeps what it compiled: not in the user's home."""
    name = "TRITON_CACHE_DIR"
    before = os.environ.get(name)
    os.environ[name] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _usage(binary: Path) -> dict[str, int]:
    (home,) = importlib.import_module("triton").__path__
    tools = Path(home) / "backends/nvidia/bin"
    program = shutil.which("cuobjdump", path=str(tools)) or shutil.which("cuobjdump")
    if program is None:
        raise ImportError("this `triton` comes without cuobjdump: install CUDA's tools")
    done = subprocess.run(
        [program, "--dump-resource-usage", str(binary)],
        capture_output=True,
        text=True,
        check=True,
    )
    return usage_in(done.stdout)


def usage_in(report: str) -> dict[str, int]:
    """The numbers of the one kernel in a report of `cuobjdump`."""
    found = {name: int(count) for name, count in _USAGE.findall(report)}
    return {name: found.get(name, 0) for name in ("REG", "STACK", "SHARED", "LOCAL")}
