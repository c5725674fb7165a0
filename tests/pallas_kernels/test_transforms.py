"""The kernels behind the public functions, under `jit`, `vmap` and reverse mode.

What runs are the Pallas kernels, interpreted, through the rules of `fused_kernel` and
of each `custom_vjp`. Beside them stand the formula on one example at a time, without
`vmap`, and JAX's own derivative of it, without any `custom_vjp`.
"""

import functools
import re

import jax
import numpy as np
import pytest

import torchlean_jax as tl
from tests.pallas_kernels.cases import CASES, EXAMPLES, both, cotangents
from tests.pallas_kernels.on_a_cpu import kernels_run
from torchlean_jax import pallas_kernels as kernels
from torchlean_jax.contracts import contracts
from torchlean_jax.interpreters._kernel_call import unrolled
from torchlean_jax.pallas_kernels import _tiles
from torchlean_jax.pallas_kernels._blocks import Blocks, using

# Two tiles of rows, or of sums, in arrays as small as these.
SMALL = Blocks(sums=16, depth=16)
FEW_ELEMENTS = 16


def test_every_public_function_has_a_case_and_a_contract():
    """The contracts are what the command line lists and the docs have tables of."""
    assert set(CASES) == set(kernels.__all__)
    ours = {each.terms.op for each in contracts() if not each.name.startswith("xla_")}
    assert ours == {getattr(kernels, name) for name in kernels.__all__}


def test_a_kernel_that_a_verdict_names_has_a_contract():
    """Or its own backward kernels, which the same contract is about."""
    called = set().union(*(case.kernels for case in CASES.values()))
    forward = {re.sub("(_bias)?_backward$", "", name) for name in called}
    assert forward == set(kernels.__all__) <= {each.name for each in contracts()}


@pytest.mark.parametrize("name", CASES)
def test_a_kernel_that_is_asked_for_without_a_gpu_is_an_error(name):
    call = functools.partial(CASES[name].call, implementation="pallas")
    says = f"{name} was asked for.*take 'auto' or 'reference', or run on a GPU"
    with pytest.raises(tl.InputError, match=says):
        call(*CASES[name].one(0))


@functools.cache
def expected(name):
    """The formula and its derivative, one example after the other."""
    case = CASES[name]
    formula = functools.partial(case.call, implementation="reference")
    # inlined, so that no rule for its derivative is left
    run = jax.jit(both(unrolled(formula)))
    dy = cotangents(case)
    each = [
        run(jax.tree.map(lambda a, n=n: a[n], dy), *case.one(n))
        for n in range(EXAMPLES)
    ]
    return jax.tree.map(lambda *parts: np.stack(parts), *each)


def found(name, monkeypatch, **options):
    """Results and cotangents of the kernels, and which they were."""
    monkeypatch.setattr(_tiles, "FEW_ELEMENTS", FEW_ELEMENTS)
    case = CASES[name]
    with using(SMALL), kernels_run(**options) as names:
        mapped = jax.vmap(both(case.call), (0, *case.axes))
        results = jax.jit(mapped)(cotangents(case), *case.arguments)
    return results, names


def differs(found, expected) -> list[str]:
    """Where they are more than a thousandth of the largest number apart. That is no
    bound of rounding, which is another clause's, but far above it and far below what
    another axis, example or operand makes of numbers that are all about 1."""
    pairs = zip(
        jax.tree.leaves_with_path(found), jax.tree.leaves(expected), strict=True
    )
    wrong = []
    for (path, a), b in pairs:
        assert a.shape == b.shape
        assert np.abs(b).max() > 0.01, "nothing to compare with"
        if not (np.abs(a - b) <= 1e-3 * np.abs(b).max()).all():
            wrong.append(jax.tree_util.keystr(path))
    return wrong


@pytest.mark.parametrize("name", CASES)
def test_kernels_under_vmap_jit_and_in_reverse_mode(name, monkeypatch):
    results, names = found(name, monkeypatch)
    assert names == CASES[name].kernels
    assert differs(results, expected(name)) == []


def _examples_mixed_up(name, kernel):
    """Results of one example are given to the other."""
    return lambda *args: jax.tree.map(lambda y: y[::-1], kernel(*args))


def _a_wrong_gradient(name, kernel):
    """The last result of the backward kernel is a hundredth too large."""

    def wrong(*args):
        *others, last = jax.tree.leaves(kernel(*args))
        return [*others, last * 1.01]

    return wrong if name.endswith("_backward") else kernel


def _backward_as_forward(name, kernel):
    """The cotangent comes back as it is."""
    return (lambda dy, positions: [dy]) if name.endswith("_backward") else kernel


@pytest.mark.parametrize(
    ("name", "fault", "wrong"),
    [
        ("rms_norm", _examples_mixed_up, ["[0]", "[1][0]", "[1][1]"]),
        ("layer_norm", _a_wrong_gradient, ["[1][2]"]),
        ("rope", _backward_as_forward, ["[1][0]"]),
    ],
)
def test_a_fault_between_the_function_and_its_kernel(name, fault, wrong, monkeypatch):
    results, _ = found(name, monkeypatch, change=fault)
    assert differs(results, expected(name)) == wrong
