"""What kernels take of a multiprocessor, by arithmetic and compiled."""

import os

import jax.numpy as jnp
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.cli import _machine as command
from torchlean_jax.cli import main
from torchlean_jax.contracts import _machine
from torchlean_jax.contracts._cuda import TritonKernel, lowered
from torchlean_jax.contracts._machine import GPUS, Resources, compiled, usage_in
from torchlean_jax.domains._errors import InputError

REPORT = """
Resource usage:
 Common:
  GLOBAL:11 CONSTANT[4]:8
 Function attention_backward_keys:
  REG:168 STACK:8 SHARED:0 LOCAL:0 CONSTANT[0]:440 TEXTURE:0 SURFACE:0 SAMPLER:0
"""


def test_a_report_of_cuobjdump():
    assert usage_in(REPORT) == {"REG": 168, "STACK": 8, "SHARED": 0, "LOCAL": 0}


@pytest.mark.parametrize(
    ("taken", "gpu", "programs"),
    [
        # 65,536 registers: 168 x 32 = 5,376 for each of 4 warps
        (Resources(168, 0, 0, 4), "a100", 3),
        # 40 x 32 = 1,280 for a warp: 6 of 8 warps, where 64 / 8 would be 8
        (Resources(40, 0, 0, 8), "a100", 6),
        # no granule is shared: 33 x 32 = 1,056 counts as 1,280
        (Resources(33, 0, 0, 1), "a100", 32),
        (Resources(33, 0, 0, 2), "a100", 25),
        # shared memory: 164 and 228 KiB, 65 for each program
        (Resources(32, 64 * 1024, 0, 4), "a100", 2),
        (Resources(32, 64 * 1024, 0, 4), "h100", 3),
    ],
)
def test_programs_at_once(taken, gpu, programs):
    assert taken.programs(GPUS[gpu]) == programs
    assert taken.occupancy(GPUS[gpu]) == programs * taken.warps / 64


def _no_triton():
    raise ImportError("no triton here")


def test_without_a_compiler_the_reason_is_given(monkeypatch, capsys):
    monkeypatch.setattr(_machine, "_triton", _no_triton)
    assert main(["kernels", "compile", "rope"]) == 3
    assert "not run: no triton here" in capsys.readouterr().out
    assert main(["kernels", "compile", "rope", "--dtype", "float64"]) == 2
    assert "rope has float32, bfloat16" in capsys.readouterr().err


def test_what_was_found_is_printed(monkeypatch, capsys):
    taken = Resources(168, 9600, 8, 4)
    monkeypatch.setattr(command, "compiled", lambda kernel, gpu: taken)
    assert main(["kernels", "compile", "rms_norm", "--gpu", "h100"]) == 0
    printed = capsys.readouterr().out
    said = "168 registers,   9600 bytes shared,    8 spilled,  4 warps;  3 at once"
    assert printed.count(said) == 2


def test_a_kernel_that_does_not_compile_is_exit_code_1(monkeypatch, capsys):
    def refused(kernel, gpu):
        raise InputError("triton compiles no such kernel")

    monkeypatch.setattr(command, "compiled", refused)
    assert main(["kernels", "compile", "rope"]) == 1
    assert "triton compiles no such kernel" in capsys.readouterr().out


def _sum_of_rows(x_ref, y_ref):
    y_ref[...] = x_ref[...].sum(axis=0)


def test_a_kernel_compiled_by_triton():
    pytest.importorskip("triton", reason="the extra `ptx` is not installed")

    def kernel(x):
        return pl.pallas_call(
            _sum_of_rows,
            out_shape=jnp.zeros(64),
            compiler_params=plt.CompilerParams(num_warps=2),
            name="sum_of_rows",
        )(x)

    (one,) = lowered(kernel, jnp.zeros((32, 64)))
    before = dict(os.environ)
    found = compiled(one, GPUS["a100"])
    assert dict(os.environ) == before
    # 32 x 64 numbers in 64 threads: 32 registers of each, and what addresses take
    assert 32 <= found.registers <= 255
    assert found.warps == 2 and found.spilled == 0
    broken = TritonKernel("broken", "module { nothing }", (1, 1, 1), 2, 1)
    with pytest.raises(InputError, match="compiles no broken"):
        compiled(broken, GPUS["a100"])
