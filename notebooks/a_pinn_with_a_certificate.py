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
# # A PINN with a certificate
#
# [![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/torchlean-jax/torchlean-jax/blob/main/notebooks/a_pinn_with_a_certificate.ipynb)
#
# A physics-informed network solves a differential equation at the points at which it
# was trained, nearly. Between them nobody looked. Here the residual is bounded at
# *every* point of the domain, rounding included, and from that follows a bound of the
# distance to the true solution, which nobody has to know.
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
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from torchlean_jax.science import pinn

# %% [markdown]
# ## A problem, and a network for it
#
# Heat in a rod: $u_t = u_{xx} / 10$ on $[0, 1] \times [0, 1]$, with a sine to begin
# with and both ends at 0. A problem is an equation as a function of the point and of
# the derivatives of $u$ there; this one comes with the package. What is trained is a
# part of `u` that leaves the conditions as they are.

# %%
problem = pinn.PROBLEMS["heat"]
print(problem.equation)
u = pinn.train(problem, steps=1500, width=12)

# %% [markdown]
# ## At points
#
# The usual test: the residual $u_t - u_{xx} / 10$ at random points. It says how large
# the residual is at least.

# %%
met = pinn.sampled(problem, u, count=100_000)
print(f"the largest |residual| of 100,000 points: {met:.5f}")

# %% [markdown]
# ## Everywhere
#
# `certify` walks the jaxpr of `u` over cells of the domain, with all the derivatives
# that the equation has, each as a linear form in $t$ and $x$ with a bound of what the
# form leaves out. The equation is evaluated on those forms, so that terms which cancel
# do. Cells are cut until no bound is far above what points attain.

# %%
found = pinn.certify(problem, u, tolerance=0.2)
print(f"|residual| <= {found.bound:.5f} at every point of the domain,")
print(f"which is {found.bound / met - 1:.0%} above what points attain")
print(f"{found.residual.cells} cells, {found.residual.seconds:.1f} s")
for name, bound in found.conditions.items():
    print(f"{name}: |u - condition| <= {bound.bound:.1g}")

# %% [markdown]
# ## What follows
#
# For this equation there is a theorem, the maximum principle: a residual is a source of
# heat, which in the time $t$ raises the temperature by no more than $t$ times its
# largest value.

# %%
print(found.theorem)
print(f"so |u - solution| <= {found.error:.5f} everywhere")

# %% [markdown]
# Here the solution happens to be known, so the claim can be put to the test. It was not
# used for anything above.


# %%
def solution(x):
    return jnp.exp(-0.1 * jnp.pi**2 * x[0]) * jnp.sin(jnp.pi * x[1])


side = np.linspace(0, 1, 201)
grid = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
grid = jnp.asarray(grid, jnp.float32)
off = np.abs(jax.vmap(u)(grid) - jax.vmap(solution)(grid)).reshape(201, 201)
print(f"the largest distance at 40,401 points: {off.max():.5f}")

residual = jax.vmap(pinn.residual_of(problem, u))(grid)
shown = np.abs(np.asarray(residual)).reshape(201, 201)
figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8))
for axis, values, name in (
    (axes[0], shown, "|residual|, at points"),
    (axes[1], off, "|u - solution|, at points"),
):
    colours = axis.pcolormesh(side, side, values.T, cmap="cividis", shading="gouraud")
    figure.colorbar(colours, ax=axis, label=name)
    axis.set(xlabel="t", ylabel="x")
(a, b), (c, d) = found.residual.cell
axes[0].plot([a, c, c, a, a], [b, b, d, d, b], color="#D55E00", linewidth=2)
axes[0].set_title(f"everywhere at most {found.bound:.4f}; most in the cell")
axes[1].set_title(f"everywhere at most {found.error:.4f}")
figure.tight_layout()

# %% [markdown]
# ## Next
#
# * `torchlean science pinn burgers`, and `allen-cahn`, `schroedinger`,
#   `diffusion-sorption`, `poisson`: the same, with a picture (`--plot`) and figures
#   (`--json`).
# * A problem of your own is a `pinn.Problem`; any smooth function can stand for `u`.
# * What the theorems are, and what is assumed: the page *Science*.
