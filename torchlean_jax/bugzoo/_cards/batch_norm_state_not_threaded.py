"""A training step that drops the running statistics."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def norm():
    from flax import linen

    return linen.BatchNorm(use_running_average=False, momentum=0.9)


def loss(params, stats, x):
    variables = {"params": params, "batch_stats": stats}
    y, updates = norm().apply(variables, x, mutable=["batch_stats"])
    return jnp.mean((y - 1.0) ** 2), updates["batch_stats"]


def faulty(params, stats, x):
    grads, _ = jax.grad(loss, has_aux=True)(params, stats, x)
    params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
    return params, stats


def fixed(params, stats, x):
    grads, stats = jax.grad(loss, has_aux=True)(params, stats, x)
    params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
    return params, stats


def examine(step):
    x = 3.0 + jax.random.normal(jax.random.key(0), (4, 2))
    variables = norm().init(jax.random.key(1), x)
    params, stats = variables["params"], variables["batch_stats"]

    def running_mean(params, stats, x):
        return step(params, stats, x)[1]["mean"]

    report = tl.depends(running_mean, argnums=2, in_axis=1)(params, stats, x)
    mean = running_mean(params, stats, x)
    seen = f"running mean {mean} after a step on features of mean {x.mean(0)}"
    blind = [report.outputs.describe(k) for k in range(2) if not report.matrix[k, k]]
    if blind:
        return Finding(False, f"{seen}: {blind[0]} depends on nothing in the batch")
    witness = report.witness(0, 0)
    return Finding(witness is not None, f"{seen}: {witness}")


CARD = Card(
    name="batch-norm-state-not-threaded",
    title="BatchNorm state that is never threaded",
    family="normalisation",
    story=(
        "The state comes back beside the output, and the step throws it away; in a "
        "functional framework nothing else can update it. Training does not need it "
        "and its loss falls as it should. In evaluation the running mean is still 0 "
        "and the running variance still 1, and accuracy is that of another network."
    ),
    contract="After a step the running mean of a feature depends on the batch.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("google/flax#1489", "paiml/aprender#2166"),
    requires=("flax",),
)
