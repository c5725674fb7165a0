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
# # Is it still the same function?
#
# [![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/torchlean-jax/torchlean-jax/blob/main/notebooks/is_it_still_the_same_function.ipynb)
#
# A layer starts as ten lines that follow the paper. Then it is made fast: its loop is
# tiled, its keys are cached, its sums are reordered, its gradient is written by hand,
# and it is batched. After each step it still returns arrays of the right shape, and the
# loss still falls. Is it still the same function?
#
# Here one attention layer takes that way. At every step there is a question, a call
# that answers it without any tolerance, and a mistake, planted, that the call has to
# find. No step compares outputs on a few inputs and hopes.
#
# It runs in under a minute on a CPU.

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
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

import torchlean_jax as tl

# %% [markdown]
# ## The layer
#
# Causal attention over T tokens of width d, as in the paper. What it takes and returns
# is declared, and checked when JAX traces it: nothing of that is left in the compiled
# program.

# %%
T, D = 8, 4


@tl.shapes("{q: d d, k: d d, v: d d}, t d -> t d")
def attention(weights, x):
    q, k, v = (x @ weights[name] for name in "qkv")
    scores = jnp.where(np.tri(len(x), dtype=bool), 0.5 * q @ k.T, -jnp.inf)
    return jax.nn.softmax(scores) @ v


keys = jax.random.split(jax.random.key(0), 4)
weights = {n: jax.random.normal(k, (D, D)) for n, k in zip("qkv", keys, strict=False)}
x = jax.random.normal(keys[3], (T, D))
print(attention(weights, x).shape)

# %% [markdown]
# The first planted mistake: a single token without its axis. Every line of the layer
# would run on that as well, and return four numbers that mean nothing.

# %%
token = x[0]
print("undeclared, it returns", attention.__wrapped__(weights, token).shape)
try:
    attention(weights, token)
except tl.ShapeError as error:
    print(error)

# %% [markdown]
# ## Does it look ahead?
#
# `tl.depends` runs the same program on *sets*: in the place of each number stands the
# set of tokens that it depends on. Its matrix speaks of all inputs. Where the weights
# are given as shapes, it speaks of all weights too.


# %%
def sees(layer):
    any_weights = jax.eval_shape(lambda: weights)
    asked = tl.depends(layer, argnums=1, in_axis=0, out_axis=0)
    return asked(any_weights, x)


report = sees(attention)
report.assert_causal()
print(report)

# %% [markdown]
# Planted: the mask starts one diagonal too far right (`np.tri(T, k=1)`), so that every
# token sees the one that it has to predict. The call raises, with two inputs that show
# the leak.


# %%
def off_by_one(weights, x):
    q, k, v = (x @ weights[name] for name in "qkv")
    scores = jnp.where(np.tri(len(x), k=1, dtype=bool), 0.5 * q @ k.T, -jnp.inf)
    return jax.nn.softmax(scores) @ v


leak = sees(off_by_one)
try:
    leak.assert_causal()
except tl.DependenceError as error:
    print(error)

# %% [markdown]
# ## Tiled: is it still the same function?
#
# A fast kernel never holds all the scores. It reads keys block by block, keeps a
# running maximum and a running sum, and rescales what it has when the maximum rises.


# %%
def tiled(weights, x, rescale=True):
    q, k, v = (x @ weights[name] for name in "qkv")
    mask = np.tri(len(x), dtype=bool)
    top, total = jnp.full(len(x), -jnp.inf), jnp.zeros(len(x))
    out = jnp.zeros_like(v)
    for block in np.split(np.arange(len(x)), 2):
        scores = jnp.where(mask[:, block], 0.5 * q @ k[block].T, -jnp.inf)
        new = jnp.maximum(top, scores.max(1))
        p = jnp.exp(scores - new[:, None])
        fade = jnp.exp(top - new) if rescale else jnp.ones_like(top)
        total = total * fade + p.sum(1)
        out = out * fade[:, None] + p @ v[block]
        top = new
    return out / total[:, None]


answer = tl.equivalent(attention, tiled)(weights, x)
print(answer)

# %% [markdown]
# Both programs were evaluated over finite fields, where arithmetic is exact and `exp`
# turns sums into products. Two different functions would agree at random points of
# those fields only with the probability that is printed. So this is an answer about the
# functions, and not about some inputs.
#
# Planted: the rescaling is forgotten. On inputs whose largest score comes first nothing
# shows. The answer comes with an input (`.witness`) at which the two real numbers
# provably differ, and with the first place, seen from the output, at which one program
# has a value that the other does not have: the maxima.

