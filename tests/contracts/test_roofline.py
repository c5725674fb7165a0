"""The least that kernels move and do, beside counts by XLA and by hand."""

import jax
import jax.numpy as jnp
import pytest

from torchlean_jax.contracts import _roofline, contract, contracts
from torchlean_jax.contracts._roofline import CARDS, Card, Work, work
from torchlean_jax.pallas_kernels.attention._shapes import Shape

A100, H100 = CARDS
KERNELS = [each.terms for each in contracts() if each.terms.typical is not None]
PROGRAMS = [(terms, program) for terms in KERNELS for program in terms.programs]


def test_every_program_has_a_count_and_every_count_a_program():
    found = {_roofline.formula_of(program.name) for _, program in PROGRAMS}
    assert found == set(_roofline.OPERATIONS)
    assert {terms.name for terms in KERNELS} == {
        each.name for each in contracts() if not each.name.startswith("xla_")
    }


# XLA's count of a scan is that of one step, and it counts pairs that are not allowed.
AT = {
    "selective_scan": (1, 1, 8, 4, True),
    "attention": Shape(1, 32, 32, 2, 1, 16),
}
# XLA counts conversions, masks and selections as well, which are a few an element;
# where rows are moved and hardly anything is added, they are most of it.
MOVES = {"scatter_add", "gather_rows"}


@pytest.mark.parametrize(
    ("terms", "program"), PROGRAMS, ids=[program.name for _, program in PROGRAMS]
)
def test_xla_does_not_get_by_with_less(terms, program):
    name, _ = _roofline.formula_of(program.name)
    shape = AT.get(name, terms.typical)
    counted = work(terms, program, shape=shape, dtype="float32")

    def arguments():
        return tuple(program.arguments(jax.random.key(0), shape, jnp.dtype("float32")))

    args = jax.eval_shape(arguments)
    cost = jax.jit(program.formula).lower(*args).cost_analysis()
    by_xla = cost["flops"] + cost.get("transcendentals", 0)
    # a sum of n numbers counts as n additions there, as n - 1 by XLA
    assert 0.999 * counted.operations <= by_xla
    if name not in MOVES:
        assert by_xla <= 5 * counted.operations


def test_bytes_and_times_of_rms_norm_by_hand():
    """8192 x 4096 in bfloat16 in and out, and a weight: 134 MB."""
    terms = contract("rms_norm").terms
    found = work(terms, terms.programs[0])
    assert found.bytes == 2 * (2 * 8192 * 4096 + 4096)
    assert found.operations == 4 * 8192 * 4096
    assert found.seconds(A100) == pytest.approx(found.bytes / 1.555e12)
    assert {found.bound(card) for card in CARDS} == {"memory"}


def test_attention_by_hand():
    """Batch 4, 32 heads, 4096 x 4096, head_dim 128, causal, 8 heads of keys."""
    terms = contract("attention").terms
    found = work(terms, terms.programs[0])
    pairs = 4 * 32 * sum(range(1, 4097))
    assert found.operations == 4 * 128 * pairs
    assert found.seconds(H100) == found.operations / 989e12
    assert found.bound(H100) == "arithmetic"


def test_products_of_float32_are_done_outside_of_matrix_units():
    terms = contract("linear").terms
    narrow, wide = (work(terms, terms.programs[0], dtype=d) for d in ("bfloat16", None))
    assert narrow == wide  # the narrow one is what is shown
    wide = work(terms, terms.programs[0], dtype="float32")
    assert wide.seconds(A100) == pytest.approx(narrow.seconds(A100) * 312 / 19.5)


@pytest.mark.parametrize(
    ("count", "seconds", "bound"),
    [
        (Work(10, 1.0, False, "float32"), 5.0, "memory"),
        (Work(2, 9.0, False, "float32"), 3.0, "arithmetic"),
    ],
)
def test_the_slower_of_both_decides(count, seconds, bound):
    card = Card("a card", bandwidth=2.0, vector=3.0, matrix=100.0)
    assert (count.seconds(card), count.bound(card)) == (seconds, bound)
