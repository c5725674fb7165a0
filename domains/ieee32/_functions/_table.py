"""The generated numbers in the form that the kernels use."""

from types import SimpleNamespace

from torchlean_jax.domains.ieee32._functions import _coefficients


class Polynomial(tuple):
    """Coefficients, lowest first; calling it is Horner's rule and nothing else."""

    def __call__(self, z):
        result = self[-1]
        for coefficient in self[-2::-1]:
            result = result * z + coefficient
        return result


T = SimpleNamespace(
    **{name: Polynomial(c) for name, c in _coefficients.POLYNOMIALS.items()},
    **_coefficients.CONSTANTS,
)


def exact_product(a, b):
    """a * b where the significands are so short that nothing is rounded.

    Fused into a sum or not, it is the same. The proof relies on it; each use says why.
    """
    return a * b
