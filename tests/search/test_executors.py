"""Whoever bounds the parts, they are the same, and a death costs nothing but time.

The oracle is the search that one process makes alone.
"""

import functools
import os
import signal
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.search import Branching, Processes, Ray, Search
from torchlean_jax.search._branch import Bounded
from torchlean_jax.search._executors import Spread, dealt_out, joined, pickled
from torchlean_jax.search._tree import Splits

POSITIVE = tl.spec.linear([1.0])
BOX = tl.box([-1.0, -1.0], [1.0, 1.0])


def least(x):
    """At least 0.05, and -1.7 by intervals on the whole box."""
    return x[:1] ** 4 - x[:1] ** 2 + 0.3 + 0.1 * x[1:] ** 2


def ask(**options):
    return tl.verify(least, BOX, POSITIVE, method="ibp", attack=False, **options)


class Thirds:
    """Intervals that are proved once they are short; a kind that needs no JAX.

    fatal: a file; whoever bounds the part around 1/3 while it is absent makes it and
    dies. always: dies whether the file is there or not.
    """

    def __init__(self, fatal=None, always=False):
        self.fatal, self.always, self.here = fatal, always, os.getpid()

    def root(self):
        return {"lo": np.zeros(1), "hi": np.ones(1)}

    def bound(self, rows):
        lo, hi = rows["lo"], rows["hi"]
        hit = ((lo < 1 / 3) & (hi > 1 / 3) & (hi - lo < 1e-3)).any()
        if self.fatal and hit and (self.always or not os.path.exists(self.fatal)):
            Path(self.fatal).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        points = [float(x) for x in lo[:1]]
        return Bounded(1e-3 - (hi - lo), points, {"middle": (lo + hi) / 2})

    def trimmed(self, rows, extra):
        return iter(())

    def split(self, rows, extra):
        none, at = np.zeros(len(rows["lo"]), int), extra["middle"]
        lower, upper = {"lo": rows["lo"], "hi": at}, {"lo": at, "hi": rows["hi"]}
        return none == 0, Splits(none, none, at), lower, upper

    def shares(self, rows):
        return rows["hi"] - rows["lo"]

    def share(self, rows):
        return sum(map(Fraction, (rows["hi"] - rows["lo"]).tolist()), Fraction(0))


def cuts(kind):
    search, seen = Search(kind, Branching(batch=200)), []
    search.run(lambda: False, seen.append)
    assert search.status == "proved" and search.proved_share == 1
    return list(search.tree.preorder())


@pytest.fixture(scope="module")
def processes():
    with Processes(2) as executor:
        yield executor


@pytest.mark.parametrize("count", [1, 31, 32, 33, 64, 200, 512])
@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_shares_are_the_batch(count, workers):
    rows = {"a": np.arange(count), "b": np.arange(2 * count).reshape(count, 2)}
    dealt = dealt_out(rows, workers)
    assert 1 <= len(dealt) <= workers
    assert all(len(share["a"]) % 32 == 0 for share in dealt[:-1])
    for name, whole in rows.items():
        assert np.array_equal(np.concatenate([s[name] for s in dealt]), whole)
    parts = [Bounded(s["a"] * 1.0, [len(s["a"])], {"b": s["b"]}) for s in dealt]
    both = joined(parts)
    assert np.array_equal(both.margin, rows["a"]) and sum(both.points) == count
    assert np.array_equal(both.extra["b"], rows["b"])


def test_processes_cut_the_same_parts(processes):
    kind = Thirds()
    assert cuts(Spread(kind, processes, Thirds)) == cuts(kind)


def test_a_killed_worker_loses_nothing(processes, tmp_path):
    """One dies in the middle of the search, with a share in its hands."""
    mark = tmp_path / "died"
    recipe = functools.partial(Thirds, str(mark))
    assert cuts(Spread(Thirds(), processes, recipe)) == cuts(Thirds())
    assert mark.exists()


