"""Binary floats as residues, exactly: powers of 2 have inverses mod an odd prime."""

import functools

import numpy as np

from torchlean_jax.domains.finite_field._primes import Residues

# frexp gives x = m 2**e with 1/2 <= |m| < 1, and m 2**53 is whole
_MANTISSA, _LEAST, _MOST = 53, -1075 - 53, 1025


def dyadic_residues(x: Residues, modulus: int) -> np.ndarray:
    """The residues of finite float64 numbers mod an odd prime below 2**31."""
    mantissa, exponent = np.frexp(x)
    whole = np.ldexp(mantissa, _MANTISSA).astype(np.int64)
    residue = np.mod(whole, modulus).astype(np.uint64)
    scale = _powers_of_two(modulus)[exponent - _MANTISSA - _LEAST]
    return np.asarray(residue * scale % np.uint64(modulus))


@functools.lru_cache(maxsize=64)
def _powers_of_two(modulus):
    exact = [pow(2, e, modulus) for e in range(_LEAST, _MOST)]
    return np.array(exact, np.uint64)
