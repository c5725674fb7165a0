"""Every example that is shown runs: in docstrings, and in the README."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import torchlean_check
import torchlean_jax

README = Path(__file__).parent.parent / "README.md"


def modules():
    for package in (torchlean_jax, torchlean_check):
        yield package.__name__
        found = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
        yield from (m.name for m in found if not m.name.endswith("__main__"))


def failures(module):
    return doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed


@pytest.mark.parametrize("name", list(modules()))
def test_the_examples_in_docstrings_hold(name):
    assert failures(importlib.import_module(name)) == 0


def test_a_wrong_example_is_noticed(monkeypatch):
    module = importlib.import_module("torchlean_jax.domains._registry")
    monkeypatch.setattr(module.RuleTable, "__doc__", ">>> 1 + 1\n3\n")
    assert failures(module) == 1


def python_blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.smoke
def test_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = python_blocks(README.read_text())
    assert blocks
    names = {}
    for block in blocks:
        exec(block, names)
    assert names["verdict"].status == "proved"
    assert torchlean_check.check(tmp_path / "score.tlc").accepted
