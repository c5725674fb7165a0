"""Arrays by name: what the leaves of a pytree are called, and how two sets differ."""

from typing import Any

import jax

from torchlean_jax.domains._errors import InputError


def named(tree: Any) -> dict[str, Any]:
    """The leaves of a pytree by their paths, keys joined by dots.

    Raises InputError if two leaves have one name.

    >>> named({"layers": [{"kernel": 1}, {"kernel": 2}]})
    {'layers.0.kernel': 1, 'layers.1.kernel': 2}
    """
    leaves: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if name in leaves:  # {"a.b": x, "a": {"b": y}}
            raise InputError(f"two arrays of the pytree are called {name!r}")
        leaves[name] = leaf
    return leaves


def differences(given: dict[str, Any], needed: dict[str, Any]) -> list[str]:
    """A line for every name that is missing, unknown or of another shape or dtype."""
    problems = [f"{name}: missing" for name in sorted(needed.keys() - given.keys())]
    problems += [f"{name}: unknown" for name in sorted(given.keys() - needed.keys())]
    for name in sorted(needed.keys() & given.keys()):
        have, want = (f"{x.dtype}{list(x.shape)}" for x in (given[name], needed[name]))
        if have != want:
            problems.append(f"{name}: {have}, needed {want}")
    return problems


def require_none(problems: list[str], *, said: str) -> None:
    """InputError that says so and lists the problems, if there are any."""
    if problems:
        raise InputError("\n  ".join([f"{said}:", *problems]))
