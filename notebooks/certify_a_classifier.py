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
# # Certify a classifier in five minutes
#
# [![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/torchlean-jax/torchlean-jax/blob/main/notebooks/certify_a_classifier.ipynb)
#
# A classifier gets an image right. Does it still, when every pixel may be a little off?
# There are infinitely many such images, so testing cannot say. Here a small network is
# trained on handwritten digits, and for nearly all of 360 held-out images the answer is
# *proved*. A proof is a file that an independent program re-checks in exact arithmetic.
#
# It runs in under two minutes on a CPU.

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
import tempfile

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import torchlean_jax as tl
from torchlean_jax.zoo import digits

data = digits.load()
print(f"{len(data.train_labels)} images to train on, {len(data.test_labels)} held out")

# %% [markdown]
# ## A network is a JAX function
#
# Nothing about it is special: parameters in, logits out. (flax and equinox modules work
# too.) The first line is preprocessing. It is part of the function, so what is proved
# is proved about pixels.


# %%
def network(params, x):
    x = 2 * x - 1
    *hidden, (weight, bias) = params
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    return x @ weight + bias


def initial(key, sizes=(64, 64, 64, 10)):
    he = jax.nn.initializers.he_normal()
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (he(k, (m, n)), jnp.zeros(n))
        for k, m, n in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


# %% [markdown]
# ## Training for the worst case
#
# `tl.interpret` runs the same function on boxes instead of points: it returns an
# enclosure of all logits that the network can produce on the box. The loss is the cross
# entropy of the worst of them. Bounds are ordinary JAX, so `grad`, `jit` and `scan`
# pass through, and certified training is three lines of an ordinary loop.


# %%
def loss(params, x, label, radius):
    box = tl.box(x, radius=radius)
    logits = tl.interpret(network, domain=tl.Interval)(params, box)
    return digits.cross_entropy(digits.worst_case(logits, label), label)


STEPS, BATCH = 3000, 64
optimizer = optax.adamw(optax.cosine_decay_schedule(0.01, STEPS), weight_decay=0.3)


def step(carry, batch):
    params, state = carry
    x, label, radius = batch
    gradient = jax.grad(loss)(params, x, label, radius)
    updates, state = optimizer.update(gradient, state, params)
    return (optax.apply_updates(params, updates), state), None


@jax.jit
def train(params, images, labels, radii):
    start = params, optimizer.init(params)
    (params, _), _ = jax.lax.scan(step, start, (images, labels, radii))
    return params


chosen = np.random.default_rng(0).integers(len(data.train_labels), size=(STEPS, BATCH))
radii = jnp.minimum(jnp.linspace(0, 0.12, STEPS), 0.06)  # grows from nothing to 0.06
params = train(
    initial(jax.random.key(0)),
    data.train_images[chosen],
    data.train_labels[chosen],
    radii,
)


def classify(x):
    return network(params, x)


right = np.asarray(classify(data.test_images).argmax(-1)) == data.test_labels
print(f"accuracy on held-out images: {right.mean():.1%}")

# %% [markdown]
# ## One proof
#
# Does the label stay the same for **every** image within 0.05 of this one, in each
# pixel?

# %%
image, label = data.test_images[0], int(data.test_labels[0])
verdict = tl.verify(classify, tl.box(image, radius=0.05), tl.spec.margin(label))
print(verdict)

# %% [markdown]
# The certificate holds the network, the box, the claim, and what is needed to check it.
# The checker is another program: it shares no code with this one, uses only Python's
# standard library, and computes with exact integers. (On a command line:
# `torchlean-check digit.tlc`.)

# %%
folder = tempfile.mkdtemp()
verdict.certificate.save(f"{folder}/digit.tlc")
report = tl.check(f"{folder}/digit.tlc", model=classify)
print("accepted:", report.accepted)
print(report.claim)

# %% [markdown]
# ## One refutation
#
# With a radius of 0.4 there is little hope. When a claim is false, `verify` finds an
# input that shows it, and confirms it in exact arithmetic before it says so.

# %%
verdict = tl.verify(classify, tl.box(image, radius=0.4), tl.spec.margin(label))
print(verdict.status)

if verdict.status == "refuted":
    other = np.asarray(verdict.counterexample)
    figure, axes = plt.subplots(1, 2, figsize=(5, 2.8))
    for axis, pixels in zip(axes, (image, other), strict=True):
        axis.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=-0.4, vmax=1.4)
        axis.set_title(f"classified as {int(classify(pixels).argmax())}")
        axis.axis("off")

# %% [markdown]
# ## All 360 of them
#
# Three methods, from the fastest to the tightest. All are sound: when one says
# *proved*, it is. They differ in how often they can say so.

# %%
others = [np.delete(-np.eye(10), k, axis=0) for k in range(10)]
for k, rows in enumerate(others):
    rows[:, k] = (
        1  # each row times the logits: how far label k is ahead of one other label
    )
rows = np.stack(others).astype(np.float32)[data.test_labels]


def margins(x, rows):
    return rows @ classify(x)


def certified_share(method, radius):
    def smallest(x, rows):
        box = tl.box(x, radius=radius)
        return tl.bounds(margins, method=method)(box, rows).lo.min()

    lowest = jax.lax.map(
        lambda pair: smallest(*pair), (data.test_images, rows), batch_size=60
    )
    return (lowest > 0).mean()


grid = jnp.linspace(0.0, 0.1, 11)
figure, axis = plt.subplots(figsize=(6, 4))
for method, marker in (("ibp", "s"), ("crown-ibp", "^"), ("crown", "o")):
    share = jax.jit(lambda r, method=method: certified_share(method, r))
    shares = np.array([share(radius) for radius in grid])
    axis.plot(grid, 100 * shares, marker=marker, label=method)
    print(f"{method:>9}: {shares[2]:.1%} at 0.02, {shares[5]:.1%} at 0.05")
axis.axhline(100 * right.mean(), color="0.5", linewidth=1)
axis.set(xlabel="radius", ylabel="certified, % of 360 images (line: accuracy)")
axis.legend(frameon=False)

# %% [markdown]
# ## Next
#
# * The same from a terminal, with a certificate for each image: `torchlean verify
#   digits --certificates proofs --plot digits.png`
# * What a proof rests on, and what it does not cover: the `assumptions` of a verdict,
#   and the documentation of the certificate format.
# * Your own network: any JAX function goes where `classify` stands.
