"""The training loop: it resumes bit by bit, and stops at what is not finite."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.zoo import toy
from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import _loop
from torchlean_jax.zoo._checkpoints import Checkpoints
from torchlean_jax.zoo._optimizers import OPTIMIZERS, SCHEDULES, optimizer
from torchlean_jax.zoo._step import Stepper

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def checkpoint_often(monkeypatch):
    monkeypatch.setattr(_loop, "SAVE_SECONDS", 0.0)


def interrupted_at(step):
    def show(text):
        if text.startswith(f"step {step} "):
            raise KeyboardInterrupt

    return show


def bits(variables):
    return jax.tree.map(lambda x: np.asarray(x).tobytes(), variables)


def rows(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if "per_second" not in k}
        for line in lines
    ]


@pytest.fixture(scope="module")
def mlp():
    entry = zoo.entry("mlp")
    return replace(entry, settings=replace(entry.settings, steps=40))


def test_an_interrupted_training_goes_on_bit_by_bit(mlp, tmp_path):
    whole = zoo.train(mlp, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        zoo.train(mlp, out=tmp_path / "parts", show=interrupted_at(30))
    kept = Checkpoints(tmp_path / "parts")
    assert kept.latest() == 20
    kept.close()
    resumed = zoo.train(mlp, out=tmp_path / "parts", resume=True)
    assert bits(resumed.variables) == bits(whole.variables)
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    assert [row["step"] for row in rows(tmp_path / "parts")] == list(range(40))
    loaded = zoo.load_trained(mlp, tmp_path / "parts")
    assert bits(loaded.variables) == bits(whole.variables)
    assert loaded.step == 40 and loaded.metrics == whole.metrics
    assert all(isinstance(x, np.ndarray) for x in loaded.variables.params.values())


@pytest.mark.parametrize("entry", toy.SMALL.values(), ids=toy.SMALL)
def test_so_does_one_of_an_equation(entry, tmp_path, monkeypatch):
    monkeypatch.setattr(_loop, "LOG_EVERY", 2)
    settings = replace(entry.settings, steps=6, batch=4)
    whole = zoo.train(entry, settings)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(entry, settings, out=tmp_path, show=interrupted_at(4))
    resumed = zoo.train(entry, settings, out=tmp_path, resume=True)
    assert bits(resumed.variables) == bits(whole.variables)


def test_resuming_elsewhere_is_refused(mlp, tmp_path):
    toy_run = toy.entry()
    zoo.train(toy_run, out=tmp_path)
    with pytest.raises(InputError, match="add --resume"):
        zoo.train(toy_run, out=tmp_path)
    other = replace(toy_run.settings, lr=0.25)
    with pytest.raises(InputError, match=r"lr 0.25 \(was 0.5\)"):
        zoo.train(toy_run, other, out=tmp_path, resume=True)
    with pytest.raises(zoo.CheckpointError, match="no checkpoint to resume"):
        zoo.train(toy_run, out=tmp_path / "empty", resume=True)
    with pytest.raises(InputError, match="give --out"):
        zoo.train(toy_run, resume=True)


def test_a_checkpoint_of_another_model_is_refused(mlp, tmp_path):
    zoo.train(toy.entry(), out=tmp_path)
    with pytest.raises(zoo.CheckpointError, match="is of toy, not of mlp"):
        zoo.load_trained(mlp, tmp_path)
    with pytest.raises(zoo.CheckpointError, match=r"'w'.*float32\[2\], needed .*\[3\]"):
        zoo.load_trained(toy.entry(size=3), tmp_path)
    with pytest.raises(zoo.CheckpointError, match="holds no checkpoints"):
        zoo.load_trained(mlp, tmp_path / "absent")


def test_a_damaged_checkpoint_is_refused(tmp_path):
    zoo.train(toy.entry(), out=tmp_path)
    newest = tmp_path / "checkpoints" / "40"
    for path in (newest / "about").rglob("*"):
        if path.is_file():
            path.write_text("{")
    with pytest.raises(zoo.CheckpointError, match="damaged"):
        zoo.load_trained(toy.entry(), tmp_path)


def test_what_is_not_finite_stops_and_is_named(tmp_path):
    with pytest.raises(zoo.NonFiniteError, match="checkpoint of step 20 is kept") as e:
        zoo.train(toy.entry(fails_at=25), out=tmp_path)
    assert e.value.step == 25 and e.value.node is not None
    assert e.value.node.primitive == "log"
    assert e.value.node.source is not None and "toy.py" in e.value.node.source[0]
    assert zoo.load_trained(toy.entry(fails_at=25), tmp_path).step == 20
    assert rows(tmp_path)[-1]["loss"] is None


def test_accumulated_gradients_are_those_of_the_whole_batch():
    assert toy.losses(accumulate=4) == toy.losses()
    assert len(set(toy.losses())) > 10


def test_four_devices_have_the_losses_of_one():
    code = "from tests.zoo import toy; print(toy.losses(devices=4))"
    flags = "--xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == toy.losses()


def test_four_devices_train_an_equation_as_one_does():
    """To float32's rounding: sums of at most 2^10 numbers, in another order."""
    flags = "--xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", EQUATIONS],
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name, found in json.loads(done.stdout).items():
        expected, other = (toy.first_losses(name, seed=seed) for seed in (0, 1))
        np.testing.assert_allclose(found, expected, rtol=2.0**-13)
        # a part of the batch would have told: losses of another are far away
        assert abs(other[0] - expected[0]) > 2.0**-10 * expected[0]


