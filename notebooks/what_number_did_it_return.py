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
# # What number did my network return?
#
# [![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/torchlean-jax/torchlean-jax/blob/main/notebooks/what_number_did_it_return.ipynb)
#
# A network prints a number of seven digits. Which of them belong to the network, which
# to the machine, and which to the order in which somebody's library added sixteen
# numbers? Those are different questions, and each has a number system in which it can
# be answered. Here one small model walks through all of them: the reals, intervals,
# every possible floating-point run, IEEE 754 bit for bit, and what the compiler ran.
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
    subprocess.run([*command, "torchlean-jax[zoo,real]", *pins], check=True)

# %%
import tempfile

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import torchlean_jax as tl
from torchlean_jax.cli import main as torchlean

# %% [markdown]
# ## A model
#
# At what temperature does water boil, so many metres up, on a day of so many degrees?
# There is a formula (barometric, then Clausius-Clapeyron). The network stands in for a
# surrogate of something slower: it turns height into pressure, standardises, and goes
# through a hidden layer of sixteen units that are scaled to unit size.

# %%
SEA_LEVEL = 101325.0  # pascal
FALL = 9.80665 * 0.0289644 / 8.31446  # kelvin per metre


def formula(x):
    height, celsius = x
    log_pressure = -FALL * height / (celsius + 273.15)
    return 1 / (1 / 373.15 - 8.31446 * log_pressure / 40660.0) - 273.15


def scaled_pressure(height, celsius):
    pressure = SEA_LEVEL * jnp.exp(-FALL * height / (celsius + 273.15))
    return (pressure - 85000.0) / 10000.0


def network(params, x, scaled=scaled_pressure):
    height, celsius = x
    z = jnp.stack([scaled(height, celsius), (celsius - 10.0) / 10.0])
    (weights, bias), (last, offset) = params
    hidden = jnp.tanh(z @ weights + bias)
    hidden = hidden / jnp.sqrt((hidden * hidden).mean() + 1e-6)
    return 95.0 + (hidden @ last + offset)


def initial(key):
    one, two = jax.random.split(key)
    hidden = jax.random.normal(one, (2, 16)), jnp.zeros(16)
    return [hidden, (0.1 * jax.random.normal(two, (16,)), jnp.zeros(()))]


inputs = jax.random.uniform(
    jax.random.key(1),
    (2048, 2),
    minval=jnp.array([0.0, -10.0]),
    maxval=jnp.array([3000.0, 30.0]),
)
targets = jax.vmap(formula)(inputs)
STEPS = 1500
optimizer = optax.adam(optax.cosine_decay_schedule(0.02, STEPS))


def loss(params):
    return ((jax.vmap(network, (None, 0))(params, inputs) - targets) ** 2).mean()


def step(carry, _):
    params, state = carry
    error, gradient = jax.value_and_grad(loss)(params)
    updates, state = optimizer.update(gradient, state, params)
    return (optax.apply_updates(params, updates), state), error


@jax.jit
def train(params):
    start = params, optimizer.init(params)
    (params, _), errors = jax.lax.scan(step, start, length=STEPS)
    return params, errors


params, errors = train(initial(jax.random.key(0)))
print(f"typical error of the surrogate: {jnp.sqrt(errors[-1]):.3f} degrees")


def boiling(x):
    return network(params, x)


x = jnp.array([2061.0, 12.0], jnp.float32)  # a summit, on a mild day
print(f"the network says {boiling(x)!s} degrees")

# %% [markdown]
# ## The reals
#
# Weights and inputs are binary floating-point numbers, so they are *exact* rationals,
# and the network is a function of real numbers. `tl.Real` evaluates that function in
# ball arithmetic, with more and more bits until the digits are certain. This is the
# number that the network *means*.

# %%
meant = tl.interpret(boiling, domain=tl.Real(digits=30))(x)
print("the network means  ", meant.decimal(30))
print("the machine printed", f"{float(boiling(x)):.12f}")
print("they are apart by at most", meant.distance(boiling(x)))

