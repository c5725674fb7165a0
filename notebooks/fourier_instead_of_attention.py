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
# # Fourier instead of attention?
#
# [![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/torchlean-jax/torchlean-jax/blob/main/notebooks/fourier_instead_of_attention.ipynb)
#
# Attention lets every place of a text look at every other, at a price. Lee-Thorp and
# others (2021) replaced it by a Fourier transform, which has no weights at all. What
# does that cost? Two readers of Python lines answer here: the same parameters, steps,
# batches and learning rate. And each mixing is compared with its definition, exactly.
#
# It runs in a minute on a CPU.

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
    subprocess.run([*command, "torchlean-jax[zoo,real]", *pins], check=True)

# %%
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import torchlean_jax as tl
from torchlean_jax import zoo
from torchlean_jax.zoo.fnet import fourier

# %% [markdown]
# ## The task
#
# A line of the standard library's source has lost its first word, one of `class`,
# `def`, `for`, `from`, `if`, `raise` and `return`. Which was it?

# %%
entries = {name: zoo.entry(name) for name in ("encoder", "fnet")}
data = entries["encoder"].load(None)
for row in (0, 700, 1900, 2600):
    line = data.held_out.text[row, : data.held_out.length[row]]
    print(bytes(line.tolist()).decode())

# %% [markdown]
# ## A short race
#
# An attention block has about twice the parameters of a Fourier block, so there are
# twice as many of the latter. The whole training has 1,500 steps of 64 lines and ends
# at 94.9 % (attention) and 94.2 % (Fourier); here it is 100 of 32, and Fourier's
# transform, which cannot choose what it looks at, is far behind: it needs longer for
# the same.

# %%
STEPS = 100
accuracy, losses = {}, {}
for name, entry in entries.items():
    folder = Path(tempfile.mkdtemp())
    settings = replace(entry.settings, steps=STEPS, batch=32, warmup=20)
    trained = zoo.train(entry, settings, out=folder)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    losses[name] = [json.loads(line)["loss"] for line in lines]
    accuracy[name] = trained.metrics["accuracy"]
    count = sum(x.size for x in trained.variables.params.values())
    print(f"{name}: {count:,} parameters, accuracy {accuracy[name]:.1%}")
print(f"pairs of bytes alone (naive Bayes): {trained.metrics['of_pairs']:.1%}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), width_ratios=(2, 1))
for name, values in losses.items():
    smooth = np.convolve(values, np.ones(10) / 10, mode="valid")
    left.plot(np.arange(len(smooth)) + 5, smooth, label=name)
left.set(xlabel="step", ylabel="loss (mean of 10 steps)")
left.legend(frameon=False)
right.bar(list(accuracy), [100 * x for x in accuracy.values()], color=["C0", "C1"])
right.axhline(100 * trained.metrics["of_pairs"], color="0.5", linewidth=1)
right.set(ylabel="held-out accuracy, % (line: pairs)", ylim=(0, 100))
figure.tight_layout()

# %% [markdown]
# ## Is it Fourier's transform?
#
# The mixing is linear, so it *is* a matrix: run it on arrays that are 1 in one entry.
# In ball arithmetic every entry comes with proven digits, which are compared with cos(2
# pi (k j / n + m c / w)) in exact rationals.

# %%
places, width = 12, 8
unit = np.zeros((places, width), np.float32)
unit[1, 0] = 1
column = tl.interpret(fourier, domain=tl.Real(digits=25))(jnp.asarray(unit)).balls
print("entry (1, 0):", column[1, 0])

figure, axes = plt.subplots(1, 3, figsize=(8, 2.6))
for axis, (j, c) in zip(axes, ((1, 0), (2, 1), (5, 3)), strict=True):
    unit = np.zeros((places, width), np.float32)
    unit[j, c] = 1
    axis.imshow(fourier(jnp.asarray(unit)), cmap="RdBu", vmin=-1, vmax=1)
    axis.set(title=f"from place {j}, channel {c}", xlabel="channel", ylabel="place")
    axis.set(xticks=range(0, width, 2), yticks=range(0, places, 3))
figure.tight_layout()

# %% [markdown]
# ## What both claim
#
# What stands behind the end of a line does not matter, for all weights and bytes. For
# attention that is the mask's work. Fourier's transform has no mask: padding is set to
# 0 before each mixing, and the claim says that no place was forgotten.

# %%
chosen = ("mixing_is", "fused_", "what_is_behind")
for name, entry in entries.items():
    print(name)
    claims = tuple(c for c in entry.claims if c.__name__.startswith(chosen))
    for finding in zoo.check_claims(zoo.untrained(replace(entry, claims=claims))):
        print(f"  {finding.status:<8}{finding.says[:96]}")

# %% [markdown]
# And with the zeros left out:


# %%
def leaky(x):
    """The mixing of four places of which the last two are padding, not set to 0."""
    return fourier(x)[:2]


related = tl.depends(leaky, in_axis=0, out_axis=0)
print(related(jnp.ones((4, 3))).matrix.astype(int))

# %% [markdown]
# Each place of the line sees the padding: the second pair of columns is not 0.
#
# ## Next
#
# * `torchlean train encoder`, `torchlean train fnet`: the whole race, two minutes each.
# * `torchlean claims fno`: another network of Fourier transforms, which solves Burgers'
#   equation and commutes with translations.
