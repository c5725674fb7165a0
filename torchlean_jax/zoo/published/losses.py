"""The losses that entries train on are their formulas, for all inputs."""

import jax
import jax.numpy as jnp
import optax

import torchlean_jax as tl

LABEL = 1
LOGITS = jax.ShapeDtypeStruct((3,), jnp.float32)


def cross_entropy(trained=None):
    """The softmax cross entropy is -log(exp(x_label) / sum exp(x))."""

    def formula(logits):
        return -jnp.log(jnp.exp(logits[LABEL]) / jnp.exp(logits).sum())

    @tl.claims.equals(formula)
    @tl.claims.example(LOGITS)
    def installed(logits):
        return optax.softmax_cross_entropy_with_integer_labels(logits, LABEL)

    return installed


def cross_entropy_of_a_distribution(trained=None):
    """The softmax cross entropy of a distribution p is -sum p log softmax(x)."""

    def formula(logits, p):
        return -(p * jnp.log(jnp.exp(logits) / jnp.exp(logits).sum())).sum()

    return _equals(optax.softmax_cross_entropy, formula, LOGITS, LOGITS)


def squared_error(trained=None):
    """The squared error has the factor 1/2, and its gradient is the difference."""

    def formula(x, y):
        return (x - y) ** 2 / 2, x - y

    @tl.claims.equals(formula)
    @tl.claims.example(LOGITS, LOGITS)
    def installed(x, y):
        return optax.l2_loss(x, y), jax.grad(lambda x: optax.l2_loss(x, y).sum())(x)

    return installed


def divergence(trained=None):
    """The divergence of distributions q given as logarithms from p is sum p log(p/q),
    with 0 log 0 = 0."""

    def formula(log_q, p):
        log_p = jnp.where(p == 0, 0.0, jnp.log(p))
        return (p * (log_p - log_q)).sum()

    return _equals(optax.kl_divergence, formula, LOGITS, LOGITS)


CLAIMS = (cross_entropy, cross_entropy_of_a_distribution, squared_error, divergence)


def _equals(loss, formula, *shapes):
    @tl.claims.equals(formula)
    @tl.claims.example(*shapes)
    def installed(*args):
        return loss(*args)

    return installed
