"""Kernels that run where a GPU would run them, in Pallas' own interpreter.

On a CPU a kernel call is its formula, so that a test of a public function under `vmap`
or `grad` would compare the formula with itself. In `kernels_run` it is the kernel,
which the same rules bring there that bring it to a GPU, all but Triton's own.
"""

import contextlib
import functools
from contextvars import ContextVar
from unittest import mock

from jax.experimental import pallas as pl
from jax.interpreters import mlir

from torchlean_jax.interpreters import _reference

# (name, kernel) -> what runs in its place; none outside of `kernels_run`
_chosen: ContextVar = ContextVar("chosen", default=None)


@contextlib.contextmanager
def kernels_run(change=lambda name, kernel: kernel):
    """What is compiled in here runs its kernels, or what `change(name, kernel)` gives
    for them; yields the set of their names, filled as they are compiled. Call new
    functions under `jit`: one that was compiled before stays as it was."""
    names: set[str] = set()

    def chosen(name, kernel):
        names.add(name)
        return change(name, kernel)

    token = _chosen.set(chosen)
    try:
        yield names
    finally:
        _chosen.reset(token)


def interpreting():
    """A context in which Pallas runs kernels in its own interpret mode."""
    original = pl.pallas_call

    @functools.wraps(original)
    def call(*args, compiler_params=None, **options):
        return original(*args, interpret=True, **options)

    return mock.patch.object(pl, "pallas_call", call)


def _formula_or_kernel(*args, **params):
    chosen = _chosen.get()
    if chosen is None:
        return _reference._formula(*args, **params)
    kernel = chosen(params["name"], params["kernel"])
    # a new function: JAX keeps what it traced, and would give it to the next test
    with interpreting():
        return _reference._kernel(*args, **params | {"kernel": lambda *a: kernel(*a)})


mlir.register_lowering(
    _reference.fused_kernel,
    mlir.lower_fun(_formula_or_kernel, multiple_results=True),
    platform="cpu",
)
