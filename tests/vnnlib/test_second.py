"""VNN-LIB 2.0, by the parser of its authors, means what 1.0 does."""

import types
from fractions import Fraction

import pytest

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.vnnlib import _second, read_vnnlib
from torchlean_jax.zoo._extras import MissingExtraError

HEAD = """(vnnlib-version <2.0>)
(declare-network f
  (declare-input X float32 [1,3])
  (declare-output Y float32 [2]))
"""
BODY = """(assert (and (<= X[0,0] 0.1) (>= X[0,0] -0.30000000000000004)))
(assert (and (<= X[0,1] 1.0) (>= X[0,1] 0.0) (== X[0,2] 0.5)))
(assert (or (<= (+ Y[0] (* 2.5 Y[1])) 3.0) (> Y[1] (- Y[0]))))
"""
FIRST = """(declare-const X_0 Real) (declare-const X_1 Real) (declare-const X_2 Real)
(declare-const Y_0 Real) (declare-const Y_1 Real)
(assert (and (<= X_0 0.1) (>= X_0 -0.30000000000000004)))
(assert (and (<= X_1 1.0) (>= X_1 0.0) (= X_2 0.5)))
(assert (or (<= (+ Y_0 (* 2.5 Y_1)) 3.0) (> Y_1 (- Y_0))))
"""


def read(tmp_path, text):
    path = tmp_path / "property.vnnlib"
    path.write_text(text)
    return read_vnnlib(path)


def test_both_versions_of_a_file_are_one_query(tmp_path):
    pytest.importorskip("vnnlib", reason="VNN-LIB 2.0 needs the package vnnlib")
    second, first = read(tmp_path, HEAD + BODY), read(tmp_path, FIRST)
    assert (second.inputs, second.outputs) == (first.inputs, first.outputs) == (3, 2)
    (ours,), (theirs,) = second.cases, first.cases
    assert (ours.lo, ours.hi, ours.unsafe) == (theirs.lo, theirs.hi, theirs.unsafe)
    assert ours.lo[0] == Fraction("-0.30000000000000004")  # and not what a double holds


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("(assert (<= Z[0] 1.0))", "line 5: Undeclared variable: Z"),
        ("(assert (<= Y[5] 1.0))", "line 5: Index out of bounds"),
        ("(assert (<= (* Y[0] Y[1]) 1.0))", "a product of two variables"),
        ("(assert (<= Y[0] 1.0)", "yntax|arse"),
    ],
)
def test_what_is_not_understood_is_refused(line, why, tmp_path):
    pytest.importorskip("vnnlib", reason="VNN-LIB 2.0 needs the package vnnlib")
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path, HEAD + line)
    assert any(part in str(caught.value) for part in why.split("|"))


def test_nodes_that_are_tied_by_name_are_refused():
    """They may be declared in another order than that of the network."""
    definition = types.SimpleNamespace(name="X", shape=(2,), onnx_name="input.1")
    with pytest.raises(FileFormatError, match="X is tied to a node"):
        _second._number([definition], {})


def test_without_the_package_the_way_to_get_it_is_said(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "vnnlib", None)
    with pytest.raises(MissingExtraError, match=r"torchlean-jax\[vnnlib\]"):
        read(tmp_path, HEAD + BODY)
    assert _second.parse.__doc__
