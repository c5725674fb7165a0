"""Pallas kernels on a machine without a GPU."""

import pytest

from tests.pallas_kernels.on_a_cpu import interpreting


@pytest.fixture
def interpreted():
    """What gives a context in which Pallas runs kernels in its own interpret mode."""
    return interpreting
