"""y[b, m] = x[b, m] w[m] for each mode m, a complex vector times a complex matrix.

Complex numbers are pairs (real, imaginary part) of float32 arrays: Triton has no
complex numbers. What leads to the modes and back is `_modes`.

Source: Li et al. 2021, Fourier Neural Operator (arXiv:2010.08895), eq. 5.
"""

import jax
import jax.numpy as jnp


def mode_product(x_real, x_imag, w_real, w_imag):
    """[batch, modes, in] times [modes, in, out], as the pair of parts."""

    def product(x, w):
        return jnp.einsum("bmi,mio->bmo", x, w, precision="highest")

    real = product(x_real, w_real) - product(x_imag, w_imag)
    return real, product(x_real, w_imag) + product(x_imag, w_real)


def mode_product_backward(x_real, x_imag, w_real, w_imag, dy_real, dy_imag):
    """The gradients of the four operands."""
    _, pull = jax.vjp(mode_product, x_real, x_imag, w_real, w_imag)
    return pull((dy_real, dy_imag))
