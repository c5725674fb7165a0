"""Rules for what mixes whole lanes, matrices or keys: it depends on all of them."""

import jax
import numpy as np

from torchlean_jax.domains.dependence import _facts
from torchlean_jax.domains.dependence._domain import table
from torchlean_jax.domains.dependence._reduce import either
from torchlean_jax.domains.dependence._value import anything


@table.define_op("sort")
def _sort(domain, operation, *operands):
    """Any of a lane may come to any of its places, as the keys decide."""
    axis, keys = operation.params["dimension"], operation.params["num_keys"]
    if _all_known(operands):
        return [domain.lift(x) for x in _run(operation, operands)]
    values = [domain.lift(x) for x in operands]
    lanes = [np.bitwise_or.reduce(v.words, axis, keepdims=True) for v in values]
    deciders = np.bitwise_or.reduce(np.stack(lanes[:keys]), axis=0)
    return [
        anything(np.broadcast_to(lane | deciders, v.words.shape), v.dtype)
        for v, lane in zip(values, lanes, strict=True)
    ]


@table.define_op("top_k")
def _top_k(domain, operation, *operands):
    if _all_known(operands):
        return [domain.lift(x) for x in _run(operation, operands)]
    x = domain.lift(operands[0])
    axis = operation.params.get("axis", x.ndim - 1) % x.ndim
    lane = np.bitwise_or.reduce(x.words, axis, keepdims=True)
    return [
        anything(np.broadcast_to(lane, (*out.shape, lane.shape[-1])), out.dtype)
        for out in _facts.outline(operation, operands)
    ]


@table.define_op("fft")
def _fft(domain, operation, x):
    """Along the transformed axes everything meets everything."""
    x = domain.lift(x)
    axes = range(x.ndim - len(operation.params["fft_lengths"]), x.ndim)
    out = _facts.outline(operation, [x])
    words = np.bitwise_or.reduce(x.words, tuple(axes), keepdims=True)
    return anything(np.broadcast_to(words, (*out.shape, words.shape[-1])), out.dtype)


@table.define_op(
    *("cholesky", "lu", "lu_pivots_to_permutation", "qr", "geqrf"),
    *("householder_product", "eigh", "eig", "svd", "triangular_solve"),
)
def _matrices(domain, operation, *operands):
    """Matrix by matrix of a batch: the last axes of the operands and results."""
    values = [domain.lift(x) for x in operands]
    outs = _facts.outline(operation, operands)
    batch = min(_batch(operation.name, v) for v in values)
    words = domain.no_words(())
    for v in values:
        words = words | either(v.words, range(batch, v.ndim))

    def spread(out):
        aligned = words.reshape(
            *words.shape[:-1], *[1] * (len(out.shape) - batch), words.shape[-1]
        )
        return anything(
            np.broadcast_to(aligned, (*out.shape, words.shape[-1])), out.dtype
        )

    return [spread(o) for o in outs] if isinstance(outs, list | tuple) else spread(outs)


def _batch(name, value):
    """How many leading axes of an operand count its matrices."""
    return max(value.ndim - (1 if name == "lu_pivots_to_permutation" else 2), 0)


@table.define_op(
    *("random_bits", "random_fold_in", "random_seed", "random_split", "random_wrap"),
    *("random_unwrap", "random_gamma", "threefry2x32"),
    "regularized_incomplete_beta",
)
def _everything(domain, operation, *operands):
    """Bits depend on the whole key; and an incomplete beta function on all of its
    array, since one loop runs until every element has converged: the bits of one
    change with the others."""
    outs = _facts.outline(operation, operands)
    words = domain.no_words(())
    for x in operands:
        if domain.is_value(x):
            words = words | either(x.words, range(x.ndim))

    def spread(out):
        return anything(np.broadcast_to(words, (*out.shape, words.size)), out.dtype)

    return [spread(o) for o in outs] if isinstance(outs, list | tuple) else spread(outs)


def _all_known(operands):
    return all(_facts.known_of(x)[0].all() for x in operands)


def _run(operation, operands):
    values = [_facts.known_of(x)[1] for x in operands]
    with jax.ensure_compile_time_eval():
        return [np.asarray(x) for x in operation(*values)]
