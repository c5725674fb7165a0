"""A BatchNorm that still takes the statistics of the batch when it serves."""

import jax

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import without_dependence


def faulty(variables, x):
    from flax import linen

    norm = linen.BatchNorm(use_running_average=False)
    return norm.apply(variables, x, mutable=["batch_stats"])[0]


def fixed(variables, x):
    from flax import linen

    norm = linen.BatchNorm(use_running_average=True)
    return norm.apply(variables, x)


def examine(serve):
    from flax import linen

    x = jax.random.normal(jax.random.key(0), (4, 3))
    variables = linen.BatchNorm(use_running_average=True).init(jax.random.key(1), x)

    def predict(x):
        return serve(variables, x)

    report = tl.depends(predict, in_axis=0, out_axis=0)(x)
    return without_dependence(
        report.assert_batch_independent,
        "no row of the output depends on another row of the batch",
    )


CARD = Card(
    name="batch-norm-training-statistics-in-eval",
    title="Training statistics in evaluation",
    family="normalisation",
    story=(
        "The flag that switches BatchNorm from the statistics of the batch to those "
        "gathered in training is not set where the model serves. Large shuffled "
        "batches give nearly the same scores, so tests pass; then a request's answer "
        "changes with the requests beside it, and a batch of one is normalised to its "
        "bias."
    ),
    contract="In evaluation no row of the output depends on another row of the batch.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "fxia22/pointnet.pytorch#19",
        "keras-team/keras#3085",
        "YAndrewL/CLAPE#1",
    ),
    sources=(
        "Ioffe and Szegedy 2015, Batch Normalization, section 3.1 (arXiv:1502.03167)",
    ),
    requires=("flax",),
)
