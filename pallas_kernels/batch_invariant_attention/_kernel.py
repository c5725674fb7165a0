"""The forward kernel of attention, in tiles that nothing but head_dim decides.

A tile of keys begins at a multiple of its size, whatever the query and the length of
the arrays, and each query adds up tile after tile. A tile of which it may look at
nothing, visited for another query's sake, changes none of its bits: the largest score
stays, both sums are multiplied by exp(0) = 1, and what is added is 0.

`attention` cuts short sequences into smaller tiles, to have more programs to run.
"""

from torchlean_jax.pallas_kernels.attention import _forward
from torchlean_jax.pallas_kernels.attention._tile import (
    LEAST,
    AttentionTile,
    attention_tile,
)

_LONG = 2**20  # of a sequence so long, tiles are as large as head_dim allows


def fixed_tile(dim: int) -> AttentionTile:
    """Few queries, since decoding has few; as many keys as registers take."""
    longest = attention_tile(_LONG, _LONG, dim)
    return AttentionTile(LEAST, longest.keys, longest.dim)


def attention(q, k, v, limits, mask=None, bias=None, *, scale):
    return _forward.attention(
        *(q, k, v, limits, mask, bias),
        scale=scale,
        name="batch_invariant_attention",
        tile=fixed_tile(q.shape[3]),
    )
