"""`torchlean kernels bench`: the loop, the choice and the file, with a clock that is
not one, and kernels in Pallas' interpret mode. It says nothing about speed."""

import contextlib
import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax.cli import _bench, main
from torchlean_jax.contracts import _speed
from torchlean_jax.contracts._speed import Timing, Trial
from torchlean_jax.interpreters._kernel_call import unrolled
from torchlean_jax.pallas_kernels._blocks import DEFAULT, Blocks, blocks, table, using
from torchlean_jax.pallas_kernels.linear._contract import TERMS as LINEAR
from torchlean_jax.pallas_kernels.rms_norm._contract import TERMS

FORWARD = TERMS.programs[0]


class Clock:
    """Seconds that pass when somebody says so."""

    now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        """A call that takes these seconds, one after the other, then the last."""
        left = list(seconds)

        def call():
            self.now += left.pop(0) if len(left) > 1 else left[0]
            return jnp.zeros(())

        return call


def test_the_table_begins_with_the_sizes_that_kernels_have():
    assert table()[0] == blocks() == Blocks()
    for sizes in table():
        for size in dataclasses.astuple(sizes):
            assert size & (size - 1) == 0


def test_sizes_are_those_of_what_is_traced_inside():
    with pytest.raises(ZeroDivisionError), using(Blocks(held=4096)):
        assert blocks().held == 4096
        raise ZeroDivisionError
    assert blocks() is DEFAULT


def test_sizes_that_make_the_same_kernel_are_one_choice():
    small = _speed.choices(FORWARD, (jnp.ones((1, 1)), jnp.ones(1)))
    assert small == [DEFAULT]
    found = _speed.choices(FORWARD, (jnp.ones((64, 8192)), jnp.ones(8192)))
    assert {(s.held, s.per_warp) for s in found} == {
        (held, warp) for held in (4096, 8192, 16384) for warp in (256, 512, 1024)
    } - {(16384, 256)}  # sixteen warps, the most, as with 512


def test_a_product_keeps_what_it_is_with_every_size():
    """The sizes reach the kernel, and are only sizes."""
    program = LINEAR.programs[0]
    args = program.arguments(jax.random.key(0), ((17, 18), 33), jnp.dtype("float32"))
    formula = program.formula(*args)
    found = _speed.choices(program, args)
    assert {s.sums for s in found} == {32, 64}
    assert {s.depth for s in found} == {16, 32}
    with using(found[-1]):
        kernel = unrolled(lambda *a: program.kernel(*a))(*args)
    x, weight, bias = (np.abs(np.asarray(a, np.float64)) for a in args)
    # 18 products, padded to 32 terms, and a bias: at most 34 roundings of each
    allowed = 2 * 34 * 2.0**-24 * (x @ weight + bias)
    for a, b in zip(kernel, formula, strict=True):
        assert (np.abs(np.asarray(a, np.float64) - np.asarray(b)) <= allowed).all()


def test_turns_alternate_and_are_long_enough():
    clock, order = Clock(), []
    slow, fast = clock.work([2 * _speed.TURN]), clock.work([_speed.TURN / 4])

    def called(name, call):
        return lambda: order.append(name) or call()

    calls = called("slow", slow), called("fast", fast)
    first, second = _speed.in_turns(calls, clock)
    np.testing.assert_allclose(first, [2 * _speed.TURN] * _speed.ROUNDS)
    np.testing.assert_allclose(second, [_speed.TURN / 4] * _speed.ROUNDS)
    assert order[2:] == ["slow", *["fast"] * 4] * _speed.ROUNDS
    assert _speed.in_turns([], clock) == []


def test_a_call_that_the_clock_does_not_see_ends():
    calls = []
    _speed.in_turns([lambda: calls.append(0)], Clock())
    assert len(calls) == 1 + _speed.ROUNDS * _speed.MOST_CALLS


def trial(*turns, sizes=DEFAULT):
    return Trial(sizes, Timing(0.0, turns) if turns else None, "" if turns else "no")


OTHER, THIRD = Blocks(held=4096), Blocks(held=16384)