# %%
print(tl.equivalent(attention, lambda w, x: tiled(w, x, rescale=False))(weights, x))

# %% [markdown]
# ## Cached: is decoding the same as reading?
#
# When a model writes, it computes one row at a time, and keeps keys and values in a
# cache. All rows together should be what the layer returns for the whole text.


# %%
def decoded(weights, x, shift=0):
    def step(cache, row):
        position, token = row
        q, k, v = (token @ weights[name] for name in "qkv")
        at = (position + shift) % len(x)
        cache = tuple(c.at[at].set(new) for c, new in zip(cache, (k, v), strict=True))
        visible = jnp.arange(len(x)) <= position
        scores = jnp.where(visible, 0.5 * cache[0] @ q, -jnp.inf)
        return cache, jax.nn.softmax(scores) @ cache[1]

    empty = jnp.zeros_like(x), jnp.zeros_like(x)
    return jax.lax.scan(step, empty, (jnp.arange(len(x)), x))[1]


print(tl.equivalent(attention, decoded)(weights, x))


# %% [markdown]
# Planted: the cache is written one place further, as happens when the length of a
# prompt is counted with and without its first token. Every row then misses its own
# token and sees an empty place instead. Nothing leaks, so it is causal all the same:
# the first question does not find this, and the second does.


# %%
def shifted(weights, x):
    return decoded(weights, x, shift=1)


print(tl.equivalent(attention, shifted)(weights, x))

# %% [markdown]
# ## In pictures
#
# What each of these programs sees: a row for each token that is computed, a column for
# each that is read. Blue: may be seen. Red: seen, and not by the layer we started from.
# Cross: seen there, and no longer here. The shifted cache leaves one trace, the first
# row, which sees nothing; other rows still see their own token through its query.

