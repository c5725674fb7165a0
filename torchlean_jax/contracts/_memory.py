"""No access outside an array, none before a write, no race, each element written once.

Decided for the given shapes and integers, whatever the numbers and the order in which
programs run: the addresses of a kernel do not depend on numbers, or it is refused.
"""

from torchlean_jax.interpreters._kernel_call import kernel_faults
from torchlean_jax.pallas_kernels._terms import Program


def is_clean(program: Program, args) -> tuple[bool, str]:
    faults = kernel_faults(program.kernel)(*args)
    if faults:
        return False, "; ".join(map(str, faults[:3]))
    return True, "every access in bounds and raced by none, every element written once"
