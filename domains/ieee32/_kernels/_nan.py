"""What becomes of NaNs, and which of them raise the invalid exception."""

import jax.numpy as jnp

from torchlean_jax.domains.ieee32._format import Flags, Format
from torchlean_jax.domains.ieee32._kernels._pieces import is_nan, is_signalling, raised

# What a NaN result holds: always the one canonical pattern, or the payload of the first
# NaN among the operands, made quiet (IEEE 754-2019, 6.2.3, leaves this open).
CANONICAL, PROPAGATED = "canonical", "propagated"
POLICIES = (CANONICAL, PROPAGATED)


def finish(fmt: Format, policy: str, operands, invalid, bits, flags):
    """(bits, flags) with NaN where an operand is one or the operation is `invalid`."""
    nans = [is_nan(fmt, x) for x in operands]
    bits = mark(fmt, policy, operands, invalid, bits)
    signals = invalid
    for x in operands:
        signals = signals | is_signalling(fmt, x)
    is_number = ~invalid
    for flag in nans:
        is_number = is_number & ~flag
    flags = jnp.where(is_number, flags, raised((signals, Flags.INVALID)))
    return bits, flags


def mark(fmt: Format, policy: str, operands, invalid, bits):
    """`bits` with the NaN of the policy where an operand is one or `invalid` holds."""
    bits = jnp.where(invalid, fmt.nan, bits)
    for x in reversed(operands):
        chosen = fmt.nan if policy == CANONICAL else x | fmt.quiet_bit
        bits = jnp.where(is_nan(fmt, x), chosen, bits)
    return bits