# %%
programs = {
    "as in the paper": report,
    "mask off by one": leak,
    "tiled": sees(tiled),
    "cached": sees(decoded),
    "cache shifted": sees(shifted),
}
figure, axes = plt.subplots(1, len(programs), figsize=(11, 2.6), sharey=True)
colours = ListedColormap(["white", "#4878a8", "#c8443c"])
for axis, (title, found) in zip(axes, programs.items(), strict=True):
    new = found.matrix & ~report.matrix
    axis.imshow(found.matrix + 1 * new, cmap=colours, vmin=0, vmax=2)
    lost = np.argwhere(report.matrix & ~found.matrix)
    axis.plot(lost[:, 1], lost[:, 0], "x", color="0.3")
    axis.set(title=title, xlabel="reads token", xticks=range(T), yticks=range(T))
    axis.set_xticks(np.arange(T + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(T + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="0.85", linewidth=0.5)
    axis.tick_params(which="both", length=0)
axes[0].set_ylabel("row of token")
figure.tight_layout()

# %% [markdown]
# ## Reordered: does a constant matter?
#
# Scaling the queries before the product, and not the scores after it, is cheaper. It is
# the same function if the scale is the same *number*. With d = 6 the scale is
# $1/\sqrt 6$, and a program may divide by the root of 6, or multiply by the float that
# is nearest to its inverse. These are two functions, and the answer says of which kind
# the difference is: a rounded constant.


# %%
def after(q, k):
    return (q @ k.T) / jnp.sqrt(6.0)


def before(q, k):
    return (q / jnp.sqrt(6.0)) @ k.T


def constant(q, k):
    return (q * np.float32(6**-0.5)) @ k.T


rows = [jax.ShapeDtypeStruct((T, 6), jnp.float32)] * 2
print("before the product:", tl.equivalent(after, before)(*rows).equal)
rounded = tl.equivalent(after, constant)(*rows)
print("times a constant:  ", rounded.equal, "- a rounding:", rounded.is_rounding)

# %% [markdown]
# ## A gradient by hand: is it the derivative?
#
# Fast kernels bring their own backward pass, which computes the weights again from what
# the forward pass saved. `jax.grad` trusts it. `tl.check_vjp` does not: it evaluates
# the function over the reals to hundreds of bits, takes a difference quotient, and asks
# whether the claim meets it. No derivative rule is believed.


# %%
def with_backward(correction):
    @jax.custom_vjp
    def attend(q, k, v):
        return forward(q, k, v)[0]

    def forward(q, k, v):
        scores = jnp.where(np.tri(len(q), dtype=bool), 0.5 * q @ k.T, -jnp.inf)
        out = jax.nn.softmax(scores) @ v
        return out, (q, k, v, out, jax.nn.logsumexp(scores, axis=1))

    def backward(saved, g):
        q, k, v, out, log_total = saved
        scores = jnp.where(np.tri(len(q), dtype=bool), 0.5 * q @ k.T, -jnp.inf)
        p = jnp.exp(scores - log_total[:, None])
        d_scores = p * (g @ v.T - correction(g, out))
        return 0.5 * d_scores @ k, 0.5 * d_scores.T @ q, p.T @ g

    attend.defvjp(forward, backward)
    return attend


def row_sums(g, out):
    return (g * out).sum(1, keepdims=True)


q, k, v = (x @ weights[name] for name in "qkv")
print(tl.check_vjp(with_backward(row_sums))(q, k, v))

# %% [markdown]
# Planted: the sums run over the whole array, and not over each row. Shapes agree, and
# all numbers are finite. The gradient of v is right; those of q and k are not.


# %%
def all_in_one(g, out):
    return (g * out).sum(keepdims=True)


wrong = tl.check_vjp(with_backward(all_in_one))(q, k, v)
print(wrong)

# %% [markdown]
# ## Batched: do rows stay apart?
#
# `vmap` keeps sequences apart. A batch axis that is written by hand may not. Planted:
# the softmax normalises over the batch as well.


# %%
def batched(weights, xs):
    return jax.vmap(attention, (None, 0))(weights, xs)


def by_hand(weights, xs, axis=-1):
    q, k, v = (xs @ weights[name] for name in "qkv")
    scores = jnp.einsum("btd,bsd->bts", 0.5 * q, k)
    scores = jnp.where(np.tri(xs.shape[1], dtype=bool), scores, -jnp.inf)
    return jax.nn.softmax(scores, axis) @ v


def mixed(weights, xs):
    return by_hand(weights, xs, axis=(0, -1))


xs = jax.random.normal(jax.random.key(1), (4, T, D))
rows = tl.depends(by_hand, argnums=1, in_axis=0, out_axis=0)(weights, xs)
rows.assert_batch_independent()
print("by hand, equal to vmap:", tl.equivalent(batched, by_hand)(weights, xs).equal)
try:
    tl.depends(mixed, argnums=1, in_axis=0, out_axis=0)(
        weights, xs
    ).assert_batch_independent()
except tl.DependenceError as error:
    print(error)

# %% [markdown]
# That is about the function. Its *bits* are another question: a kernel may sum in
# another order where the batch is larger. Planted: one that takes the keys in two
# halves from four sequences on. It is the same function, and a sequence still comes out
# with other bits in company than alone. `tl.batch_invariant` runs rows in batches of
# several sizes and compares them bit by bit; its bound is about all runs of two of
# them, in any order of summation.


# %%
def served(weights, xs):
    if len(xs) < 4:
        return by_hand(weights, xs)
    q, k, v = (xs @ weights[name] for name in "qkv")
    scores = jnp.einsum("btd,bsd->bts", 0.5 * q, k)
    scores = jnp.where(np.tri(T, dtype=bool), scores, -jnp.inf)
    p, half = jax.nn.softmax(scores), T // 2
    return p[..., :half] @ v[:, :half] + p[..., half:] @ v[:, half:]


print("the same function:", tl.equivalent(by_hand, served)(weights, xs).equal)
for layer in (by_hand, served):
    print(layer.__name__, "-", end=" ")
    print(tl.batch_invariant(layer, argnums=1, sizes=(1, 2, 4, 8))(weights, xs))

# %% [markdown]
# ## What was asked
#
# | step | question | call | mistake found |
# |---|---|---|---|
# | declared | the right shapes? | `tl.shapes` | a token without its axis |
# | masked | does it look ahead? | `tl.depends` | mask off by one |
# | tiled | the same function? | `tl.equivalent` | no rescaling |
# | cached | the same function? | `tl.equivalent` | cache shifted by one |
# | reordered | the same number? | `tl.equivalent` | rounded scale |
# | backward by hand | the derivative? | `tl.check_vjp` | sums of wrong extent |
# | batched | do rows stay apart? | `tl.depends` | softmax over the batch |
# | batched | the same bits? | `tl.batch_invariant` | sums in two halves |
#
# ## Next
#
# * Each call has a page in the documentation, which says what its answer rests on.
# * Your own function: any JAX function goes where `attention` stands.
