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
# # A fast kernel, and why you may believe it
#
# [![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/torchlean-jax/torchlean-jax/blob/main/notebooks/a_fast_kernel_and_why_you_may_believe_it.ipynb)
#
# A kernel is fast because it computes something in another order, in pieces, with
# memory that it manages itself. Its usual test is `allclose`: run it and the formula on
# random numbers of a convenient shape, and look whether the results are close.
#
# Here a small kernel for LayerNorm passes that test. So do six others, each with a
# planted mistake. Then each of the seven gets a *contract*, and six of them break it.
# No GPU is needed: the kernel that is checked is the very one that is lowered for CUDA.
#
# It runs in about a minute on a CPU.

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
import functools

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from matplotlib.colors import ListedColormap

from torchlean_jax.contracts import Contract, Edge, Program, Terms

# %% [markdown]
# ## The formula
#
# What the kernel must equal, from the paper.

# %%
EPS = 1e-6


def formula(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / jnp.sqrt(variance + EPS)


# %% [markdown]
# ## The kernel
#
# Each program takes two rows and eight columns. Tiles are powers of two, as Triton
# wants them, and arrays are not: what of a tile lies beyond the array is masked. The
# three arguments are where the mistakes will go.

# %%
ROWS, COLUMNS = 2, 8


def normalised(x, inside, width):
    mean = x.sum(axis=1, keepdims=True) / width
    centred = jnp.where(inside, x - mean, 0.0)
    variance = (centred**2).sum(axis=1, keepdims=True) / width
    return centred / jnp.sqrt(variance + EPS)


def body(x_ref, y_ref, *, rule, masked, stride):
    rows, width = x_ref.shape
    row = pl.program_id(0) * stride + jnp.arange(ROWS)
    column = jnp.arange(COLUMNS)
    inside = (row < rows)[:, None] & (column < width)[None, :]
    place = row[:, None], column[None, :]
    read = {"mask": inside, "other": 0.0} if masked else {}
    y = rule(triton.load(x_ref.at[place], **read), inside, width)
    triton.store(y_ref.at[place], y, mask=inside)


def fused(rule=normalised, masked=True, stride=ROWS):
    """The kernel as a function of an array."""

    def kernel(x, interpret=False):
        return pl.pallas_call(
            functools.partial(body, rule=rule, masked=masked, stride=stride),
            out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype),
            grid=(-(-x.shape[0] // stride),),
            compiler_params=None if interpret else triton.CompilerParams(num_warps=1),
            interpret=interpret,
        )(x)

    return kernel


# %% [markdown]
# ## Six mistakes
#
# Each returns an array of the right shape with plausible numbers.


# %%
def epsilon_outside(x, inside, width):
    """The square root of the variance, plus epsilon."""
    centred = jnp.where(inside, x - x.sum(1, keepdims=True) / width, 0.0)
    variance = (centred**2).sum(axis=1, keepdims=True) / width
    return centred / (jnp.sqrt(variance) + EPS)


def one_pass(x, inside, width):
    """mean(x**2) - mean(x)**2: the same function, one reading less, and it cancels."""
    mean = x.sum(axis=1, keepdims=True) / width
    variance = (x**2).sum(axis=1, keepdims=True) / width - mean**2
    return jnp.where(inside, x - mean, 0.0) / jnp.sqrt(variance + EPS)


def padding_counts(x, inside, width):
    """Beyond the row x is 0, and x - mean is not."""
    centred = x - x.sum(axis=1, keepdims=True) / width
    variance = (centred**2).sum(axis=1, keepdims=True) / width
    return centred / jnp.sqrt(variance + EPS)


def zero_is_skipped(x, inside, width):
    """Rows with no deviation are divided by 0, since epsilon was left out."""
    centred = jnp.where(inside, x - x.sum(1, keepdims=True) / width, 0.0)
    variance = (centred**2).sum(axis=1, keepdims=True) / width
    return centred / jnp.sqrt(variance)


kernels = {
    "as it should be": fused(),
    "epsilon outside of the root": fused(epsilon_outside),
    "variance in one pass": fused(one_pass),
    "padding counts": fused(padding_counts),
    "no epsilon": fused(zero_is_skipped),
    "reads without a mask": fused(masked=False),
    "tiles overlap": fused(stride=1),
}

# %% [markdown]
# ## The usual test
#
# Random normal numbers, four rows of eight.

# %%
x = jax.random.normal(jax.random.key(0), (4, 8))
close = {}
for name, kernel in kernels.items():
    y = kernel(x, interpret=True)
    close[name] = bool(jnp.allclose(y, formula(x), rtol=1e-5, atol=1e-5))
    print(f"{name:30s} allclose: {close[name]}")

# %% [markdown]
# All seven pass. The numbers were friendly: their mean is near 0, so nothing cancels;
# their variance is near 1, so epsilon is nowhere; eight columns fill a tile, so there
# is no edge; and two programs that write the same number into the same place do it, in
# interpret mode, one after the other.
#
# ## A contract
#
# A contract is the kernel beside its formula, with the shapes, dtypes and edges at
# which its promise is checked. The edge here: rows of equal numbers are 0, not NaN.


# %%
def arguments(key, shape, dtype):
    """Rows far from 0, where the mean matters."""
    return ((64.0 + jax.random.normal(key, shape, jnp.float32)).astype(dtype),)


def contract(kernel):
    def op(x, implementation="auto"):
        return formula(x) if implementation == "reference" else kernel(x)

    forward = Program(
        "layer_norm",
        kernel,
        formula,
        arguments,
        slack=2.0,
        because="a sum may be taken in any order, and a quotient as a product",
    )
    equal_rows = Edge(
        "rows of equal numbers",
        lambda op: op(jnp.full((2, 3), 7.0)),
        expected=lambda: jnp.zeros((2, 3)),
    )
    return Contract(
        Terms(
            name="layer_norm",
            summary="LayerNorm of the notebook",
            formula="(x - mean) / sqrt(var + eps)",
            op=op,
            differentiable=formula,
            programs=(forward,),
            shapes={"ragged": (3, 5)},
            dtypes=("float32",),
            edges=(equal_rows,),
        )
    )


# %% [markdown]
# The kernel is unrolled: with addresses concrete and numbers traced, its programs are a
# straight line of arithmetic. That line is compared with the formula as a *function*,
# over finite fields where equality is exact. Its rounding is bounded for any order of
# operations, and measured. Each address of each program is looked at. The shape is
# ragged, on purpose: three rows of five.

# %%
clauses = ("meaning", "rounding", "memory", "edges", "precision")
reports = {}
for name, kernel in kernels.items():
    # what a bound of rounding is asked about should be the formula at all
    asked = [c for c in clauses if c != "rounding" or name in list(kernels)[:3:2]]
    reports[name] = contract(kernel).check(clauses=asked)
print(*reports["as it should be"].clauses, sep="\n")

# %% [markdown]
# Each of the others breaks it, and the clause says in what respect.

# %%
for name, report in reports.items():
    for failure in report.failures[:1]:
        print(f"{name}: {failure.clause}\n    {failure.detail.splitlines()[0][:100]}")

# %% [markdown]
# "Variance in one pass" *is* the formula: the clause of meaning agrees. Its error is
# what breaks the contract. On numbers that nearly equal each other all digits cancel:

# %%
near = 40000.0 + jnp.arange(4.0)[None]
for name in ("as it should be", "variance in one pass"):
    print(f"{name:24s}", np.asarray(kernels[name](near, interpret=True))[0].round(3))

# %% [markdown]
# ## The trust table
#
# Green: passes. Red: fails. White: was not asked.

# %%
STATUS = {"pass": 1, "fail": 2}
table = np.zeros((len(kernels), 1 + len(clauses)))
for i, (name, report) in enumerate(reports.items()):
    table[i, 0] = 1 if close[name] else 2
    for clause in report.clauses:
        j = 1 + clauses.index(clause.clause)
        table[i, j] = max(table[i, j], STATUS[clause.status])
figure, axis = plt.subplots(figsize=(7, 3))
colours = ListedColormap(["white", "#7fb08a", "#c8443c"])
axis.imshow(table, cmap=colours, vmin=0, vmax=2, aspect="auto")
axis.set_xticks(range(1 + len(clauses)), ["allclose", *clauses], rotation=30)
axis.set_yticks(range(len(kernels)), list(kernels))
axis.set_xticks(np.arange(2 + len(clauses)) - 0.5, minor=True)
axis.set_yticks(np.arange(1 + len(kernels)) - 0.5, minor=True)
axis.grid(which="minor", color="white")
axis.tick_params(which="both", length=0)
figure.tight_layout()
assert all(report.ok == (name == "as it should be") for name, report in reports.items())

# %% [markdown]
# What each clause is worth:
#
# | clause | what is established | how |
# |---|---|---|
# | meaning | it is the same function | proved, with a stated probability of error |
# | rounding | its error is under a derived tolerance | proved here, and measured |
# | memory | no access outside, before a write or raced | proved for this shape |
# | edges | equal rows give 0 | tested |
# | precision | no product in TF32 | read in the IR that is lowered for CUDA |
#
# What stays assumed: that Triton and the GPU compute what the IR says, and that one
# ragged shape speaks for others. And a gradient? This kernel has none of its own; for
# those that have, `meaning` asks `tl.check_vjp` whether it is the derivative.
#
# ## Next
#
# * `torchlean kernels` lists the kernels that come with their contracts, `torchlean
#   kernels check rms_norm` checks one of them.
# * Your own kernel goes where `fused()` stands.
