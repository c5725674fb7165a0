# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A byte GPT you can trust
#
# [![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/torchlean-jax/torchlean-jax/blob/main/notebooks/a_byte_gpt_you_can_trust.ipynb)
#
# A language model is more than its weights: masks, positions, a cache, a sampler. A
# slip in any of them leaves a model that trains well and writes plausibly. Here a small
# transformer learns the source of Python's standard library, byte by byte, and then
# what surrounds its weights is *proved*: for all weights and all texts.
#
# It runs in a minute on a CPU. `torchlean train gpt` trains one of a million
# parameters.

# %% [markdown]
# ## Install
#
# Colab comes with a JAX that fits its GPU. The cell pins the JAX that is there, so that
# nothing replaces it, and does nothing where `torchlean_jax` is installed already.

# %%
import importlib.util
import subprocess
import sys
from importlib.metadata import version

if importlib.util.find_spec("torchlean_jax") is None:
    present = [name for name in ("jax", "jaxlib") if importlib.util.find_spec(name)]
    pins = [f"{name}=={version(name)}" for name in present]
    command = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*command, "torchlean-jax[zoo]", *pins], check=True)

# %%
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import torchlean_jax as tl
from torchlean_jax import zoo
from torchlean_jax.zoo import gpt
from torchlean_jax.zoo.gpt import Sampling, kept

# %% [markdown]
# ## A short training

# %%
small = gpt.make(gpt.Config(width=64, depth=2, heads=4, context=64))
settings = replace(small.settings, steps=120, batch=16, warmup=20)
folder = Path(tempfile.mkdtemp())
trained = zoo.train(small, settings, out=folder)
lines = (folder / "metrics.jsonl").read_text().splitlines()
bits = np.array([json.loads(line)["loss"] for line in lines]) / np.log(2)
print(f"{trained.metrics['bits_per_byte']:.2f} bits per byte of held-out source")

figure, axis = plt.subplots(figsize=(6, 3))
axis.plot(bits)
axis.axhline(trained.metrics["bits_per_byte"], color="0.5", linewidth=1)
axis.set(xlabel="step", ylabel="bits per byte (line: held out)", ylim=(0, 8.5))
# %% [markdown]
# It has seen little, so it writes nonsense; but of the right kind.

# %%
sampling = Sampling(length=200, temperature=0.7)
print(small.sample(trained.variables, "def ", sampling, jax.random.key(1)))

# %% [markdown]
# ## Which logits see which bytes?
#
# `tl.depends` reads the answer off the program. The weights are given by their shapes
# alone, so the matrix speaks of all weights and all texts: a white square is a *proof*
# that there is no influence. Beside it stands the same model with a mask that is off by
# one place, the classic slip: each place then sees the byte it has to predict.

# %%
tokens = jnp.arange(12) + 97


def logits(variables, tokens):
    return small.network.apply(variables, tokens)[0]


def peeking(variables, tokens):
    """The same, but whatever the model masks is shifted by one."""
    right = gpt.model.causal
    gpt.model.causal = lambda queries, keys: right(queries + 1, keys)
    try:
        return logits(variables, tokens)
    finally:
        gpt.model.causal = right


figure, axes = plt.subplots(1, 2, figsize=(7, 3.4))
for axis, f, title in zip(
    axes, (logits, peeking), ("as it is", "mask off by one"), strict=True
):
    related = tl.depends(f, argnums=1, in_axis=0, out_axis=0)
    report = related(trained.shapes, tokens)
    axis.imshow(report.matrix, cmap="Blues", vmin=0, vmax=1.5)
    axis.set(title=title, xlabel="byte read", xticks=range(0, 12, 2))
    axis.set(ylabel="place it is read for", yticks=range(0, 12, 2))
    figure.tight_layout()
    try:
        report.assert_causal()
        print(f"{title}: causal, for all weights and texts")
    except tl.DependenceError as error:
        print(f"{title}: {str(error).splitlines()[0]}")

# %% [markdown]
# ## What it claims
#
# That cached decoding gives what full decoding gives is decided over residues: not
# close, but the same function of the weights. The sampler is compared with the
# distribution that temperature, top-k and top-p define. (Three more claims, of padding
# on the left among them, are left to `torchlean claims gpt`.)

# %%
chosen = ("is_causal", "cached_decoding", "tokens_round_trip", "sampling_is_exact")
claims = tuple(c for c in small.claims if c.__name__.startswith(chosen))
for finding in zoo.check_claims(replace(trained, entry=replace(small, claims=claims))):
    print(f"{finding.status:<8}{finding.says}")
    print(f"        {finding.evidence.splitlines()[0][:100]}")

# %% [markdown]
# ## What is drawn
#
# The next byte after `import `, as three settings of the sampler see it.

# %%
prompt = jnp.asarray(np.frombuffer(b"import ", np.uint8).astype(np.int32))
last = trained.function()(prompt)[-1]
order = np.argsort(-np.asarray(last))[:12]
figure, axis = plt.subplots(figsize=(7, 3))
for shift, (name, options) in enumerate(
    {
        "as trained": Sampling(),
        "temperature 0.5": Sampling(temperature=0.5),
        "top-k 4": Sampling(top_k=4),
    }.items()
):
    share = np.asarray(jax.nn.softmax(kept(last, options)))[order]
    axis.bar(np.arange(12) + 0.27 * (shift - 1), share, 0.27, label=name)
axis.set_xticks(np.arange(12), [repr(chr(n)) for n in order])
axis.set_ylabel("probability")
axis.legend(frameon=False)

# %% [markdown]
# ## Next
#
# * `torchlean train gpt --out runs/gpt`, `torchlean claims gpt --checkpoint runs/gpt`.
# * `torchlean zoo list` has a `mamba` beside it, whose parallel scan is shown to be its
#   recurrence.
# * `torchlean claims gpt2 --checkpoint FOLDER` reads GPT-2's published layout.
