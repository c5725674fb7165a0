"""A diffusion sampler with the wrong alpha-bar before the first step."""

import functools

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding
from torchlean_jax.bugzoo._checks import same_function

BETAS = (0.125, 0.25, 0.5)


def faulty(noisy, clean, t):
    beta = jnp.array(BETAS)
    kept = jnp.cumprod(1 - beta)
    before = jnp.concatenate([kept[:1], kept[:-1]])
    ours = jnp.sqrt(before) * beta / (1 - kept)
    theirs = jnp.sqrt(1 - beta) * (1 - before) / (1 - kept)
    return ours[t] * clean + theirs[t] * noisy


def fixed(noisy, clean, t):
    beta = jnp.array(BETAS)
    kept = jnp.cumprod(1 - beta)
    before = jnp.concatenate([jnp.ones(1), kept[:-1]])
    ours = jnp.sqrt(before) * beta / (1 - kept)
    theirs = jnp.sqrt(1 - beta) * (1 - before) / (1 - kept)
    return ours[t] * clean + theirs[t] * noisy


def at_step(posterior_mean, t):
    def published(noisy, clean):
        before = jnp.float32(1.0)
        for beta in BETAS[:t]:
            before = before * (1 - beta)
        beta, kept = BETAS[t], before * (1 - BETAS[t])
        towards = jnp.sqrt(before) * beta * clean
        back = jnp.sqrt(jnp.float32(1 - beta)) * (1 - before) * noisy
        return (towards + back) / (1 - kept)

    step = functools.partial(posterior_mean, t=t)
    noisy, clean = jnp.array([1.0, -2.0]), jnp.array([0.5, 0.0])
    return same_function(tl.equivalent(step, published)(noisy, clean))


def examine(posterior_mean):
    for t in range(len(BETAS)):
        finding = at_step(posterior_mean, t)
        if not finding.passed:
            return Finding(False, f"t = {t}: {finding.witness}")
    return Finding(True, f"each of {len(BETAS)} steps is the published one")


CARD = Card(
    name="diffusion-first-alpha-bar",
    title="A sampler that never takes its last step",
    family="generative",
    story=(
        "Before the first noise was added nothing was lost: alpha-bar is 1. The list "
        "of previous values is built by repeating its first entry instead, so every "
        "step is right but the one that ends at the picture, which leaves a rest of "
        "noise in it. Pictures look grainy, and better with a smaller first beta."
    ),
    contract="Each step has the mean of q(x[t-1] | x[t], x[0]), equation 7 of DDPM.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("huggingface/diffusers#9261", "huggingface/diffusers#465"),
    sources=("Ho, Jain, Abbeel: Denoising Diffusion Probabilistic Models, 2020",),
    requires=("flint",),
)
