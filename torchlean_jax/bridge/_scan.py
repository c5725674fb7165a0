"""Measuring one function over all binary32 inputs, or every n-th of them.

The reference is the float64 value behind our correctly rounded functions, whose
relative error is proved (`ERRORS`, in units of 2**-53); that error is added to what is
reported, so "at most 1.19 ulp" holds of the exact result. One ulp is the distance of
neighbouring binary32 numbers in the binade of the exact result. An infinity in place of
a number past 2**127, or a number in place of a larger one, counts as if the format went
on: from where it rounds to infinity, 2**128, in its last ulp.

Counted apart: subnormal inputs, which a machine may read as 0, where the result is
neither that of 0 nor within 128 ulp; results below twice the smallest normal number,
which an inner step may have flushed, where they are larger or of the other sign
(`tiny`); NaNs and other infinities where there are none or the other way round
(`special`); neighbours out of order, for a monotone function (`order`).
"""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.bridge._contexts import CONTEXTS
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.ieee32._functions import UNARY
from torchlean_jax.domains.ieee32._functions._coefficients import ERRORS
from torchlean_jax.domains.ieee32._functions._convert import bits_of, two_to, widen

CHUNK = 2**18  # its arrays stay in a cache: twice as fast as 2**22
_ALL = 2**32
_INCREASING = frozenset(
    "exp exp2 expm1 log log1p log2 tanh logistic erf sqrt cbrt asin atan sinh asinh "
    "acosh atanh".split()
)
_DECREASING = frozenset("rsqrt erfc acos".split())

OPERATIONS: dict[str, Callable] = {
    name: getattr(lax, name) for name in sorted(UNARY) if hasattr(lax, name)
}


