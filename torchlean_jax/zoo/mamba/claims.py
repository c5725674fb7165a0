"""What is claimed of the byte Mamba: all ways of reading are one function."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.pallas_kernels.selective_scan import selective_scan
from torchlean_jax.zoo import _decoders as decoders
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Variables
from torchlean_jax.zoo._state_space_claims import (
    TOKENS,
    is_causal,
    pieces_are_read_as_the_whole,
    rows_are_independent,
    tokens_are_read_one_by_one,
)
from torchlean_jax.zoo.mamba.model import Config


def claims(config: Config) -> tuple:
    """The claims about a network of that size."""

    def scan_is_the_published_recurrence(trained: Trained):
        """The kernel that the network calls is h' = exp(delta a) h + delta b x and
        y = (c h' + d x) silu(z), step by step, for all operands and states."""
        steps, channels, states = 3, 2, 2

        def shape(*size):
            return jax.ShapeDtypeStruct(size, jnp.float32)

        wide, thin = shape(1, steps, channels), shape(1, steps, states)

        def written_out(x, delta, a, b, c, d, z, state):
            h, read = state[0], []
            for t in range(steps):
                step = delta[0, t][:, None]
                h = jnp.exp(step * a) * h + step * b[0, t] * x[0, t][:, None]
                y = (h * c[0, t]).sum(-1) + d * x[0, t]
                read.append(y * jax.nn.silu(z[0, t]))
            return jnp.stack(read)[None], h[None]

        @tl.claims.equals(written_out)
        @tl.claims.example(
            wide, wide, shape(channels, states), thin, thin, shape(channels), wide,
            shape(1, channels, states),
        )  # fmt: skip
        def kernel(x, delta, a, b, c, d, z, state):
            return selective_scan(x, delta, a, b, c, d, z=z, state=state)

        return kernel

    def parallel_scan_is_the_recurrence(trained: Trained):
        """One block whose states are found by a parallel scan, in logarithmic depth,
        is the same function of four tokens, for all weights and inputs."""
        single = decoders.one_layer(trained)
        other = decoders.one_layer(trained, parallel=not config.parallel)

        @tl.claims.equals(lambda params: other.apply(Variables(params, {}), TOKENS)[0])
        @tl.claims.example(decoders.shapes(single))
        def in_order(params):
            return single.apply(Variables(params, {}), TOKENS)[0]

        return in_order

    return (
        is_causal,
        rows_are_independent,
        scan_is_the_published_recurrence,
        parallel_scan_is_the_recurrence,
        pieces_are_read_as_the_whole,
        tokens_are_read_one_by_one,
    )
