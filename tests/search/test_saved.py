"""A search goes on from its file: the same parts, the same answer, and no part lost.

The oracles are the search that nobody stopped, and the checker of certificates.
"""

import errno
import os
import signal

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search import test_cells
from tests.search.test_branch import Halving, volume
from torchlean_jax.search import Branching, Saved, Search, _saved

BOX = tl.box([-1.0, -1.0], [1.0, 1.0])
POSITIVE = tl.spec.linear([1.0])


def least(x):
    """At least 0.05, and -1.7 by intervals on the whole box."""
    return x[:1] ** 4 - x[:1] ** 2 + 0.3 + 0.1 * x[1:] ** 2


def pieces(most):
    return Branching(batch=4, most_parts=most)


def ask(path, most=None, **options):
    given = {"split": pieces(most), "attack": False, "method": "ibp"} | options
    return tl.verify(least, BOX, POSITIVE, resume=path, **given)


@pytest.fixture(scope="module")
def whole():
    found = ask(None)
    assert found.status == "proved" and found.parts > 40
    return found


def test_pieces_of_a_search_are_the_whole_one(whole, tmp_path):
    """To the last byte of its certificate, which the checker accepts."""
    path = tmp_path / "search"
    shares = []
    for most in (0, 9, 17, 33):
        if most:
            found = ask(path, most)
            assert found.status == "unknown" and most <= found.parts < most + 4
            shares.append(found.proved_share)
    assert shares == sorted(shares) and shares[-1] < 1
    last = ask(path)
    assert (last.status, last.parts, last.margin) == (
        "proved",
        whole.parts,
        whole.margin,
    )
    assert last.certificate.bytes == whole.certificate.bytes
    assert torchlean_check.check(last.certificate.bytes).accepted
    again = ask(path)  # from a file in which nothing is open any more
    assert again.certificate.bytes == whole.certificate.bytes


@pytest.mark.parametrize("seed", range(3))
def test_every_round_may_be_the_last(seed, tmp_path):
    whole = Search(Halving(seed), Branching(batch=7))
    whole.run(lambda: False, lambda points: None)
    path, kind, status, turns = tmp_path / "search", Halving(seed), "unknown", 0
    while status == "unknown":
        search, slot = Search(kind, Branching(batch=7)), Saved(path, "p").slot("s")
        if slot.state is not None:
            search.restore(slot.state)
        once = iter([False])
        search.run(lambda once=once: next(once, True), lambda points: None)
        slot.keep(search.state())
        status, turns = search.status, turns + 1
    assert status == "proved" and turns == whole.rounds > 10
    assert list(search.tree.preorder()) == list(whole.tree.preorder())
    assert search.bound == whole.bound and search.parts == whole.parts


def test_a_search_by_phases_goes_on(tmp_path):
    """Just above the exact minimum nothing is proved before all phases are fixed."""
    layers, row = test_cells.layers_of(1), np.array([1.0, -0.5], np.float32)
    exact = [(w, np.float32(b)) for w, b in layers]
    spec = tl.spec.linear(row, test_cells.least_of(exact, row) + 1e-3)

    def by_phases(path, most):
        split = Branching(cut="phases", batch=1, most_parts=most)
        return test_cells.decided(layers, spec, split=split, resume=path)

    whole, path = by_phases(None, 12), tmp_path / "search"
    for most in (2, 5, 12):
        found = by_phases(path, most)
        assert (found.status, found.parts) == ("unknown", most)
    assert found.margin == whole.margin and whole.parts == 12


