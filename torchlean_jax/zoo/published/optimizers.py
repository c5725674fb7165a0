"""The optimisers of `torchlean train` are the recurrences that were published.

Each claim unrolls three steps from free weights and free gradients: what optax does to
the weights, and what the paper says. Two programs that agree on them are the same
function of the reals, up to a stated probability. What optax defines otherwise than the
paper stands in the claim.
"""

import jax
import jax.numpy as jnp
import optax

import torchlean_jax as tl
from torchlean_jax.zoo._optimizers import OPTIMIZERS
from torchlean_jax.zoo._settings import Settings

STEPS, SIZE = 3, 2
RATE = 0.25
SETTINGS = Settings(momentum=0.75, b1=0.875, b2=0.96875, weight_decay=0.125, clip=None)
WEIGHTS = jax.ShapeDtypeStruct((SIZE,), jnp.float32)
GRADIENTS = jax.ShapeDtypeStruct((STEPS, SIZE), jnp.float32)


def sgd(trained=None):
    """SGD: w' = w - lr g.

    Source: Robbins and Monro 1951, equation 8, with a constant step.
    """

    def published(w, gradients):
        for g in gradients:
            w = w - RATE * g
        return w

    return _unrolled("sgd", published)


def momentum(trained=None):
    """Momentum: v' = m v + g, w' = w - lr v'.

    Source: Polyak 1964, equation 9, with the velocity in units of the gradient.
    """

    def published(w, gradients):
        v = 0.0
        for g in gradients:
            v = SETTINGS.momentum * v + g
            w = w - RATE * v
        return w

    return _unrolled("momentum", published)


def adam(trained=None):
    """Adam: averages m and v of g and g^2, each divided by 1 - b^t;
    w' = w - lr m / (sqrt(v) + eps).

    Source: Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1.
    """
    return _unrolled("adam", lambda w, gradients: _adam(w, gradients, decay=0.0))


def adamw(trained=None):
    """AdamW: Adam, and w' loses lr d w besides. (In the paper the schedule multiplies d
    and the rate does not; optax, as others, multiplies it by both.)

    Source: Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 2.
    """
    decay = SETTINGS.weight_decay
    return _unrolled("adamw", lambda w, gradients: _adam(w, gradients, decay))


def adagrad(trained=None):
    """Adagrad: G' = G + g^2, w' = w - lr g / sqrt(G' + eps), with G = 0.1 at first, and
    w' = w where G' = 0.

    Source: Duchi, Hazan, Singer 2011, figure 1, with the diagonal of G; there eps
    stands outside the root, and G begins at 0.
    """

    def published(w, gradients):
        total = 0.1
        for g in gradients:
            total = total + g**2
            w = w - RATE * jnp.where(total > 0, g * jax.lax.rsqrt(total + 1e-7), 0.0)
        return w

    return _unrolled("adagrad", published)


def rmsprop(trained=None):
    """RMSProp: v' = 0.9 v + 0.1 g^2, w' = w - lr g / sqrt(v' + eps).

    Source: Tieleman and Hinton 2012, lecture 6.5, slide 29, which has no eps.
    """

    def published(w, gradients):
        v = 0.0
        for g in gradients:
            v = 0.9 * v + (1 - 0.9) * g**2
            w = w - RATE * g / jnp.sqrt(v + 1e-8)
        return w

    return _unrolled("rmsprop", published)


def lion(trained=None):
    """Lion: c = sign(b1 m + (1 - b1) g), w' = w - lr (c + d w), m' = b2 m + (1 - b2) g.

    Source: Chen et al. 2023 (arXiv:2302.06675), algorithm 2.
    """

    def published(w, gradients):
        m = 0.0
        for g in gradients:
            step = jnp.sign(0.9 * m + (1 - 0.9) * g)
            w = w - RATE * (step + SETTINGS.weight_decay * w)
            m = 0.99 * m + (1 - 0.99) * g
        return w

    return _unrolled("lion", published)


def muon(trained=None):
    """Muon: the momentum of a matrix, with Nesterov's look ahead, divided by its
    Frobenius norm and put five times through X' = a X + (b A + c A^2) X, A = X Xᵀ. (For
    optax the momentum is an average with Adam's correction; the norm takes the scale
    away, and the look ahead is corrected for one step more.)

    Source: Jordan et al. 2024 (kellerjordan.github.io/posts/muon), "Newton-Schulz".
    """

    def published(w, gradients):
        m = 0.0
        for t, g in enumerate(gradients, start=1):
            m = 0.95 * m + (1 - 0.95) * g
            ahead = 0.95 * (m / _unbiased(0.95, t + 1))
            ahead += (1 - 0.95) * (g / _unbiased(0.95, t))
            x = ahead / (jnp.sqrt(jnp.sum(ahead**2)) + 1e-8)
            for _ in range(5):
                square = x @ x.T
                x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
            w = w - RATE * (x + SETTINGS.weight_decay * w)
        return w

    matrix = jax.ShapeDtypeStruct((SIZE, SIZE), jnp.float32)
    gradient = jax.ShapeDtypeStruct((1, SIZE, SIZE), jnp.float32)
    return _unrolled("muon", published, matrix, gradient)


CLAIMS = (sgd, momentum, adam, adamw, adagrad, rmsprop, lion, muon)


def _adam(w, gradients, decay):
    b1, b2 = SETTINGS.b1, SETTINGS.b2
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        root = jnp.sqrt(v / _unbiased(b2, t))
        step = m / _unbiased(b1, t) / (root + 1e-8)
        w = w - RATE * (step + decay * w)
    return w


def _unbiased(decay, t):
    """1 - decay^t as a part of the program: Python would round it beforehand."""
    return 1 - jnp.float32(decay) ** jnp.int32(t)


def _unrolled(name, published, weights=WEIGHTS, gradients=GRADIENTS):
    """The optimiser of that name beside the published steps: weights after them all."""

    @tl.claims.equals(published)
    @tl.claims.example(weights, gradients)
    def installed(w, gradients):
        method = OPTIMIZERS[name](RATE, SETTINGS)
        state = method.init(w)
        for g in gradients:
            updates, state = method.update(g, state, w)
            w = optax.apply_updates(w, updates)
        return w

    return installed
