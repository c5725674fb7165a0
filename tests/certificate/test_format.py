"""The writer's bytes: deterministic, canonical, and what the checker reads."""

import io
import json
import os
import tracemalloc
import zipfile

import ml_dtypes
import numpy as np
import pytest

from tests.torchlean_check.builder import Certificate, dyadic, leaf
from tests.torchlean_check.examples import EXAMPLES
from torchlean_check import check
from torchlean_jax.certificate import _format


def pieces(c: Certificate) -> dict:
    """A hand-built certificate with its arrays back in place of their names."""

    def restore(value, key=""):
        if isinstance(value, dict):
            inner = "array" if key in ("refining", "final") else ""
            return {k: restore(v, inner or k) for k, v in value.items()}
        if isinstance(value, list) and key == "array":  # slopes of many leaves
            stack, row, places = value
            return [c.arrays[stack], row, c.arrays[places]]
        if isinstance(value, list):
            return [restore(v) for v in value]
        if key in ("array", "lo", "hi", "center", "rows", "offset", "multipliers"):
            return c.arrays[value]
        return value

    manifest = c.manifest()
    names = ("graph", "input_set", "property", "proof", "assumptions", "error_model")
    return {name: restore(manifest[name]) for name in names if name in manifest}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_checker_accepts_what_is_packed(name):
    c = EXAMPLES[name]()
    report, other = check(_format.pack(**pieces(c))), check(c.pack())
    assert report.accepted
    assert report.margin == other.margin
    assert report.graph_digest == other.graph_digest == _format.graph_digest(c_graph(c))


def c_graph(c):
    return pieces(c)["graph"]


def test_equal_pieces_give_equal_bytes_that_any_zip_reader_reads():
    one, two = (_format.pack(**pieces(EXAMPLES["conv"]())) for _ in range(2))
    assert one == two
    with zipfile.ZipFile(io.BytesIO(one)) as reader:
        assert reader.testzip() is None
        assert reader.namelist() == sorted(reader.namelist())
        assert {i.compress_type for i in reader.infolist()} == {zipfile.ZIP_STORED}
        assert {i.date_time for i in reader.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def identity(array, lo, hi) -> dict:
    """x + array with x in a box, and no claim worth the name."""
    shape = list(np.shape(array))
    graph = {
        "inputs": [{"value": 0, "shape": shape, "dtype": "float64"}],
        "constants": [{"value": 1, "array": array}],
        "nodes": [{"op": "add", "in": [0, 1], "out": 2, "shape": shape, "params": {}}],
        "outputs": [2],
    }
    size = int(np.prod(shape))
    return {
        "graph": graph,
        "input_set": {"inputs": [{"value": 0, "lo": lo, "hi": hi}], "constraints": []},
        "property": {"rows": np.ones((1, size)), "offset": np.zeros(1)},
        "proof": [leaf()],
    }


ARRAYS = [
    np.arange(6.0).reshape(2, 3).T,
    np.arange(12.0)[::-2],
    np.arange(4, dtype=">f4"),
    np.arange(4, dtype=">f8"),
    np.array([1.5, -2.25], ml_dtypes.bfloat16),
    np.array([1.5, -2.25], np.float16),
    np.float32(3.5),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_of_any_layout_keep_their_values(array):
    zeros = np.zeros(array.shape)
    report = check(_format.pack(**identity(array, zeros, zeros)))
    m, e = report.margin
    assert m * 2.0**e == float(np.asarray(array, np.float64).sum())


def test_equal_arrays_are_stored_once():
    ones = np.ones(3)
    blob = _format.pack(**identity(ones, ones, ones.copy()))
    with zipfile.ZipFile(io.BytesIO(blob)) as reader:
        assert len([n for n in reader.namelist() if n.startswith("arrays/")]) == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_non_finite_arrays_are_refused(value, dtype):
    zeros = np.zeros(1)
    with pytest.raises(ValueError, match="NaN"):
        _format.pack(**identity(np.array([value], dtype), zeros, zeros))


@pytest.mark.parametrize(
    "array", [np.ones(1, complex), np.array(["a"]), np.array([{}])]
)
def test_other_dtypes_are_refused(array):
    with pytest.raises(TypeError, match="dtype"):
        _format.pack(**identity(array, np.zeros(1), np.zeros(1)))


def test_values_without_a_spelling_are_refused():
    extra = identity(np.ones(1), np.zeros(1), np.zeros(1))
    extra["graph"]["nodes"][0]["params"] = {"f": object()}
    with pytest.raises(TypeError, match="object"):
        _format.pack(**extra)


@pytest.mark.parametrize("value", [0.75, -3.0, 5e-324, 1.7e308, 0.0, -0.0, 2.0**-30])
def test_floats_become_dyadic_numbers(value):
    assert _format.dyadic(value) == dyadic(value)
    with pytest.raises(ValueError, match="dyadic"):
        _format.dyadic(float("nan"))


def packed_memory(leaves):
    """Bytes that packing a proof of so many leaves takes, beyond the file's own."""
    cases = Cuts(leaves)
    tracemalloc.start()
    blob = _format.pack(graph={}, input_set={}, property={}, proof=cases)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(json.loads(zipfile.ZipFile(io.BytesIO(blob)).read("manifest.json"))
               ["proof"]) == len(cases)  # fmt: skip
    return most - 3 * len(blob)  # a buffer that has grown, and what is handed out


class Cuts:
    """As many cases as a tree of so many leaves has, made when asked for."""

    def __init__(self, leaves):
        self._leaves = leaves

    def __len__(self):
        return 2 * self._leaves - 1

    def __iter__(self):
        for k in range(self._leaves):
            if k:
                yield {"split": {"value": 0, "index": k % 5, "at": k / 1024}}
            yield leaf()


def test_a_proof_is_packed_case_by_case(monkeypatch):
    assert packed_memory(1000) < 2**16
    whole = lambda manifest, cases: [_format._canonical(manifest | {"proof": [*cases]})]
    monkeypatch.setattr(_format, "_with_proof", whole)
    assert packed_memory(1000) > 2**18


def test_saving_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "x.tlc"
    _format.save(path, b"old")
    assert path.read_bytes() == b"old"

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        _format.save(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x.tlc"]


def test_saved_files_have_the_usual_permissions(tmp_path):
    mask = os.umask(0o022)
    try:
        _format.save(tmp_path / "x.tlc", b"")
    finally:
        os.umask(mask)
    assert (tmp_path / "x.tlc").stat().st_mode & 0o777 == 0o644
