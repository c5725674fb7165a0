"""Every operator beside onnxruntime, at the first and last version a case is for."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import onnx
import pytest

import torchlean_jax as tl
from tests.onnx import cases_elementwise, cases_layout, cases_recurrent, cases_sums
from tests.onnx.models import by_onnxruntime, by_us
from torchlean_jax.onnx import _recurrent, _rules, _windows
from torchlean_jax.onnx._operators import TABLE

_rules.load()
CASES = [
    *(*cases_elementwise.CASES, *cases_layout.CASES),
    *(*cases_recurrent.CASES, *cases_sums.CASES),
]


def opsets(case):
    """The first and the last version of the operator in the range of the case."""
    low, high = case.opsets
    versions = {
        onnx.defs.get_schema(case.op, opset, "").since_version
        for opset in range(low, high + 1)
    }
    return sorted({max(low, version) for version in (min(versions), max(versions))})


def distance(case, opset, known=None):
    """(how far we are from onnxruntime, how far we may be), for each output."""
    model, feeds = case.model(opset)
    expected = by_onnxruntime(model, feeds)
    found = by_us(model, feeds, known)
    for ours, theirs in zip(found, expected, strict=True):
        theirs = np.asarray(theirs)
        assert ours.shape == theirs.shape
        # int64 is int32 in JAX without 64-bit types
        narrow = {"int64": "int32", "uint64": "uint32"}
        assert ours.dtype == narrow.get(str(theirs.dtype), theirs.dtype)
        with np.errstate(invalid="ignore"):
            apart = np.abs(ours.astype(float) - theirs.astype(float))
        apart = np.where(
            np.isnan(ours.astype(float)) & np.isnan(theirs.astype(float)), 0, apart
        )
        apart = np.where(ours == theirs, 0, apart)
        yield apart, case.tolerance(case, opset, theirs)


def agrees(case, opset):
    try:
        return all((apart <= allowed).all() for apart, allowed in distance(case, opset))
    except AssertionError:  # another shape
        return False


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_operator_does_what_onnxruntime_does(case):
    known = {}  # mostly, both versions are one program
    for opset in opsets(case):
        for apart, allowed in distance(case, opset, known):
            assert (apart <= allowed).all(), (opset, apart.max(), np.max(allowed))


def test_every_operator_has_a_case():
    legacy = {"Constant"}
    assert set(TABLE) - legacy <= {case.op for case in CASES}


@pytest.mark.parametrize("op, cut", [("GRU", 2), ("LSTM", 4), ("RNN", 1)])
def test_swapped_gates_or_biases_are_noticed(op, cut, monkeypatch):
    split = jnp.split

    def swapped(x, sections, axis=0):
        parts = split(x, sections, axis)
        return parts[::-1] if sections == cut else parts

    cases = [case for case in CASES if case.op == op]
    assert all(agrees(case, 14) for case in cases[:1])
    step = _recurrent._rnn_step
    monkeypatch.setattr(
        _recurrent, "_rnn_step", lambda f, r, b, x, h: step(f, -r, b, x, h)
    )
    monkeypatch.setattr(_recurrent.jnp, "split", swapped)
    assert not any(agrees(case, 14) for case in cases)


@pytest.mark.parametrize(
    "attributes, message",
    [
        ({"clip": 1.0}, "clip"),
        ({"layout": 1}, "layout"),
        ({"activations": ["Softsign", "Tanh", "Tanh"]}, "Softsign"),
        ({"input_forget": 1}, "input_forget"),
    ],
)
def test_a_cell_that_is_not_known_is_refused(attributes, message):
    (known, *_) = (case for case in CASES if case.op == "LSTM")
    asked = replace(known, attributes=known.attributes | attributes)
    with pytest.raises(tl.MissingOperatorError, match=message):
        by_us(*asked.model(14))


@pytest.mark.parametrize(
    ("op", "attribute"),
    [("Conv", "pads"), ("MaxPool", "pads"), ("AveragePool", "pads")],
)
def test_a_swapped_padding_is_noticed(op, attribute, monkeypatch):
    plain = _windows.paddings

    def swapped(*args):
        return [(high, low) for low, high in plain(*args)]

    for module in ("_contraction", "_pool"):
        monkeypatch.setattr(f"torchlean_jax.onnx.{module}.paddings", swapped)
    odd = [
        case
        for case in CASES
        if case.op == op
        and len(pads := case.attributes.get(attribute, [])) > 1
        and pads[: len(pads) // 2] != pads[len(pads) // 2 :]
    ]
    assert odd and not all(agrees(case, opsets(case)[0]) for case in odd)
