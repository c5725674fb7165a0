"""Memory that a training frees stays with the process."""

import json
import platform
import subprocess
import sys

import pytest

ASKED = """
import json, resource
import jax, jax.numpy as jnp
from torchlean_jax import zoo

agreed = KEPT and zoo.keep_memory()


@jax.jit
def f(x):
    pieces = [jnp.cumsum(x + n) for n in range(4)]  # 64 MB that live together
    return sum(piece[::-1].max() for piece in pieces)


def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    f(x).block_until_ready()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


x = jnp.ones(2**22)
print(json.dumps([agreed, sorted(pages() for _ in range(13))[6]]))
"""


def asked(kept: bool) -> tuple[bool, int]:
    """What malloc said, and how many pages most calls ask the system for."""
    program = ASKED.replace("KEPT", str(kept))
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def test_a_call_gets_the_pages_of_the_one_before():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("malloc is not glibc's")
    agreed, pages = asked(kept=True)
    assert agreed
    assert 100 * pages < max(asked(kept=False)[1], 10_000)