def measure(
    name: str,
    *,
    stride: int = 1,
    start: dict | None = None,
    jobs: int = 1,
    function: Callable | None = None,
) -> Iterator[dict]:
    """Records of how far `jax.lax.<name>` is from the exact function.

    Each covers more chunks of inputs than the one before; the last is `complete`.

    stride: every how many bit patterns one is tried. start: a record of an earlier
    call, to go on from. jobs: chunks measured at the same time. function: what to
    measure in place of `jax.lax.<name>`.

    Raises InputError for a name without a reference, or a record of other inputs.
    """
    if name not in UNARY or (function is None and name not in OPERATIONS):
        known = ", ".join(OPERATIONS)
        raise InputError(f"no bridge for {name!r}; there is one for {known}")
    if stride < 1 or jobs < 1:
        raise InputError(f"stride ({stride}) and jobs ({jobs}) must be positive")
    record = start or _nothing(stride)
    if record["stride"] != stride:
        raise InputError(
            f"the record to go on from tried every {record['stride']}th input, not "
            f"every {stride}th"
        )
    inputs = -(-_ALL // stride)
    chunks = chunks_at(stride)
    if record["inputs"] != min(record["chunks"] * CHUNK, inputs):
        raise InputError(
            f"the record to go on from has {record['inputs']} inputs in "
            f"{record['chunks']} chunks, which are not chunks of {CHUNK}"
        )
    runs = _compiled(name, function)
    with ThreadPoolExecutor(jobs) as pool:
        while record["chunks"] < chunks:
            many = range(record["chunks"], min(record["chunks"] + jobs, chunks))
            one = functools.partial(_chunk, name, runs, stride, inputs)
            for found in pool.map(one, many):
                record = _merged(record, found)
            record["complete"] = record["chunks"] == chunks
            yield record


def chunks_at(stride: int) -> int:
    """How many chunks of inputs there are."""
    inputs = -(-_ALL // stride)
    return -(-inputs // CHUNK)


def _nothing(stride) -> dict:
    empty = {
        "ulps": 0.0,
        "worst_input": None,
        "worst_result": None,
        "special": 0,
        "special_input": None,
        "tiny": 0,
        "subnormal_inputs": 0,
        "order": 0,
        "order_input": None,
    }
    return {
        "stride": stride,
        "chunks": 0,
        "inputs": 0,
        "complete": False,
        "contexts": {
            context: {"every": stride * how.every, **empty}
            for context, how in CONTEXTS.items()
        },
    }


def _compiled(name, function):
    f = OPERATIONS[name] if function is None else function
    return {context: how.compiled(f) for context, how in CONTEXTS.items()}


def _chunk(name, runs, stride, inputs, k) -> dict:
    numbers = np.arange(k * CHUNK, min((k + 1) * CHUNK, inputs), dtype=np.uint64)
    bits = (numbers * stride).astype(np.uint32)
    with jax.enable_x64(True):
        reference = _reference_with_zeros(name, jnp.asarray(bits))
    contexts, judged = {}, []
    for context, run in runs.items():
        every = CONTEXTS[context].every
        tried = bits[::every]
        y = np.asarray(run(jnp.asarray(tried.view(np.float32)))).view(np.uint32)
        # Most contexts give the same bits: they are compared with the reference once.
        found = next((was for of, was in judged if np.array_equal(of, y)), None)
        if found is None:
            with jax.enable_x64(True):
                thinned = [part[::every] if every > 1 else part for part in reference]
                on_device = _compare(name, jnp.asarray(tried), jnp.asarray(y), *thinned)
            found = {key: np.asarray(v).item() for key, v in on_device.items()}
            judged.append((y, found))
        contexts[context] = found
    return {"inputs": len(bits), "contexts": contexts}


@functools.partial(jax.jit, static_argnums=0)
def _reference_with_zeros(name, bits):
    """The exact function, a bound of the reference's error, and the exact function of
    the zero with the input's sign."""
    zeros, _ = _reference(name, jnp.array([0, 0x80000000], jnp.uint32))
    return *_reference(name, bits), jnp.where(bits >> 31 == 0, zeros[0], zeros[1])


@functools.partial(jax.jit, static_argnums=0)
def _compare(name, bits, y, exact, error, as_zero) -> dict[str, Any]:
    """What one chunk shows: maxima with the places where they are, and counts."""
    value = widen(y)
    exponent = ((bits_of(jnp.abs(exact)) >> 52) - 1023).astype(jnp.float64)
    ulp = two_to(jnp.clip(exponent, -126.0, 127.0) - 23)
    size = jnp.abs(exact)
    subnormal_input = _is_subnormal(bits)
    tiny = size < 2.0**-125
    # An infinity stands for 2**128, unless the exact result lies there as well.
    end = jnp.copysign(2.0**128, value)
    beyond = jnp.isinf(value) & (size >= 2.0**128) & (value * exact > 0)
    counted_as = jnp.where(beyond, exact, jnp.where(jnp.isinf(value), end, value))
    special = jnp.isnan(exact) != jnp.isnan(value)
    special |= jnp.isinf(value) & ((size < 2.0**127) | (value * exact < 0))
    special |= jnp.isinf(exact) & ~jnp.isinf(value)
    counted = ~jnp.isnan(value) & jnp.isfinite(exact) & ~subnormal_input & ~tiny
    counted &= ~special
    ulps = (jnp.abs(counted_as - exact) + jnp.where(beyond, 0.0, error)) / ulp
    # the value behind our square root is rounded to binary32 already
    ulps = ulps + (0.5 if name == "sqrt" else 0.0)
    ulps = jnp.where(counted, ulps, 0.0)
    worst = jnp.argmax(ulps)
    off_tiny = tiny & (jnp.abs(value) > 2.0**-125)
    off_tiny |= tiny & (value * exact < 0)
    read_as_zero = (value == as_zero) | (jnp.isnan(value) & jnp.isnan(as_zero))
    good = (jnp.abs(value - exact) <= 128 * ulp) | read_as_zero | (value == exact)
    special &= ~subnormal_input
    found = {
        "ulps": ulps[worst],
        "worst_input": bits[worst],
        "worst_result": y[worst],
        "special": special.sum(),
        "special_input": bits[jnp.argmax(special)],
        "tiny": (off_tiny & ~subnormal_input).sum(),
        "subnormal_inputs": (subnormal_input & ~good).sum(),
        "order": 0,
        "order_input": 0,
    }
    if name in _INCREASING | _DECREASING:
        order = _out_of_order(name, bits, value)
        found |= {"order": order.sum(), "order_input": bits[jnp.argmax(order)]}
    return found


def _reference(name, bits):
    """(float64 value of the exact function, a bound of its error)."""
    function = UNARY[name]
    size = bits & np.uint32(0x7FFFFFFF)
    if function.symmetry == "none":
        value = function.values(widen(bits))
    else:
        value = function.values(widen(size))
    if function.fixes_tiny:
        own = widen(bits if function.symmetry == "none" else size)
        value = jnp.where(size < np.uint32(0x00800000), own, value)
    if function.symmetry == "odd":
        value = jnp.where(bits >= np.uint32(0x80000000), -value, value)
    value = jnp.where(size > np.uint32(0x7F800000), jnp.nan, value)
    return value, jnp.abs(value) * (ERRORS[name] * 2.0**-53)


def _is_subnormal(bits):
    size = bits & np.uint32(0x7FFFFFFF)
    return (size > 0) & (size < np.uint32(0x00800000))


def _out_of_order(name, bits, value):
    """Where the result of the next pattern is on the wrong side; patterns of negative
    numbers grow downwards."""
    step = value[1:] - value[:-1]
    step = jnp.where(bits[1:] >= np.uint32(0x80000000), -step, step)
    step = step if name in _INCREASING else -step
    same_side = (bits[1:] >> 31) == (bits[:-1] >> 31)
    ordinary = ~_is_subnormal(bits[1:]) & ~_is_subnormal(bits[:-1])
    return jnp.append(same_side & ordinary & (step < 0), False)


def _merged(record, found) -> dict:
    contexts = {}
    for context, old in record["contexts"].items():
        new, merged = found["contexts"][context], dict(old)
        if new["ulps"] > old["ulps"]:
            for key in ("ulps", "worst_input", "worst_result"):
                merged[key] = new[key]
        for key in ("special", "order"):
            if new[key] and not old[key]:
                merged[f"{key}_input"] = new[f"{key}_input"]
        for key in ("special", "tiny", "subnormal_inputs", "order"):
            merged[key] = old[key] + new[key]
        contexts[context] = merged
    return {
        **record,
        "chunks": record["chunks"] + 1,
        "inputs": record["inputs"] + found["inputs"],
        "contexts": contexts,
    }