def test_a_share_that_kills_whoever_takes_it_is_blamed(processes, tmp_path):
    recipe = functools.partial(Thirds, str(tmp_path / "died"), always=True)
    search = Search(Spread(Thirds(), processes, recipe), Branching(batch=200))
    with pytest.raises(tl.WorkerError, match="3 processes died"):
        search.run(lambda: False, lambda points: None)
    # what it had proved stays, and the share is open again
    assert search.status == "unknown" and 0 < search.proved_share < 1
    search.kind = Thirds()
    search.run(lambda: False, lambda points: None)
    assert search.status == "proved"


def test_a_verdict_is_the_same_from_two_processes(processes):
    alone, dealt = ask(split=True), ask(executor=processes)
    assert alone.status == dealt.status == "proved" and dealt.parts > 40
    assert dealt.certificate.bytes == alone.certificate.bytes


def test_what_cannot_be_sent_is_refused():
    lock = threading.Lock()
    with pytest.raises(tl.InputError, match="cannot be sent"):
        pickled(functools.partial(Thirds, lock))


def folded(x):
    """Of 40 ReLUs; -38.27 at a corner of its box, the least of 20,000."""
    rng = np.random.default_rng(3)
    weights = rng.standard_normal((8, 40)).astype(np.float32)
    return jax.nn.relu(x @ weights) @ rng.standard_normal((40, 1)).astype(np.float32)


@pytest.mark.parametrize("certified", [True, False])
def test_cells_of_phases_are_the_same_from_two_processes(
    processes, monkeypatch, certified
):
    """... where enclosures are narrowed on the way, and where a certificate forbids."""
    dealt_shares, bound = [], Processes.bound

    def seen(self, kind, recipe, shares):
        dealt_shares.append(len(shares))
        return bound(self, kind, recipe, shares)

    monkeypatch.setattr(Processes, "bound", seen)
    asked = functools.partial(
        tl.verify,
        folded,
        tl.box(-np.ones(8, np.float32), np.ones(8, np.float32)),
        tl.spec.linear([1.0], -38.8),
        method="crown",
        attack=False,
        certificate=certified,
        split=Branching(cut="phases", batch=64),
    )
    alone, dealt = asked(), asked(executor=processes)
    assert alone.status == dealt.status == "proved" and max(dealt_shares) == 2
    assert (alone.parts, alone.margin) == (dealt.parts, dealt.margin)
    if certified:
        assert dealt.certificate.bytes == alone.certificate.bytes


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_workers_are_counted(workers):
    with pytest.raises(tl.InputError, match="counted from 1"):
        Processes(workers)


SHARDED = """
import jax, torchlean_jax as tl
from tests.search.test_executors import ask
from torchlean_jax.search import Devices, _boxes
used, bound = set(), _boxes.Boxes.bound
def seen(self, rows):
    used.add(jax.config.jax_default_device)
    return bound(self, rows)
_boxes.Boxes.bound = seen
alone = ask(split=True)
used.clear()
dealt = ask(executor=Devices())
assert jax.device_count() == 4
assert len(used) > 1 and used <= set(jax.devices()), used
assert alone.status == dealt.status == "proved"
assert alone.certificate.bytes == dealt.certificate.bytes
print(len(used), "devices")
"""


def test_a_batch_is_sharded_over_devices():
    flags = (
        os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    )
    done = subprocess.run(
        [sys.executable, "-c", SHARDED],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "XLA_FLAGS": flags},
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in ("2", "3", "4")


@pytest.mark.filterwarnings("ignore")  # Ray forks, and leaves sockets open
def test_ray_cuts_the_same_parts(tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is an extra: pip install ray")
    executor, mark = Ray(2), tmp_path / "died"
    try:
        recipe = functools.partial(Thirds, str(mark))
        assert cuts(Spread(Thirds(), executor, recipe)) == cuts(Thirds())
        assert mark.exists()
    finally:
        ray.shutdown()


def test_without_ray_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(tl.InputError, match="pip install ray"):
        Ray()
