"""The parts of transformers that read a whole sequence at once.

What a model embeds, and what it does with the result, is in its entry; the byte GPT,
which decodes with a cache, has parts of its own.

Sources: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.2; Xiong et al. 2020
(arXiv:2002.04745), figure 1b, for norms before rather than after.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.pallas_kernels.attention import attention


class Attention(nnx.Module):
    def __init__(self, width: int, heads: int, rngs: nnx.Rngs):
        self.heads = heads
        self.qkv = nnx.Linear(width, 3 * width, rngs=rngs)
        self.out = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x, lengths=None):
        """[batch, places, width], each place with a look at the first `lengths` [batch]
        of them, or at all."""
        parts = jnp.split(self.qkv(x), 3, -1)
        q, k, v = (part.reshape(*part.shape[:-1], self.heads, -1) for part in parts)
        return self.out(attention(q, k, v, kv_lengths=lengths).reshape(x.shape))


class Feedforward(nnx.Module):
    """The half of a block that takes each place by itself."""

    def __init__(self, width: int, rngs: nnx.Rngs):
        self.norm_mlp = nnx.LayerNorm(width, rngs=rngs)
        self.up = nnx.Linear(width, 2 * width, rngs=rngs)
        self.down = nnx.Linear(2 * width, width, rngs=rngs)

    def fed(self, x):
        return x + self.down(jax.nn.gelu(self.up(self.norm_mlp(x))))


class Block(Feedforward):
    def __init__(self, width: int, heads: int, rngs: nnx.Rngs):
        self.norm_attention = nnx.LayerNorm(width, rngs=rngs)
        self.attention = Attention(width, heads, rngs)
        super().__init__(width, rngs)

    def __call__(self, x, lengths=None):
        return self.fed(x + self.attention(self.norm_attention(x), lengths))
