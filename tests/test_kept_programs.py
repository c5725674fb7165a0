"""Lowered programs on disk: found again, and only where they can be trusted."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import _kept_programs

X = np.arange(6.0, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(_kept_programs, "_LEAST", 0.0)
    kept = tmp_path / "kept"
    _kept_programs.keep_in(kept)
    yield kept
    _kept_programs.keep_in(None)


def asked(name="a model", x=X, by=2.0):
    """(what a new process gets of the program of that name, whether it traced it)."""
    traced = []

    def program(pair, x):
        traced.append(1)
        return [pair[0] * by, jnp.dot(x, pair[1], precision="highest")]

    found = _kept_programs.jit(program, lambda: name)((np.float32(3), np.ones(3)), x)
    return [np.asarray(y).tolist() for y in found], bool(traced)


EXPECTED = [6.0, [3.0, 12.0]]


def test_the_next_process_begins_with_the_lowered_program(folder):
    assert asked() == (EXPECTED, True)
    assert asked() == (EXPECTED, False)
    # other arguments of those shapes are arguments, not part of it
    assert asked(x=X + 1) == ([6.0, [6.0, 15.0]], False)


def test_what_made_a_program_is_its_name(folder, monkeypatch):
    asked()
    assert asked(name="another model", by=3.0)[0][0] == 9.0
    assert asked(x=X[:1]) == ([6.0, [3.0]], True)
    with jax.enable_x64(True):
        assert asked()[1]
    monkeypatch.setattr(_kept_programs, "_sources", lambda: "of another commit")
    assert asked() == (EXPECTED, True)


def test_a_program_under_a_wrong_name_would_be_noticed(folder):
    """Were the model not in the name, this is what would be returned."""
    asked()
    assert asked(by=3.0)[0] == EXPECTED


def test_every_source_file_counts(tmp_path):
    digest = _kept_programs._sources.__wrapped__
    (tmp_path / "rules").mkdir()
    file = tmp_path / "rules" / "_sums.py"
    file.write_text("a + b")
    before = digest(tmp_path)
    file.write_text("a - b")
    changed = digest(tmp_path)
    file.rename(tmp_path / "rules" / "_products.py")
    assert len({before, changed, digest(tmp_path)}) == 3


def test_a_damaged_file_is_not_used(folder):
    asked()
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for damaged in (whole[:-9], b"", whole[:100] + b"?" + whole[101:]):
        file.write_bytes(damaged)
        assert asked() == (EXPECTED, True)
        assert asked() == (EXPECTED, False)  # it was written anew


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_what_others_may_write_is_not_read(folder):
    asked()
    (file,) = folder.iterdir()
    for path, usual in ((file, 0o644), (folder, 0o700)):
        path.chmod(usual | 0o022)
        assert asked() == (EXPECTED, True)
        path.chmod(usual)
    assert asked() == (EXPECTED, False)


def test_nothing_is_kept_unless_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(_kept_programs, "_LEAST", 0.0)
    assert not _kept_programs._folders
    assert asked() == (EXPECTED, True) and asked()[1]


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(_kept_programs, "_LEAST", 0.0)
    monkeypatch.setattr(_kept_programs, "_folders", [tmp_path / "file" / "kept"])
    assert asked() == (EXPECTED, True)
