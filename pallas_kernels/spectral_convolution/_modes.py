"""From an array to its lowest Fourier modes, and back.

Of a real array the last axis in space has the frequencies 0 .. n // 2, the one before
it, if there is one, all of them: of m modes there, the first (m + 1) // 2 are 0, 1, ..
and the others the negative ones -(m // 2) .. -1, in the order of `jnp.fft`. The
transforms are XLA's.
"""

import jax.numpy as jnp
from jax import lax


def truncated(x, modes):
    """(real, imaginary parts) of the lowest modes: [batch, all modes, channels]."""
    space = tuple(range(1, 1 + len(modes)))
    spectrum = jnp.fft.rfftn(x.astype(jnp.float32), axes=space)
    kept = spectrum[..., : modes[-1], :]
    if len(modes) == 2:
        low, high = _halves(modes[0])
        kept = jnp.concatenate([kept[:, :low], kept[:, kept.shape[1] - high :]], axis=1)
    flat = kept.reshape(x.shape[0], -1, x.shape[-1])
    return jnp.real(flat), jnp.imag(flat)


def restored(real, imag, modes, sizes):
    """The real array [batch, *sizes, channels] with these modes and no others."""
    spectrum = lax.complex(real, imag)
    spectrum = spectrum.reshape(real.shape[0], *modes, real.shape[-1])
    if len(modes) == 2:
        low, _ = _halves(modes[0])
        between = jnp.zeros_like(spectrum, shape=_between(spectrum.shape, sizes[0]))
        parts = [spectrum[:, :low], between, spectrum[:, low:]]
        spectrum = jnp.fft.ifft(jnp.concatenate(parts, axis=1), axis=1)
    rest = [(0, 0)] * (spectrum.ndim - 2)
    above = sizes[-1] // 2 + 1 - modes[-1]
    spectrum = jnp.pad(_hermitian(spectrum, sizes[-1]), (*rest, (0, above), (0, 0)))
    return jnp.fft.irfft(spectrum, n=sizes[-1], axis=len(modes))


def _hermitian(spectrum, size):
    """Without the imaginary parts of frequencies 0 and size / 2. In a real array they
    have none, and libraries differ in what they make of one."""
    frequency = jnp.arange(spectrum.shape[-2])
    paired = (frequency > 0) & (2 * frequency < size)
    imag = jnp.where(paired[:, None], jnp.imag(spectrum), 0.0)
    return lax.complex(jnp.real(spectrum), imag)


def _halves(modes):
    """How many of the modes are not negative, and how many are."""
    return (modes + 1) // 2, modes // 2


def _between(shape, size):
    batch, modes, *rest = shape
    return (batch, size - modes, *rest)