@pytest.mark.parametrize(
    ("trials", "best"),
    [
        ([trial(3, 3, 3, 3), trial(2, 2, 2, 2, sizes=OTHER)], OTHER),
        ([trial(2, 2, 2, 2), trial(3, 3, 3, 3, sizes=OTHER)], DEFAULT),
        ([trial(3, 3, 3, 3), trial(3, 3, 3, 3, sizes=OTHER)], DEFAULT),
        # a lower median within the noise is no reason to change a table
        ([trial(1, 3, 3, 5), trial(1, 2, 2, 9, sizes=OTHER)], DEFAULT),
        # nor is one lucky turn
        ([trial(3, 3, 3, 3), trial(1, 4, 4, 4, sizes=OTHER)], DEFAULT),
        (
            [trial(9, 9), trial(3, 3, sizes=OTHER), trial(2, 2, sizes=THIRD)],
            THIRD,
        ),
        # what did not run is not the fastest
        ([trial(3, 3), trial(sizes=OTHER)], DEFAULT),
        ([trial(), trial(3, 3, sizes=OTHER), trial(2, 2, sizes=THIRD)], THIRD),
    ],
)
def test_the_choice(trials, best):
    found = _speed.fastest(trials)
    assert found is not None and found.blocks == best


def test_nothing_ran():
    assert _speed.fastest([trial()]) is None


@pytest.fixture
def on_a_gpu(monkeypatch, interpreted):
    """The CPU, taken for an A100; kernels are interpreted."""
    device = jax.devices()[0]
    gpu = contextlib.nullcontext(device)
    monkeypatch.setattr(_bench, "on_device", lambda name: gpu)
    monkeypatch.setattr(_bench, "BANDWIDTH", {device.device_kind: 1e9})
    monkeypatch.setattr(_speed, "ROUNDS", 3)
    with interpreted():
        yield


def timed_by(clock, monkeypatch, costs):
    """Each program takes the seconds that its sizes cost; XLA's formula takes 1."""
    original = _speed._compiled

    def compiled(program, sizes, args, _):
        found = original(program, sizes, args, clock)
        if isinstance(found, str):
            return found
        return found[0], clock.work([costs(sizes) if sizes else 1.0])

    monkeypatch.setattr(_speed, "_compiled", compiled)
    monkeypatch.setattr(_bench, "measured", lambda p, a: _speed.measured(p, a, clock))


def test_the_table_and_the_file(on_a_gpu, monkeypatch, tmp_path, capsys):
    timed_by(Clock(), monkeypatch, lambda s: 0.25 if s.held == 4096 else 0.5)
    file = tmp_path / "speed.json"
    narrow = dataclasses.replace(TERMS, programs=(FORWARD,), typical=(3, 2100))
    monkeypatch.setattr(
        _bench, "contract", lambda name: type("C", (), {"terms": narrow})
    )
    asked = ["kernels", "bench", "rms_norm", "--dtype", "float32"]
    assert main([*asked, "--shape", "typical", "one", "--json", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "500000.0 us, XLA 2.00 times that" in printed[0]
    assert "250000.0 us with held=4096" in printed[0] and " with " not in printed[1]
    written = json.loads(file.read_text())
    assert written["device"] == jax.devices()[0].device_kind
    assert written["versions"]["jaxlib"]
    large, one = written["kernels"]
    assert large["chosen"] == {"held": 4096} and one["chosen"] == {}
    assert large["bytes"] == 4 * (2 * 3 * 2100 + 2100)
    assert large["least"] == large["bytes"] / 1e9
    assert large["trials"][0]["sizes"] == {} and large["trials"][0]["median"] == 0.5
    assert len(large["trials"]) == 2 and len(one["trials"]) == 1


@pytest.mark.parametrize(("broken", "code"), [("its own", 1), ("another", 0)])
def test_a_kernel_that_does_not_run(broken, code, on_a_gpu, monkeypatch, capsys):
    def kernel(x, weight):
        if (blocks() == DEFAULT) == (broken == "its own"):
            # as a GPU that has too few registers: on compilation, after tracing
            x = jax.pure_callback(_fails, x, x)
        return FORWARD.kernel(x, weight)

    def _fails(x):
        raise MemoryError("too much shared memory")

    program = dataclasses.replace(FORWARD, kernel=kernel)
    terms = dataclasses.replace(TERMS, programs=(program,), typical=(3, 2100))
    monkeypatch.setattr(
        _bench, "contract", lambda name: type("C", (), {"terms": terms})
    )
    timed_by(Clock(), monkeypatch, lambda s: 0.5)
    assert main(["kernels", "bench", "rms_norm", "--dtype", "float32"]) == code
    printed = capsys.readouterr().out
    assert ("Error: " in printed) == (broken == "its own")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "JAX finds no gpu here"),
        (["rms_nor"], "there are: rms_norm"),
        (["rms_norm", "--shape", "round"], "it has typical, one, ragged"),
        (["rms_norm", "--dtype", "float64"], "rms_norm has float32, bfloat16"),
        (["rms_norm", "--device", "cpu"], "invalid choice"),
        (["xla_dot"], "XLA's own"),
    ],
)
def test_bad_usage(words, message, capsys):
    assert main(["kernels", "bench", *words]) == 2
    assert message in capsys.readouterr().err
