"""What is claimed of the byte Mamba: all ways of reading are one function."""

from dataclasses import replace

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.pallas_kernels.selective_scan import selective_scan
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network, Variables
from torchlean_jax.zoo.mamba.model import Config, network

TOKENS = jnp.array([100, 101, 102, 32])


def claims(model: Network, config: Config) -> tuple:
    """The claims about a network of that size."""
    single = network(replace(config, depth=1))

    def logits(variables, tokens):
        return model.apply(variables, tokens)[0]

    def is_causal(trained: Trained):
        """The logits at place t depend on tokens 0 to t, for all weights and tokens."""
        asked = tl.claims.example(trained.shapes, TOKENS)(logits)
        return tl.claims.causal(argnums=1)(asked)

    def rows_are_independent(trained: Trained):
        """The logits of a text depend on no other text of its batch, whatever the
        weights are."""

        @tl.claims.batch_independent(argnums=1)
        @tl.claims.example(trained.shapes, jnp.stack([TOKENS, TOKENS]))
        def of_a_batch(variables, tokens):
            return logits(variables, tokens)

        return of_a_batch

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
        other = network(replace(config, depth=1, parallel=not config.parallel))

        @tl.claims.equals(lambda params: other.apply(Variables(params, {}), TOKENS)[0])
        @tl.claims.example(_shapes(single, trained))
        def in_order(params):
            return single.apply(Variables(params, {}), TOKENS)[0]

        return in_order

    def pieces_are_read_as_the_whole(trained: Trained):
        """One block that reads two tokens, and then two more with what it remembers,
        has the logits and the memory of reading four, for all weights and inputs."""
        return _in_pieces(single, _shapes(single, trained), (2, 4))

    def tokens_are_read_one_by_one(trained: Trained):
        """The whole model, all its blocks, decodes two tokens one by one as it reads
        them at once, for all weights."""
        return _in_pieces(model, trained.shapes.params, (1, 2))

    return (
        is_causal,
        rows_are_independent,
        scan_is_the_published_recurrence,
        parallel_scan_is_the_recurrence,
        pieces_are_read_as_the_whole,
        tokens_are_read_one_by_one,
    )


def _shapes(model: Network, trained: Trained) -> dict:
    """The shapes of those of the weights that the network has."""
    needed = jax.eval_shape(lambda: model.init(jax.random.key(0))).params
    return {name: trained.shapes.params[name] for name in needed}


def _in_pieces(model: Network, shapes: dict, ends: tuple[int, ...]):
    """Reading up to the last of the ends at once, and in pieces with these ends."""

    def read(params, memories, start, end):
        tokens = TOKENS[None, start:end]
        return model.apply(Variables(params, {}), tokens, memories, method="read")[0]

    def empty(params):
        return model.apply(Variables(params, {}), method="empty")[0]

    def whole(params):
        return read(params, empty(params), 0, ends[-1])

    @tl.claims.equals(whole)
    @tl.claims.example(shapes)
    def pieces(params):
        memories, found, start = empty(params), [], 0
        for end in ends:
            logits, memories = read(params, memories, start, end)
            found.append(logits)
            start = end
        return jnp.concatenate(found, 1), memories

    return pieces
