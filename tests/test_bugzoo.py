"""Each card of the Bug Zoo proves both halves: the faulty program is caught, the fixed
one passes."""

import pytest

from torchlean_jax import bugzoo

# what lives in a library is also asked of the newest release of JAX
NAMES = [
    pytest.param(card.name, marks=[pytest.mark.smoke] if card.library else [])
    for card in bugzoo.cards()
]


@pytest.mark.parametrize("name", NAMES)
def test_the_faulty_program_is_caught_and_the_fixed_one_passes(name):
    result = bugzoo.card(name).run()
    assert result.ran, f"needs {result.card.missing()}"
    assert not result.faulty.passed, result.faulty.witness
    assert result.fixed.passed, result.fixed.witness
    assert result.faulty.witness != result.fixed.witness
    if "parts at" in result.faulty.witness:  # by the lines of the card, not by ours
        assert f"{name.replace('-', '_')}.py:" in result.faulty.witness


@pytest.mark.parametrize("card", bugzoo.cards(), ids=lambda card: card.name)
def test_the_sources_show_what_is_run(card):
    """Both programs are written in the file of the card, under the names that the page
    shows, and they differ."""
    assert card.faulty.__module__ == card.fixed.__module__ == card.examine.__module__
    assert card.examine.__module__.endswith("." + card.name.replace("-", "_"))
    programs = bugzoo.source(card, "faulty"), bugzoo.source(card, "fixed")
    assert all("CARD" not in program for program in programs)
    assert not all(same for same, *_ in bugzoo.side_by_side(*programs))
