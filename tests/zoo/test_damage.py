"""What a training meets from outside: damaged checkpoints, a kill, wrong files.

An interruption that Python sees is in `test_training`.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.zoo import toy
from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import _text
from torchlean_jax.zoo._images import images
from torchlean_jax.zoo.operators import _data

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    trained = zoo.train(toy.entry(), out=folder)
    return folder, trained.variables


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# orbax closes its event loop while other arrays are still being read
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_damaged_arrays_are_refused_or_whole(damage, kept, tmp_path):
    """Whichever file of the arrays is damaged: an error that says so, or what was
    saved (some of the files are of no use to who reads)."""
    folder, variables = kept
    state = Path("checkpoints", "40", "state")
    files = [p.relative_to(folder) for p in (folder / state).rglob("*") if p.is_file()]
    refused = 0
    for number, file in enumerate(files):
        copy = tmp_path / str(number)
        shutil.copytree(folder, copy)
        if not (copy / file).stat().st_size:
            continue
        damage(copy / file)
        try:
            found = zoo.load_trained(toy.entry(), copy).variables
        except zoo.CheckpointError as error:
            assert "damaged" in str(error) and str(copy) in str(error)
            refused += 1
        else:
            np.testing.assert_array_equal(found.params["w"], variables.params["w"])
    assert refused >= 2
    time.sleep(0.5)  # until these have been read


def test_numbers_that_were_changed_are_found(kept, tmp_path, monkeypatch):
    """A whole checkpoint, of other numbers than were noted."""
    noted = zoo._checkpoints._digest
    monkeypatch.setattr(zoo._checkpoints, "_digest", lambda x: noted(np.asarray(x) + 1))
    zoo.train(toy.entry(), out=tmp_path)
    monkeypatch.undo()
    with pytest.raises(zoo.CheckpointError, match=r"damaged.*not what was saved"):
        zoo.load_trained(toy.entry(), tmp_path)


KILLED = """
import os, signal, sys
from tests.zoo import toy
from torchlean_jax import zoo
from torchlean_jax.zoo import _loop

def kill(event, args):
    if event == "os.rename" and str(args[1]).endswith("checkpoints/30"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
_loop.SAVE_SECONDS = 0.0
zoo.train(toy.entry(), out=sys.argv[1])
"""


def test_a_training_that_is_killed_while_it_saves_goes_on_bit_by_bit(kept, tmp_path):
    _, whole = kept
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert "20" in names and "30" not in names and len(names) > 2  # the half of 30
    assert zoo.load_trained(toy.entry(), tmp_path).step == 20
    resumed = zoo.train(toy.entry(), out=tmp_path, resume=True).variables
    for name, array in whole.params.items():
        assert resumed.params[name].tobytes() == array.tobytes()
    assert resumed.state["count"] == 40


@pytest.mark.parametrize("wrong", [[3, 256], [-1, 3], [0.5], [[1, 2]]])
def test_tokens_that_are_no_bytes_are_refused(wrong, tmp_path):
    good = np.tile(np.arange(256), 10)
    np.save(tmp_path / "own.npy", good)
    found = _text.text(str(tmp_path / "own.npy"), 8)
    np.testing.assert_array_equal(np.concatenate([found.train, found.held_out]), good)
    np.save(tmp_path / "own.npy", np.array(wrong))
    with pytest.raises(InputError, match=r"own\.npy"):
        _text.text(str(tmp_path / "own.npy"), 8)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no numbers"])
def test_files_that_are_none_are_named(content, tmp_path):
    path = tmp_path / "own.npy"
    path.write_bytes(content)
    readers = (
        images,
        lambda path: _text.text(path, 8),
        lambda path: _data.read(path, 4, 1),
    )
    for read in readers:
        with pytest.raises(InputError, match=r"own\.npy"):
            read(str(path))
        with pytest.raises(InputError, match=r"absent\.npy"):
            read(str(path.with_name("absent.npy")))
