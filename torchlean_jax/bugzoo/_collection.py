"""All cards, found by walking the folder `_cards`: one file there is one card."""

import difflib
import functools
import importlib
import pkgutil

from torchlean_jax.bugzoo import _cards
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.domains._errors import InputError


@functools.cache
def cards() -> tuple[Card, ...]:
    """Every card, by family and name.

    >>> from torchlean_jax import bugzoo
    >>> bugzoo.card("causal-mask-off-by-one").check
    'tl.depends'
    """
    names = sorted(m.name for m in pkgutil.iter_modules(_cards.__path__))
    modules = (importlib.import_module(f"{_cards.__name__}.{name}") for name in names)
    return tuple(sorted((m.CARD for m in modules), key=lambda c: (c.family, c.name)))


def card(name: str) -> Card:
    """The card of that name; where there is none, an InputError lists the near ones."""
    known = {each.name: each for each in cards()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)
    raise InputError(f"no card is called {name!r}; there are: {', '.join(near)}")
