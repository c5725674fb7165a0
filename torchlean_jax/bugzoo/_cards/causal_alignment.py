"""A causal mask aligned to the wrong corner when queries are fewer than keys."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(q, k, v):
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


def fixed(q, k, v):
    seen = jnp.tri(len(q), len(k), k=len(k) - len(q), dtype=bool)
    return jax.nn.dot_product_attention(q, k, v, mask=seen[None])


def last_tokens(q, k, v):
    """The definition: the queries are the last tokens, and each sees all before it."""
    rows = []
    for i in range(len(q)):
        seen = len(k) - len(q) + i + 1
        weights = jax.nn.softmax(k[:seen, 0] @ q[i, 0] / 2.0)
        rows.append(weights @ v[:seen, 0])
    return jnp.stack(rows)[:, None]


def examine(attend):
    q = jnp.linspace(-1.0, 1.0, 8).reshape(2, 1, 4)  # tokens, heads, width
    k = v = jnp.linspace(1.0, -1.0, 20).reshape(5, 1, 4)
    return same_function(tl.equivalent(attend, last_tokens)(q, k, v))


CARD = Card(
    name="causal-alignment",
    title="The causal mask of a decoding step is aligned to the wrong corner",
    family="attention",
    story=(
        "Two new tokens are decoded beside three cached ones, so the mask has 2 rows "
        "and 5 columns. `is_causal` lays its triangle into the top left corner, as if "
        "the new tokens were the first: they see nothing of the cache but its start. "
        "Flash attention changed sides between two releases, PyTorch and JAX are "
        "still at the top left, MLX is at the bottom right; where both lengths are "
        "equal, as in every training run, no test sees a difference."
    ),
    contract="The last tokens attend to all that came before them, and to themselves.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    library="jax",
    requires=("flint",),
    reports=(
        "Dao-AILab/flash-attention#282",
        "Dao-AILab/flash-attention#517",
        "Dao-AILab/flash-attention#951",
        "NVIDIA/TransformerEngine#960",
        "ml-explore/mlx#2967",
    ),
)
