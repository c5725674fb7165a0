"""What is shown while many cases are decided: lines, or a bar for who looks at it."""

import io

import pytest

from torchlean_jax.cli import _cases
from torchlean_jax.contracts import Question

FIRST = Question("rms_norm", "rounding", "rms_norm", "ragged", "float32")
SECOND = Question("rms_norm", "memory", "rms_norm", "ragged", "float32")


def test_a_line_for_each_case_that_ends(capsys):
    with _cases.shown(2) as show:
        show.begun(FIRST)
        show.decided(FIRST.answered("pass", "a bound", 1.25))
        show.begun(SECOND)
        show.decided(SECOND.answered("fail", "a race", 0.0))
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.splitlines() == [
        "[1/2] pass     rounding of rms_norm ragged float32 (1.2 s)",
        "[2/2] fail     memory of rms_norm ragged float32 (0.0 s): a race",
    ]


def test_after_a_silence_a_line_for_what_is_running(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(_cases.time, "perf_counter", lambda: now[0])
    with _cases.shown(2) as show:
        show.begun(FIRST)
        for now[0] in (119.0, 121.0, 122.0):
            show.quiet()
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "[0/2] at rounding of rms_norm ragged float32 (21 s)"


def test_on_a_terminal_a_bar_and_what_did_not_pass(monkeypatch):
    console = pytest.importorskip("rich.console")
    seen = io.StringIO()
    here = console.Console(file=seen, force_terminal=True, width=120)
    monkeypatch.setattr(_cases, "is_watched", lambda: True)
    monkeypatch.setattr(console, "Console", lambda **_: here)
    with _cases.shown(2) as show:
        show.begun(FIRST)
        show.decided(FIRST.answered("pass", "a bound", 1.25))
        show.begun(SECOND)
        show.progress.refresh()
        show.decided(SECOND.answered("fail", "[1] is raced", 0.0))
    text = seen.getvalue()
    assert "1/2" in text and "memory of rms_norm ragged float32" in text
    assert "(0.0 s): [1] is raced" in text
    assert "a bound" not in text
