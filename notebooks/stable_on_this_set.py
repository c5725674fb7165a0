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
# # Stable on this set
#
# [![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/torchlean-jax/torchlean-jax/blob/main/notebooks/stable_on_this_set.ipynb)
#
# A neural network holds a pendulum upright. It does so in every simulation that was
# tried. Does it from *every* state of some set, and for ever? Here that is proved, the
# states next to the upright position included, which simulations and most tools leave
# out. A second program re-derives the proof in exact arithmetic.
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
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import torchlean_check
from torchlean_jax.science import lyapunov, regulator, stability_document

# %% [markdown]
# ## A pendulum and its controller
#
# The state is the angle from upright and how fast it changes. The controller is one
# tanh unit: it knows both, and its torque never exceeds 4. Controller and pendulum
# together are one function of the state, $\dot x = f(x)$.


# %%
def pendulum(x, torque):
    return jnp.stack([x[1], jnp.sin(x[0]) - 0.125 * x[1] + torque])


WEIGHTS = np.array([2.5, 1.75], np.float32)


def controller(x, gain=1.0):
    return -4.0 * jnp.tanh(gain * (WEIGHTS @ x) / 4.0)


def f(x):
    return pendulum(x, controller(x))


# %% [markdown]
# ## A function that falls
#
# If some $V$, which is 0 when the pendulum stands and positive elsewhere, falls along
# every movement that starts in $S = \{V \le c\}$, then no movement leaves $S$, and all
# of them end upright (Lyapunov 1892). A quadratic $V$ will do, with the matrix of the
# linear-quadratic regulator, in numbers that float32 has. How it was found does not
# matter, for it is proved afterwards.

# %%
cost = regulator(lambda x, u: pendulum(x, u[0]), 2, 1).cost
P = np.round(16 * cost / cost[0, 0]).astype(np.float32) / 16
print(P)


def V(x):
    return (x @ P) @ x


# %% [markdown]
# $V$ falls where $\dot V = \nabla V \cdot f < 0$. In the pictures below it rises where
# they are orange, and blue is the edge of a set $S$.

# %%
lo, hi = np.array([-3.0, -4.0]), np.array([3.0, 4.0])
sides = [np.linspace(a, b, 402) for a, b in zip(lo, hi, strict=True)]
grid = np.stack(np.meshgrid(*sides, indexing="ij"), -1).astype(np.float32)


def falls(loop):
    """V, and its rate of change, at the points of the grid."""
    both = jax.vmap(lambda x: jax.jvp(V, (x,), (loop(x),)))
    return (np.asarray(v).reshape(402, 402) for v in both(grid.reshape(-1, 2)))


def picture(loop, level, axis):
    value, rate = falls(loop)
    axis.contourf(*sides, rate.T, [0, np.inf], colors=["#E69F00"], alpha=0.4)
    axis.contour(*sides, value.T, [level], colors=["#0072B2"])
    axis.set(xlabel="angle", ylabel="speed")


value, rate = falls(f)
edge = np.ones_like(value, bool)
edge[1:-1, 1:-1] = False
limit = value[edge | (rate >= 0)].min()
print(f"a point of the grid forbids levels from {limit:.4f}")

# %% [markdown]
# ## One proof
#
# The grid has 160,000 points, and says nothing of the states between them. `lyapunov`
# encloses $V$ and $\dot V$ on cells, which cover the set, and cuts cells until each is
# decided. Around 0 that cannot work: $\dot V$ is 0 *at* 0. There it is a question of
# second derivatives, and those are bounded on a whole box, `neighbourhood` times as
# large as the outer one.

# %%
level = float(np.float32(0.96 * limit))
found = lyapunov(f, V, lo, hi, level, seconds=300)
print(found.status, "with", found.cells, "cells; neighbourhood:", found.neighbourhood)
print(found.claim)

# %% [markdown]
# ## A second opinion
#
# The certificate holds $f$ and $V$ as programs of rational numbers, the box and the
# level; of what was computed above it holds nothing but the box around 0. The checker
# shares no code with `lyapunov`, uses only Python's standard library, takes its own
# derivatives, and computes with integers.

# %%
file = Path(tempfile.mkdtemp()) / "pendulum.json"
file.write_bytes(stability_document(f, V, lo, hi, level))
report = torchlean_check.check(file)
print(f"accepted: {report.accepted}, after {report.seconds:.1f} s")
print(report.claim)

# %% [markdown]
# Let someone claim a little more than is true: the same file, with a level at which the
# set touches the orange region.

# %%
text = file.read_text()
start = text.index('"level":"') + len('"level":"')
forged = text[:start] + "100" + text[text.index('"', start) :]
print(torchlean_check.check(forged.encode()).reason)

# %% [markdown]
# ## One refutation
#
# A controller with a quarter of the gain looks much the same. For that, the claim is
# false, and comes back with a state at which $V$ does not fall. That refutes *this* $V$
# at this level. (`escape` follows the movement from such a state in boxes, to see
# whether it provably leaves the set, whatever $V$.)


# %%
def weak(x):
    return pendulum(x, controller(x, 0.25))


refuted = lyapunov(weak, V, lo, hi, level, seconds=300)
print(refuted.status, "-", refuted.claim)

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
rng = np.random.default_rng(0)
for axis, loop, title in zip(
    axes, (f, weak), ("proved stable", "refuted"), strict=True
):
    picture(loop, level, axis)
    axis.set_title(title)
starts = rng.uniform(lo, hi, (400, 2)).astype(np.float32)
starts = starts[np.asarray(jax.vmap(V)(starts)) <= level][:12]


def step(x, _):
    """Runge and Kutta's method, only for the picture."""
    h = 0.02
    a = f(x)
    b = f(x + h / 2 * a)
    c = f(x + h / 2 * b)
    return x + h / 6 * (a + 2 * b + 2 * c + f(x + h * c)), x


for x in starts:
    way = np.asarray(jax.lax.scan(step, jnp.asarray(x), length=400)[1])
    axes[0].plot(*way.T, color="0.4", linewidth=0.8)
inner = found.neighbourhood * np.array([lo, hi])
(a, b), (c, d) = inner
axes[0].plot([a, c, c, a, a], [b, b, d, d, b], color="#009E73", label="around 0")
axes[0].legend(frameon=False)
axes[1].plot(*refuted.witness, "x", color="#D55E00", label="V does not fall")
axes[1].legend(frameon=False)
figure.tight_layout()

# %% [markdown]
# ## Next
#
# * `torchlean science control neural` trains controller and $V$, both networks, against
#   the points that refute them, and proves twice the area of the regulator's ellipse.
# * `as_executed` asks of the controller as float32 runs it, `attracted` and `barrier`
#   of loops in a wind.
# * What the theorems are, and what each certificate holds: the page *Science*.
