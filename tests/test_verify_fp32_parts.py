"""Searches by parts under fp32 semantics: no split proves what a run violates.

The networks are those on which other tools err: over the reals A is x, which no float32
run returns, and B is -1/2.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.published import published
from tests.search.faults import planted
from torchlean_jax import _execution, _parts
from torchlean_jax._question import question
from torchlean_jax.domains._errors import InputError
from torchlean_jax.search import Attack, Branching, _boxes, _cells
from torchlean_jax.search._region import Region

INPUTS = Branching(batch=32, most_parts=100)
PHASES = Branching(batch=32, most_parts=100, cut="phases")
POSITIVE = tl.spec.linear([1.0], 0.05)
BOX = tl.box(jnp.asarray([0.1], jnp.float32), jnp.asarray([0.9], jnp.float32))


def network(shift, x):
    """At least 1/10 over the reals, whatever the shift is; one of 2^24 absorbs that in
    every float32 run.

    One pass over the kinks knows only that the second is below its chord, which is 1/4
    at x = 1/2: not enough.
    """
    between = jnp.maximum(x - 0.5, 0) - jnp.maximum(x - 0.4, 0) + 0.2
    return (between + shift) - shift


def decided(shift, split, semantics, **options):
    given: dict[str, Any] = {"attack": False, "certificate": False} | options
    args = jnp.float32(shift), BOX
    return tl.verify(network, args, POSITIVE, split=split, semantics=semantics, **given)


@pytest.mark.parametrize("split", [INPUTS, PHASES], ids=["inputs", "phases"])
def test_bounds_pay_for_rounding_on_every_part(split):
    assert decided(0.0, False, "fp32").status == "unknown"
    found = decided(0.0, split, "fp32")
    assert found.status == "proved" and found.parts > 1
    assert decided(2.0**24, split, "real").status == "proved"
    run = decided(2.0**24, split, "fp32")
    assert run.status == "unknown"
    x = jnp.full(1, 0.5, jnp.float32)
    (returned,) = np.asarray(tl.faithful_jit(network)(jnp.float32(2.0**24), x))
    assert run.margin <= float(returned) - 0.05 <= 0


@pytest.mark.parametrize("split", [INPUTS, PHASES], ids=["inputs", "phases"])
def test_a_run_refutes_in_spite_of_the_reals(split):
    quick = Attack(restarts=4, steps=4)
    found = decided(2.0**24, split, "fp32", attack=quick)
    assert found.status == "refuted" and "execution" in found.confirmed


@pytest.mark.parametrize(
    ("module", "split", "sound"),
    [
        (_cells, PHASES, "lower - slack"),
        (_boxes, INPUTS, "_execution.lowered_by(error, lower, self._formula.rows)"),
    ],
    ids=["phases", "inputs"],
)
def test_rounding_that_is_forgotten_is_noticed(module, split, sound, monkeypatch):
    faulty = "lower"
    kept = [name for name in ("Region", "Bounded") if name in vars(module)]
    with planted(module, sound, faulty, keep=kept):
        for name in vars(module).keys() & {"Cells", "Boxes"}:
            monkeypatch.setattr(_parts, name, vars(module)[name])
        assert decided(2.0**24, split, "fp32").status == "proved"


def parabola(x):
    """Never below 1/1000, in any run: a square is not negative, and sums keep order.

    Over its whole box, runs are off by up to 1/16.
    """
    return x * x + 1e-3


def test_a_part_pays_for_what_is_rounded_on_it():
    box = tl.box(np.full(1, -1e3, np.float32), np.full(1, 1e3, np.float32))
    assert float(tl.float_error(parabola)(box).bound[0]) > 0.01
    found = tl.verify(
        parabola,
        box,
        tl.spec.linear([1.0]),
        split=INPUTS,
        semantics="fp32",
        attack=False,
    )
    assert found.status == "proved" and 0 < found.margin <= 1e-3
    assert torchlean_check.check(found.certificate.bytes).accepted


def absorbed(x):
    """1/100 over the reals; where x is large a run is off by more, near 0 by less."""
    square = x * x
    return ((x + square) - square) - x + 0.01


def test_rounding_at_another_part_is_noticed(monkeypatch):
    box = tl.box(np.full(1, 1.0, np.float32), np.full(1, 1e3, np.float32))
    ask: dict[str, Any] = {"split": INPUTS, "semantics": "fp32", "attack": False}
    positive = tl.spec.linear([1.0])
    x = np.linspace(500, 1000, 64, dtype=np.float32)
    assert np.asarray(tl.faithful_jit(absorbed)(x)).min() < 0
    assert tl.verify(absorbed, box, positive, **ask).status == "unknown"
    sound, faulty = (
        "inputs(box, dtype)",
        "inputs(Interval(1 + 0 * box.lo, 1 + 0 * box.lo), dtype)",
    )
    with planted(_boxes, sound, faulty, keep=["Bounded"]):
        monkeypatch.setattr(_parts, "Boxes", _boxes.Boxes)
        # another snapshot: programs of the first one are kept
        found = tl.verify(lambda x: absorbed(x) + 0.0, box, positive, **ask)
    assert found.status == "proved"


def swallowing(x):
    """1 over the reals. Where x is negative a run keeps it, where x is large nothing
    of it."""
    large = jnp.maximum(x * 2.0**26, 0)
    return (large + 1.0) - large


def test_a_cell_pays_for_what_is_rounded_on_it():
    box = tl.box(np.full(1, -1, np.float32), np.full(1, 1, np.float32))
    given = tl.spec.linear([1.0], 0.5), "fp32", None, None
    asked = question(swallowing, (box,), *given)
    region = Region(asked.model, asked.args, "crown", errors=asked.errors)
    kind = _cells.Cells(region, asked.formula.rows, asked.formula.offset)
    rows = kind.root() | {"depth": np.zeros(1, np.int32)}
    _, _, lower, upper = kind.split(rows, kind.bound(rows).extra)
    ((whole,),), ((below,),), ((above,),) = map(kind._slack, (rows, lower, upper))
    # a sum of up to 2^26 and 1 is rounded within 2^-24 of it, which is 4, and so is the
    # difference, of which intervals know no more. Below, at most 1 is rounded twice
    assert 1 <= above <= whole <= 8.001 and 0 <= below <= 2.0**-22


def test_the_rounding_of_another_cell_is_noticed(monkeypatch):
    box = tl.box(np.full(1, -1, np.float32), np.full(1, 1, np.float32))
    assert float(tl.faithful_jit(swallowing)(np.ones(1, np.float32))[0]) == 0
    ask: dict[str, Any] = {"semantics": "fp32", "attack": False, "certificate": False}
    half = tl.spec.linear([1.0], 0.5)
    assert tl.verify(swallowing, box, half, split=PHASES, **ask).status == "unknown"
    sound, faulty = (
        "lowered_by(errors, none",
        "lowered_by(0 * errors + errors.min(0), none",
    )
    with planted(_cells, sound, faulty, keep=["Region", "Bounded"]):
        monkeypatch.setattr(_parts, "Cells", _cells.Cells)
        assert tl.verify(swallowing, box, half, split=PHASES, **ask).status == "proved"


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("values.get(number)", "values.get(number - 1)"),
        (
            "narrowed(value, Interval.lift(known))",
            "narrowed(value, Interval.lift(value.real.lo))",
        ),
    ],
    ids=["of another value", "too little"],
)
def test_wrong_enclosures_of_values_are_noticed(sound, faulty):
    """With those of x in the place of those of 1024 x, hardly anything would round."""

    def absorbed(x):
        """1/100 over the reals; where x is large a run is off by more."""
        large = x * 1024.0
        return ((x + large) - large) - x + 0.01

    box = tl.box(np.full(1, 1.0, np.float32), np.full(1, 1e3, np.float32))
    x = np.linspace(500, 1000, 64, dtype=np.float32)
    assert np.asarray(tl.faithful_jit(absorbed)(x)).min() < 0
    ask: dict[str, Any] = {"semantics": "fp32", "attack": False, "certificate": False}
    positive = tl.spec.linear([1.0])
    assert tl.verify(absorbed, box, positive, **ask).status == "unknown"
    with planted(_execution, sound, faulty):
        found = tl.verify(lambda x: absorbed(x) - 0.0, box, positive, **ask)
    assert found.status == "proved"


@pytest.mark.parametrize("attack", [True, False])
@pytest.mark.parametrize("split", [INPUTS, PHASES], ids=["inputs", "phases"])
@pytest.mark.parametrize(
    ("name", "semantics"), [("A_f32run", "fp32"), ("B", "real"), ("B", "fp32")]
)
def test_the_published_networks_are_proved_by_no_split(name, semantics, split, attack):
    path = published(f"soundness_counterexamples/false_cert_{name}.onnx")
    net, params = tl.from_onnx(path)
    (case,) = tl.read_vnnlib(path.with_suffix(".vnnlib")).cases
    (declared,) = net.inputs
    shape = tuple(n if isinstance(n, int) else 1 for n in declared.shape or ())
    options: dict[str, Any] = {"split": split, "semantics": semantics}
    ask = params, case.box(shape)
    try:
        found = tl.verify(net, ask, case.spec(), attack=attack, **options)
    except InputError as error:
        # nothing of A has phases
        assert name != "B" and not attack and split is PHASES and "phases" in str(error)
        return
    assert found.status == ("refuted" if attack else "unknown")
