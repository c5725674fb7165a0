"""Pallas kernels on a machine without a GPU."""

import contextlib
import functools

import pytest
from jax.experimental import pallas as pl


@pytest.fixture
def interpreted(monkeypatch):
    """A context in which Pallas runs kernels in its own interpret mode."""

    @contextlib.contextmanager
    def mode():
        original = pl.pallas_call

        def call(*args, compiler_params=None, **options):
            return original(*args, interpret=True, **options)

        with monkeypatch.context() as patch:
            patch.setattr(pl, "pallas_call", functools.wraps(original)(call))
            yield

    return mode
