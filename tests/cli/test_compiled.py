"""Where compiled programs are kept, and that the next process finds them."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from torchlean_jax import _kept_programs
from torchlean_jax.cli import _compiled

CACHE = "jax_compilation_cache_dir"


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({"TORCHLEAN_CACHE": "/a"}, "/a"),
        ({"TORCHLEAN_CACHE": "", "XDG_CACHE_HOME": "/b"}, None),
        ({"XDG_CACHE_HOME": "/b"}, "/b/torchlean-jax"),
        ({"HOME": "/c"}, "/c/.cache/torchlean-jax"),
    ],
)
def test_the_folder_of_compiled_programs(given, folder, monkeypatch):
    for name in ("TORCHLEAN_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    set_to = []
    monkeypatch.setattr(jax.config, "update", lambda *pair: set_to.append(pair))
    kept = []
    monkeypatch.setattr(_kept_programs, "keep_in", kept.append)
    _compiled.keep_compiled()
    assert kept == ([] if folder is None else [Path(folder)])
    assert dict(set_to).get(CACHE) == folder


def test_a_cache_that_jax_was_told_to_use_stays(monkeypatch):
    monkeypatch.setenv("TORCHLEAN_CACHE", "/a")
    jax.config.update(CACHE, "/mine")
    try:
        _compiled.keep_compiled()
        assert jax.config.values[CACHE] == "/mine"
    finally:
        jax.config.update(CACHE, None)


SCRIPT = """
import jax, jax.numpy as jnp, logging, sys
from torchlean_jax.cli._compiled import keep_compiled
import torchlean_jax.cli._compiled as own
own._LEAST = 0.0
keep_compiled()
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
assert jax.jit(lambda x: jnp.tanh(x) @ jnp.tanh(x).T)(jnp.ones((3, 3)))[0, 0] > 1
print(hits.count("/jax/compilation_cache/cache_hits") > 0)
"""


def test_the_next_process_finds_what_one_compiled(tmp_path):
    environment = {**os.environ, "TORCHLEAN_CACHE": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
            cwd=Path(__file__).parents[2],
        ).stdout
        for _ in range(2)
    ]
    assert said == ["False\n", "True\n"] and any(tmp_path.iterdir())