EQUATIONS = """
import json
from tests.zoo import toy
print(json.dumps({name: toy.first_losses(name, devices=4) for name in toy.SMALL}))
"""


def test_devices_that_are_not_there_are_an_error():
    with pytest.raises(InputError, match="xla_force_host_platform_device_count=8"):
        zoo.train(toy.entry(), devices=8)


def test_bfloat16_computes_and_float32_remembers(mlp):
    stepper = Stepper(mlp, replace(mlp.settings, dtype="bfloat16"))
    state = stepper.init()
    batch = stepper.batch(mlp.load(None), 0)
    traced = str(jax.make_jaxpr(stepper.gradient)(state.variables, 0, batch))
    assert "bf16[64,10] = dot_general" in traced
    state, metrics = stepper.step(state, 0, batch)
    found = {x.dtype for x in jax.tree.leaves((state.variables, metrics))}
    assert found == {jnp.dtype("float32")}


def test_certified_training_shrinks_the_worst_case(mlp):
    settings = replace(mlp.settings, steps=20, certified=0.01)
    loss = mlp.loss_for(settings, 20)
    batch = mlp.load(None).batch(0, 64, 0)
    before = loss(mlp.network.init(jax.random.key(0)), batch, None)[0]
    assert loss(zoo.train(mlp, settings).variables, batch, None)[0] < before
    with pytest.raises(InputError, match="no certified training"):
        zoo.train(toy.entry(), replace(settings, batch=8))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_walks_downhill(name):
    """A square's minimum is at 0; from 1, each of these has to come closer."""
    settings = zoo.Settings(optimizer=name, lr=0.02, steps=20, schedule="constant")
    method, w = optimizer(settings), {"w": jnp.ones((2, 2))}
    state = method.init(w)
    for _ in range(5):
        updates, state = method.update(jax.tree.map(lambda x: 2 * x, w), state, w)
        w = jax.tree.map(jnp.add, w, updates)
    assert float(jnp.abs(w["w"]).max()) < 1


def test_schedules_end_and_start_where_they_say():
    settings = zoo.Settings(lr=0.5, steps=100, warmup=10)
    ends = {
        name: (rate(settings)(0), rate(settings)(100))
        for name, rate in SCHEDULES.items()
    }
    assert {k: (float(a), round(float(b), 6)) for k, (a, b) in ends.items()} == {
        "constant": (0.5, 0.5),
        "linear": (0.5, 0.0),
        "cosine": (0.5, 0.0),
        "warmup-cosine": (0.0, 0.0125),
        "warmup-stable-decay": (0.0, 0.0),
    }


def test_a_stable_rate_does_not_know_how_long_the_training_is():
    """So a training can be made longer or shorter while the rate is constant."""
    rate = SCHEDULES["warmup-stable-decay"]
    short, long = (zoo.Settings(lr=0.5, steps=steps, warmup=10) for steps in (100, 300))
    assert [float(rate(short)(t)) for t in range(70)] == [
        float(rate(long)(t)) for t in range(70)
    ]
    assert float(rate(short)(71)) < float(rate(long)(71))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "1 or more"),
        ({"batch": 6, "accumulate": 4}, "equal parts"),
        ({"dtype": "float16"}, "bfloat16"),
        ({"optimizer": "adm"}, "adam"),
        ({"schedule": "none"}, "cosine"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        zoo.train(toy.entry(), replace(zoo.Settings(), **settings))
