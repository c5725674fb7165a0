"""The rule for Fourier transforms: Arb's own, axis by axis."""

import numpy as np
from jax import lax

from torchlean_jax.domains.real._flint import flint
from torchlean_jax.domains.real._value import RealArray, each, rules


@rules.define("fft")
def _fft(x, *, fft_type, fft_lengths):
    kind = lax.FftType(fft_type) if not hasattr(fft_type, "name") else fft_type
    balls = each(flint().acb, x.balls)
    axes = range(x.ndim - len(fft_lengths), x.ndim)
    if kind.name == "IRFFT":
        for axis in axes[:-1]:
            balls = _along(
                balls, axis, lambda lane: flint().acb.dft(lane, inverse=True)
            )
        n = fft_lengths[-1]
        balls = _along(balls, axes[-1], lambda lane: _from_half(lane, n))
        return RealArray(each(lambda z: z.real, balls), x.real.dtype)
    inverse = kind.name == "IFFT"
    for axis in axes:
        balls = _along(balls, axis, lambda lane: flint().acb.dft(lane, inverse=inverse))
    if kind.name == "RFFT":
        balls = balls[..., : fft_lengths[-1] // 2 + 1]
    dtype = np.result_type(x.dtype, np.complex64)
    return RealArray(balls, dtype)


def _along(balls, axis, transform):
    moved = np.moveaxis(balls, axis, -1)
    lanes = moved.reshape(-1, moved.shape[-1])
    rows = [transform(lane.tolist()) for lane in lanes]
    result = np.empty((len(rows), len(rows[0]) if rows else 0), object)
    for row, values in enumerate(rows):
        result[row] = values
    return np.moveaxis(result.reshape(*moved.shape[:-1], -1), -1, axis)


def _from_half(lane, n):
    """The signal of n real numbers whose spectrum begins with `lane`.

    The imaginary parts at 0 and at n/2 are not read: a real signal has none there.
    """
    full = []
    for k in range(n):
        z = lane[k] if k <= n // 2 else lane[n - k].conjugate()
        full.append(flint().acb(z.real) if 2 * k in (0, n) else z)
    return flint().acb.dft(full, inverse=True)
