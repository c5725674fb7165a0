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
# # Train, then prove
#
# [![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/torchlean-jax/torchlean-jax/blob/main/notebooks/train_then_prove.ipynb)
#
# A model that was trained is a function, and about a function one can prove things.
# Here two perceptrons learn to read handwritten digits: one in the usual way, one on
# the worst image near each image. Each ends in *claims*: statements about that very
# model, which are then decided.
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

# %% [markdown]
# ## Two trainings
#
# An entry of the zoo knows its model, its data, its settings and its claims. On a
# command line these are `torchlean train mlp --out runs/mlp --steps 1000` and the same
# with `--certified 0.04`: then the loss is that of the worst logits that interval
# bounds allow within 0.04 of each pixel, a radius that grows from 0 over the first half
# of the steps.

# %%
mlp = zoo.entry("mlp")
settings = replace(mlp.settings, steps=1000)
runs = {
    "ordinary": settings,
    "certified": replace(settings, certified=0.04),
}
trained, losses = {}, {}
for name, chosen in runs.items():
    folder = Path(tempfile.mkdtemp())
    trained[name] = zoo.train(mlp, chosen, out=folder)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    losses[name] = [json.loads(line)["loss"] for line in lines]
    print(
        f"{name}: accuracy on held-out images {trained[name].metrics['accuracy']:.1%}"
    )

# %%
figure, axis = plt.subplots(figsize=(6, 3.2))
for name, values in losses.items():
    smooth = np.convolve(values, np.ones(50) / 50, mode="valid")
    axis.semilogy(np.arange(len(smooth)) + 25, smooth, label=name)
axis.set(xlabel="step", ylabel="loss (mean of 50 steps)")
axis.legend(frameon=False)
# %% [markdown]
# ## What the entry claims
#
# Each claim is put to the verb that can decide it: dependence of rows is read off the
# jaxpr, for all weights; the gradient is compared with the derivative in ball
# arithmetic; labels are certified, and an independent program checks every certificate.

# %%
for finding in zoo.check_claims(trained["certified"]):
    print(f"{finding.status:<8}{finding.name}: {finding.evidence.splitlines()[0][:90]}")

# %% [markdown]
# ## How far does a label hold?
#
# For every radius, the share of held-out images whose label is *proved* to hold at
# every image within that distance of each pixel. The two models are about as accurate;
# what can be proved about them differs.

# %%
data = trained["ordinary"].data.digits
images, labels = data.test_images, data.test_labels
ahead = np.eye(10)[labels][:, None, :] - np.eye(10)[None]  # of label k over each other
others = np.stack([np.delete(a, k, axis=0) for a, k in zip(ahead, labels, strict=True)])


def proved_share(model, radius):
    classify = model.function()

    def smallest(pair):
        image, rows = pair
        box = tl.box(image, radius=radius)
        margins = tl.bounds(lambda x, rows: rows @ classify(x), method="crown")
        return margins(box, rows).lo.min()

    lowest = jax.lax.map(smallest, (images, others.astype(np.float32)), batch_size=60)
    return (lowest > 0).mean()


grid = np.linspace(0.0, 0.06, 4).astype(np.float32)
figure, axis = plt.subplots(figsize=(6, 3.6))
for name, model in trained.items():
    share = jax.jit(lambda radius, model=model: proved_share(model, radius))
    shares = np.array([share(radius) for radius in grid])
    axis.plot(grid, 100 * shares, marker="o", label=name)
    print(f"{name}: {shares[1]:.1%} proved at 0.02, {shares[2]:.1%} at 0.04")
axis.set(xlabel="radius", ylabel="proved, % of 360 images", ylim=(0, 102))
axis.legend(frameon=False)

# %% [markdown]
# ## A fault, planted
#
# A check that cannot fail says nothing. Here the images are centred by the mean of the
# batch instead of a constant: a slip that no accuracy shows. The claim that rows are
# independent finds it, and shows two inputs that tell.


# %%
@tl.claims.batch_independent()
@tl.claims.example(jnp.zeros((3, 64)))
def centred_by_the_batch(images):
    return trained["ordinary"].function()(images - images.mean(0) + 0.5)


(result,) = tl.claims.check(centred_by_the_batch)
print("holds:", result.holds)
print(result.why)

# %% [markdown]
# ## Next
#
# * `torchlean zoo list`: more than twenty other models, each with claims of its own.
# * `torchlean claims cnn --checkpoint runs/cnn`: that folding the normalisations into
#   the convolutions preserves the function, for all weights.
# * An entry for your own model is four short files: the documentation of the zoo says
#   which.