# %% [markdown]
# ## Intervals
#
# Nobody knows the height to the millimetre. `tl.Interval` runs the same function over a
# box of inputs and returns an interval that contains every output over the reals; its
# ends are rounded outward. (`tl.bounds` has methods that are tighter than this one.)

# %%
box = tl.box(x, radius=jnp.array([5.0, 0.5], jnp.float32))
print(tl.interpret(boiling, domain=tl.Interval)(box))

# %% [markdown]
# ## Every floating-point run
#
# The same network, the same input, and the bits still depend on the batch size, on
# `jit`, on the processor: sums may be taken in any order, a product may be fused into a
# sum, library functions are a few units in the last place off, tiny numbers may be
# flushed to zero. `tl.float_error` bounds them **all** at once: for no input in the box
# can any run of these equations be further from the reals than that. The box here is
# thin: 121 heights that follow each other as float32 numbers, three centimetres in all.

# %%
height, celsius = np.asarray(x)
heights = height + np.arange(121, dtype=np.float32) * np.spacing(height)
points = np.stack([heights, np.full(121, celsius)], axis=1)
thin = tl.box(points[0], points[-1])
error = tl.float_error(boiling)(thin)
print(f"no run is off by more than {error.bound:.2g} degrees")

# %% [markdown]
# Which line is to blame? The breakdown ranks the equations by what they add to the
# bound.

# %%
breakdown = error.breakdown()
for part in breakdown.parts[:5]:
    print(f"{part.share:>6.1%}  {part.node.primitive:<12} {part.node.place}")

# %% [markdown]
# The first place goes to the barometric formula. `exp` is good to a few units in *its*
# last place; multiplied by a hundred thousand pascal these are hundredths of a pascal,
# and then `- 85000` takes away most of the number and none of the error. The standard
# remedy is `expm1`, which is accurate for what is left after subtracting one. Over the
# reals it is the same function, so the trained weights stay as they are:


# %%
def careful_pressure(height, celsius):
    change = SEA_LEVEL * jnp.expm1(-FALL * height / (celsius + 273.15))
    return (change + (SEA_LEVEL - 85000.0)) / 10000.0


def careful(x):
    return network(params, x, careful_pressure)


same = tl.interpret(careful, domain=tl.Real(digits=30))(x)
print("boiling means", meant.decimal(30))
print("careful means", same.decimal(30))
careful_error = tl.float_error(careful)(thin)
print(f"bounds: {error.bound:.3g} before, {careful_error.bound:.3g} after")

# %% [markdown]
# ## IEEE 754, bit for bit
#
# The standard says what each operation returns, to the bit, once somebody states the
# order of the sums. `tl.IEEE32` holds bit patterns (sign, exponent, fraction) and
# computes in three orders; its elementary functions are correctly rounded.

# %%
model = jax.vmap(boiling)
ORDERS = ("sequential", "pairwise", "fma-sequential")
bits = {
    order: tl.interpret(model, domain=tl.IEEE32(order=order))(tl.IEEE32.lift(points))
    for order in ORDERS
}
words = np.stack([np.asarray(bits[order].bits) for order in ORDERS])
parted = (words != words[0]).any(axis=0)
print(f"at {parted.sum()} of {len(points)} heights the order shows in the result")
k = int(parted.argmax())
for order in ORDERS:
    print(f"{order:<15} {bits[order][k]}  {bits[order][k].to_float()!s}")

# %% [markdown]
# `tl.replay` puts the three beside the runs of this machine, and says where each first
# parts from the reference: which node, which line, by how many units in the last place.

# %%
print(tl.replay(boiling)(points[k]))

# %% [markdown]
# ## What the compiler ran
#
# Under a plain `jit` the program that runs need not be the program that was written:
# XLA rewrites expressions into others that are equal over the reals, and not in
# floating point. `tl.audit_compilation` names what was rewritten, by source line, and
# says whether the bounds above still cover it. `tl.faithful_jit` compiles without these
# rewrites.

