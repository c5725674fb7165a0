"""Checks that several cards share: the answers of public calls as findings, and what no
call of ours can see, because it is not about a JAX program."""

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._equivalent import Equivalence
from torchlean_jax._gradient_report import GradientCheck
from torchlean_jax._replay import walked
from torchlean_jax.bugzoo._card import Finding
from torchlean_jax.domains._errors import DependenceError, UndecidedError
from torchlean_jax.interpreters import _jaxpr
from torchlean_jax.interpreters._graph import flatten

_CONSUMERS = ("random_bits", "random_split", "random_gamma")


def same_function(report: Equivalence) -> Finding:
    """The answer of `tl.equivalent`.

    Raises UndecidedError where it is undecided: that catches nothing, and passes
    nothing.
    """
    if report.equal is None:
        raise UndecidedError(str(report))
    return Finding(report.equal, str(report))


def same_derivative(report: GradientCheck) -> Finding:
    """What `tl.check_vjp` found, with the input of its witness.

    Raises UndecidedError where it is undecided.
    """
    if report.failures:
        at = spelled(*report.failures[0].inputs[0])
        return Finding(False, f"{report}\n  at {at}")
    if report.ok is None:
        raise UndecidedError(str(report))
    return Finding(report.ok, str(report))


def without_dependence(assertion: Callable[[], None], established: str) -> Finding:
    """An assertion of a report of `tl.depends`, and what it says if it holds.

    Raises UndecidedError where the dependence is only possible: nothing was shown then.
    """
    try:
        assertion()
    except DependenceError as error:
        if error.witness is None:
            raise UndecidedError(str(error)) from error
        return Finding(False, str(error))
    return Finding(True, established)


def round_trip(
    encode: Callable[[str], list[int]],
    decode: Callable[[list[int]], str],
    texts: Iterable[str],
) -> Finding:
    """Whether decoding gives back the texts that were encoded."""
    tried = []
    for text in texts:
        ids = encode(text)
        back = decode(ids)
        if back != text:
            return Finding(False, f"{text!r} is encoded as {ids}, which reads {back!r}")
        tried.append(f"{text!r} is encoded as {ids}, and reads the same")
    return Finding(True, "\n".join(tried))


def distinct_keys(program, *args) -> Finding:
    """Key reuse: whether `program(*args)` draws from, or splits, each key once only.

    The equations are run one by one, loops of known length unrolled, and the bits of
    each key that is consumed are noted. So this speaks of the keys of this run, and of
    derived ones too: folding the same number into a key twice gives the same key.
    """
    closed = jax.make_jaxpr(program)(*args)
    graph = flatten(*_jaxpr.open_jaxpr(closed))
    uses: dict[tuple, list[str]] = {}

    def step(equation, operands):
        if equation.name in _CONSUMERS:
            line = equation.source[2] if equation.source else equation.name
            for bits in _key_bits(operands[0]):
                uses.setdefault(bits, []).append(line)
        outputs = equation.operation(*operands)
        return outputs if equation.eqn.primitive.multiple_results else [outputs]

    walked(graph, jax.tree.leaves(args), step)
    for bits, lines in uses.items():
        if len(lines) > 1:
            seen = "\n  ".join(dict.fromkeys(lines))
            times = f"key {list(bits)} is consumed {len(lines)} times"
            return Finding(False, f"{times}, by\n  {seen}")
    return Finding(True, f"{len(uses)} keys, each consumed once")


def spelled(*arrays) -> str:
    """Small arrays as one would write them."""
    return ", ".join(
        np.array2string(np.asarray(x), precision=6, separator=", ", threshold=24)
        for x in jax.tree.leaves(arrays)
    )


def _key_bits(keys) -> list[tuple[int, ...]]:
    data = np.asarray(jax.random.key_data(jnp.asarray(keys)))
    return [tuple(row.tolist()) for row in data.reshape(-1, data.shape[-1])]
