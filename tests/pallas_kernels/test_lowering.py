"""Every kernel is lowered for CUDA, on each JAX that the suite runs with."""

import jax
import pytest

from tests.pallas_kernels import base
from tests.pallas_kernels.cases import CASES, both, cotangents
from torchlean_jax.contracts._cuda import DEVICES, exported, kernels_of

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize("name", CASES)
def test_every_program_in_every_dtype(name):
    """With every product in float32: the clause of precision reads what is lowered."""
    sample = {"shapes": base.sampled(name), "clauses": ["precision"]}
    base.assert_contract_holds(name, **sample)


@pytest.mark.parametrize("name", CASES)
def test_functions_under_vmap_and_in_reverse_mode(name):
    """For the other GPU; what the IR has to hold of each program is asked above."""
    case = CASES[name]
    mapped = jax.vmap(both(case.call), (0, *case.axes))
    module = exported(mapped, cotangents(case), *case.arguments, device=DEVICES[1])
    names = [kernel.name for kernel in kernels_of(module)]
    assert len(names) >= len(case.kernels)
    assert all("tt.store" in kernel.ir for kernel in kernels_of(module)), names
