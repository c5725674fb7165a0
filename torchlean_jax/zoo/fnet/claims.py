"""What is claimed of the Fourier encoder, beside what is of every reader."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo import _readers as shared
from torchlean_jax.zoo import encoder
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.fnet.model import fourier

DIGITS = 25
PLACES, WIDTH = 12, 8
BUDGET = 0.01  # by so much may the numbers of parameters differ


def mixing_is_fouriers_matrix(trained: Trained) -> Answer:
    """The mixing of 12 places and 8 channels is the product with Fourier's matrices,
    sum over j and c of cos(2 pi (k j / 12 + m c / 8)) x_jc, to 25 digits. Both are
    linear: each entry of the matrix is compared, on an array that is 1 there."""
    import flint

    exactly = tl.interpret(fourier, domain=tl.Real(digits=DIGITS))
    worst = 0.0
    with flint.ctx.workprec(256):
        for j, c in np.ndindex(PLACES, WIDTH):
            unit = np.zeros((PLACES, WIDTH), np.float32)
            unit[j, c] = 1
            found = exactly(jnp.asarray(unit)).balls
            for k, m in np.ndindex(PLACES, WIDTH):
                turn = flint.fmpq(2 * k * j, PLACES) + flint.fmpq(2 * m * c, WIDTH)
                apart = abs(found[k, m] - flint.arb(turn).cos_pi())
                worst = max(worst, float(apart.upper()))
    said = f"{(PLACES * WIDTH) ** 2} entries, {worst:.1e} apart at most"
    return Answer(worst <= 10.0**-DIGITS, None, said)


def budget_is_that_of_the_encoder(trained: Trained) -> Answer:
    """It has the parameters of `encoder`, to 1 %, and is trained with its data, steps,
    batch and rate."""
    ours, theirs = trained.entry, encoder.ENTRY
    shapes = theirs.network.init(jax.random.key(0)).params
    counts = [sum(x.size for x in p.values()) for p in (trained.shapes.params, shapes)]
    near = abs(counts[0] - counts[1]) <= BUDGET * counts[1]
    same = ours.settings == theirs.settings and ours.load is theirs.load
    said = f"{counts[0]:,} parameters, of the encoder {counts[1]:,}; "
    return Answer(
        near and same, None, said + ("same" if same else "other") + " settings"
    )


def claims(mixer: Network) -> tuple:
    return (
        mixing_is_fouriers_matrix,
        budget_is_that_of_the_encoder,
        *shared.claims(mixer),
    )
