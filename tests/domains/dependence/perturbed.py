"""The oracle: run the program itself, change one input element, see what changes.

Some elements of the inputs are open (each the one element of its set), the others are
known. Whatever a run shows must be in the sets, and what is called known must come out
of every run, bit for bit.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._trace import trace
from torchlean_jax.domains.dependence import Dependence, SetArray
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.interpreters._missing import require_rules

ELEMENTS = 5  # so many open elements are changed, each by itself


def is_float(x):
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


def over_sets(f, arrays, numbers, **options):
    """(the values of the outputs of `f`, the domain); `numbers` is -1 where known."""
    count = 1 + max((n.max(initial=-1) for n in numbers), default=-1)
    domain = Dependence(int(count), **options)
    traced = trace(f, arrays, {}, domain.is_value)
    inputs = [partly_known(domain, *pair) for pair in zip(arrays, numbers, strict=True)]
    require_rules(traced.jaxpr, list(map(domain.is_value, inputs)), domain, what="it")
    outputs = walk(traced.jaxpr, traced.consts, inputs, domain)
    return [domain.lift(y) for y in outputs], domain


def partly_known(domain, array, numbers):
    """The element of number n open, as the set of n; those of number -1 known."""
    if (numbers < 0).all():
        return array
    array = np.asarray(array)
    known = numbers < 0
    value = domain.inputs(np.maximum(numbers, 0), array.dtype)
    return SetArray(
        np.where(known[..., None], np.uint32(0), value.words),
        known,
        np.where(known, array, np.zeros_like(array)),
        domain.is_mask(array) & known,
        value.dtype,
    )


def opened(rng, arrays, share=0.4):
    """Numbers for a random part of the elements, -1 for the others."""
    numbers, start = [], itertools.count()
    for array in arrays:
        is_open = np.asarray(rng.random(np.shape(array)) < share)
        if not is_open.any() and is_open.size:
            is_open.flat[rng.integers(is_open.size)] = True
        flat = [next(start) if o else -1 for o in is_open.flat]
        numbers.append(np.array(flat, int).reshape(np.shape(array)))
    return numbers


def outputs_of(f, arrays):
    return [np.asarray(y) for y in jax.tree.leaves(f(*map(jnp.asarray, arrays)))]


def bits_differ(a, b):
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        return a != b
    both_nan = (a != a) & (b != b)
    word = np.dtype(f"u{a.dtype.itemsize}")
    if np.iscomplexobj(a):
        return (a != b) & ~both_nan
    return (a.view(word) != b.view(word)) & ~both_nan


def numbers_differ(a, b):
    """As numbers: 0 and -0 are one, as they are where infinities are ruled out."""
    both_nan = (a != a) & (b != b) if jnp.issubdtype(a.dtype, jnp.inexact) else False
    return (a != b) & ~both_nan


def violations(f, arrays, others, rng, share=0.4, **options):
    """What runs at the numbers of `arrays` and `others` show and the sets do not."""
    numbers = opened(rng, arrays, share)
    values, domain = over_sets(f, arrays, numbers, **options)
    differ = numbers_differ if domain.finite else bits_differ
    found, mixed = [], []
    for array, other, number in zip(arrays, others, numbers, strict=True):
        mixed.append(np.where(number < 0, array, other).astype(np.asarray(array).dtype))
    for start in (list(map(np.asarray, arrays)), mixed):
        expected = outputs_of(f, start)
        if domain.finite and not all_finite(expected):
            continue
        found += wrong_facts(values, expected, differ)
        found += missed(f, start, mixed, numbers, values, expected, rng, differ, domain)
    return found


def all_finite(outputs):
    return all(np.isfinite(y).all() for y in outputs if is_float(y))


def wrong_facts(values, expected, differ):
    return [
        f"output {n} is known to be {v.value[v.known]} and is {y[v.known]}"
        for n, (v, y) in enumerate(zip(values, expected, strict=True))
        if (differ(np.asarray(v.value, y.dtype), y) & v.known).any()
    ]


def missed(f, start, others, numbers, values, expected, rng, differ, domain):
    """Dependences that a change of one element shows and its set does not hold."""
    found = []
    count = 1 + max(n.max(initial=-1) for n in numbers)
    for number in rng.permutation(count)[:ELEMENTS]:
        changed = [
            np.where(n == number, np.where(o == a, changed_a(a), o), a).astype(a.dtype)
            for a, o, n in zip(start, others, numbers, strict=True)
        ]
        got = outputs_of(f, changed)
        if domain.finite and not all_finite(got):
            continue
        for n, (value, a, b) in enumerate(zip(values, expected, got, strict=True)):
            holds = value.contains()[..., number]
            if (differ(a, b) & ~holds).any():
                found.append(f"output {n} depends on element {number}")
    return found


def changed_a(a):
    if a.dtype == bool:
        return ~a
    return a + np.ones((), a.dtype) if is_float(a) else a
