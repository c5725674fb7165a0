"""Each card of the Bug Zoo proves both halves: the faulty program is caught, the fixed
one passes."""

import pytest

from torchlean_jax import bugzoo


@pytest.mark.parametrize("name", [card.name for card in bugzoo.cards()])
def test_the_faulty_program_is_caught_and_the_fixed_one_passes(name):
    result = bugzoo.card(name).run()
    assert result.ran, f"needs {result.card.missing()}"
    assert not result.faulty.passed, result.faulty.witness
    assert result.fixed.passed, result.fixed.witness
    assert result.faulty.witness != result.fixed.witness