# %%
print(tl.audit_compilation(boiling)(x))

# %% [markdown]
# ## All of it in one picture
#
# Three centimetres of mountain. The line is what the network means: it falls smoothly.
# A float32 run cannot follow it; it goes down in steps, and each way of running takes
# the steps elsewhere. The bands are the bounds: no run of these equations, on any
# machine that the error model covers, leaves the wide one (or, with `expm1`, the
# narrow one). They have to leave room for the runs that nobody has tried. (The dots
# are drawn half a millionth apart, so that none hides another.)

# %%
exact = tl.interpret(model, domain=tl.Real(digits=20))(points)
runs = {
    "eager": model(points),
    "jit": jax.jit(model)(points),
    "faithful_jit": tl.faithful_jit(model)(points),
    **{f"IEEE32, {order}": bits[order].to_float() for order in ORDERS},
}
for name, run in runs.items():
    off = exact.distance(run)
    inside = (off <= error.bound).all()
    print(f"{name:<22} at most {off.max():.2g} off; within the bound: {inside}")

figure, axis = plt.subplots(figsize=(7.5, 4.5))
along = 1000 * (heights.astype(np.float64) - heights[0])  # millimetres
start, micro = exact.mid[0], 1e6
line = micro * (exact.mid - start)
for found, shade, label in (
    (error, "0.92", "no run leaves this"),
    (careful_error, "0.84", "... with expm1"),
):
    width = micro * found.bound
    axis.fill_between(along, line - width, line + width, color=shade, label=label)
axis.plot(along, line, color="black", linewidth=1, label="the real number")
shown = {"jit": "C0", "IEEE32, sequential": "C1", "IEEE32, pairwise": "C2"}
for shift, (name, colour) in zip((-0.5, 0, 0.5), shown.items(), strict=True):
    steps = micro * (np.asarray(runs[name], np.float64) - start)
    axis.plot(along, steps + shift, ".", markersize=3.5, color=colour, label=name)
axis.set(
    xlabel="millimetres further up",
    ylabel="boiling point, millionths of a degree\nabove that of the first point",
)
axis.legend(frameon=False, ncols=2, fontsize=8, loc="upper right")
figure.tight_layout()

# %% [markdown]
# ## Bridges
#
# One thing was taken on trust: how far the library's `exp` and `tanh` are from the
# exact functions. Nothing proves that about a vendor's code, but binary32 has only
# $2^{32}$ inputs, and all of them can be tried: that is what `torchlean float bridge`
# does, in each way in which a compiler treats a function. It takes some minutes; here
# only every 65521st input is tried.

# %%
evidence = f"{tempfile.mkdtemp()}/evidence.json"
command = f"float bridge --op exp --op tanh --every 65521 --out {evidence}"
torchlean(command.split())
measured, default = tl.ErrorModel.from_evidence(evidence), tl.ErrorModel.xla_cpu()
print(f"\n{measured.name}:")
for name in ("exp", "tanh"):
    print(f"  {name}: {measured.ulps[name]} ulp here, {default.ulps[name]} by default")
bound = tl.float_error(boiling, errors=measured)(x).bound
print(f"with these figures, no run at x is off by more than {bound:.2g} degrees")

# %% [markdown]
# Where the default figure is larger, it is because it was found among *all* inputs: a
# sample misses the worst ones, and the name of the model says that it is a sample. On a
# backend where nobody measured, every claim says that as well; here:

# %%
print(default.unmeasured() or "the default figures were measured on this kind of CPU")

# %% [markdown]
# ## Next
#
# * `tl.verify(f, box, spec, semantics="fp32")` proves a property of every run, in one
#   call.
# * What each number system claims, and what each claim leans on, are two pages of the
#   documentation: *What number did it return?* and *What the claims lean on*.
# * Your own network: any JAX function goes where `boiling` stands.