CHANGES = {
    "spec": lambda path: tl.verify(
        least, BOX, tl.spec.linear([1.0], 0.01), method="ibp", resume=path
    ),
    "box": lambda path: tl.verify(
        least, tl.box([-1.0, -1.0], [1.0, 2.0]), POSITIVE, method="ibp", resume=path
    ),
    "constant": lambda path: tl.verify(
        lambda x: least(x) - 2.0**-20, BOX, POSITIVE, method="ibp", resume=path
    ),
    "method": lambda path: ask(path, method="crown"),
    "semantics": lambda path: ask(path, semantics="fp32"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_file_of_another_problem_is_refused(change, tmp_path):
    path = tmp_path / "search"
    ask(path, 9)
    before = path.read_bytes()
    with pytest.raises(tl.InputError, match="belongs to another problem"):
        change(path)
    assert path.read_bytes() == before


def test_captured_weights_belong_to_the_problem(tmp_path):
    path, weights = tmp_path / "search", np.ones(1, np.float32)

    def ask_of(weights):
        model = lambda x: least(x) * jnp.asarray(weights)
        return tl.verify(
            model, BOX, POSITIVE, method="ibp", split=pieces(9), resume=path
        )

    ask_of(weights)
    ask_of(weights.copy())
    with pytest.raises(tl.InputError, match="another problem"):
        ask_of(weights * 2)


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "search"
    ask(path, 17, certificate=False)
    whole = path.read_bytes()
    damaged = [whole[:n] for n in (0, 1, 100, len(whole) // 2, len(whole) - 1)]
    for at in range(0, len(whole), 1499):
        damaged.append(whole[:at] + bytes([whole[at] ^ 64]) + whole[at + 1 :])
    refused = 0
    for blob in damaged:
        path.write_bytes(blob)
        try:
            found = ask(path, certificate=False)
        except tl.InputError as error:
            refused += 1
            assert str(path) in str(error)
        else:  # a byte that nobody reads, such as the time of a member
            assert found.status == "proved"
    assert refused > len(damaged) / 2


def kept(tmp_path):
    search = Search(Halving(), Branching(batch=7, most_parts=40))
    search.run(lambda: False, lambda points: None)
    return search.state()


def without(state, part, row):
    names = [n for n in state if n.startswith(f"{part}.")]
    return state | {n: np.delete(state[n], row, axis=0) for n in names}


LIES = {
    "an open part is missing": lambda s: without(s, "open", 0),
    "all open parts are missing": lambda s: without(s, "open", slice(None)),
    "an open part is there twice": lambda s: (
        s | {n: np.repeat(a, 2, 0) for n, a in s.items() if n.startswith("open.")}
    ),
    "a cut part is open": lambda s: s | {"open.node": s["open.node"] * 0},
    "a node of no tree": lambda s: s | {"open.node": s["open.node"] + 10**6},
    "an array is missing": lambda s: {n: a for n, a in s.items() if n != "open.lo"},
    "boxes of fewer inputs": lambda s: s | {"open.lo": s["open.lo"][:, :2]},
    "a tree with a node of its own": lambda s: (
        s | {n: np.append(a, a[:2]) for n, a in s.items() if n.startswith("tree.")}
    ),
    "a tree that bites its tail": lambda s: s | {"tree.lower": s["tree.lower"][::-1]},
    "no counts": lambda s: {n: a for n, a in s.items() if n != "counts"},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_state_that_lost_something_is_refused(lie, tmp_path):
    state = kept(tmp_path)
    search = Search(Halving(), Branching(batch=7))
    with pytest.raises(tl.FileFormatError):
        search.restore(lie(state))
    search.restore(state)  # and what was not touched is taken


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "search"
    ask(path, 9)
    before = path.read_bytes()

    def full(stream, **arrays):
        stream.write(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(tl.SearchFileError, match="No space left"):
        ask(path, 17)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["search"]
    monkeypatch.undo()
    assert ask(path).status == "proved"


def test_a_disk_that_is_full_for_a_while_costs_nothing(whole, tmp_path, monkeypatch):
    """Only a search that somebody would go on with needs its file at the end."""
    path, savez, full = tmp_path / "search", np.savez, []

    def at_times(stream, **arrays):
        full.append(len(full) % 3 > 0)
        if full[-1]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        savez(stream, **arrays)

    monkeypatch.setattr(np, "savez", at_times)
    monkeypatch.setattr(_saved, "_LEAST", 0.0)
    monkeypatch.setattr(_saved, "_SHARE", 0.0)
    found = ask(path)
    assert found.certificate.bytes == whole.certificate.bytes
    assert full.count(True) > full.count(False) > 2


def test_what_cannot_be_written_is_known_before_the_search(tmp_path):
    looked = []
    with pytest.raises(tl.SearchFileError, match="No such file"):
        ask(tmp_path / "absent" / "search", watch=looked.append)
    with pytest.raises(tl.SearchFileError, match="Is a directory"):
        ask(tmp_path, watch=looked.append)
    assert not looked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_search_that_can_go_on(number, whole, tmp_path):
    path = tmp_path / "search"
    before = signal.getsignal(number)
    found = ask(path, watch=lambda search: os.kill(os.getpid(), number))
    assert found.status == "unknown" and "interruption" in found.tried
    assert found.parts == 1 and found.proved_share < 1
    assert signal.getsignal(number) is before
    assert ask(path).certificate.bytes == whole.certificate.bytes


@pytest.fixture
def heard():
    """Ctrl-C as in a terminal: a shell's background jobs are told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_the_second_interruption_raises(whole, tmp_path):
    path = tmp_path / "search"

    def twice(search):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    ask(path, 17)
    with pytest.raises(KeyboardInterrupt):
        ask(path, watch=twice)
    assert ask(path).certificate.bytes == whole.certificate.bytes


@pytest.mark.usefixtures("heard")
def test_without_a_file_an_interruption_is_python_s():
    with pytest.raises(KeyboardInterrupt):
        ask(None, watch=lambda search: os.kill(os.getpid(), signal.SIGINT))


def test_an_interrupted_batch_is_still_open():
    """It was taken out of the queue: the rest alone would have proved everything."""
    kind = Halving()
    search, bound, calls = Search(kind, Branching(batch=7)), kind.bound, []

    def interrupted(rows):
        calls.append(len(rows["lo"]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return bound(rows)

    kind.bound = interrupted
    with pytest.raises(KeyboardInterrupt):
        search.run(lambda: False, lambda points: None)
    assert search.status == "unknown" and len(search.open) == calls[-1] > 0
    search.run(lambda: False, lambda points: None)
    assert search.status == "proved"
    assert kind.proved == volume(kind.root())
