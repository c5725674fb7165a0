"""Damaged, contradictory and hostile files: a typed error that names file and node."""

import dataclasses
import gzip

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper

import torchlean_jax as tl
from torchlean_jax.onnx import _file, _rules
from torchlean_jax.onnx._operators import TABLE

FINE = "net (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) }"


def model(text, opset=18):
    return onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {opset}]> {text}'
    )


def refused(given, match, error=tl.FileFormatError):
    with pytest.raises(error, match=match) as caught:
        tl.from_onnx(given)
    return str(caught.value)


def test_a_file_that_is_cut_short_anywhere_is_refused_or_whole(tmp_path):
    """No cut makes anything but a typed error. (A cut between two fields is a file.)"""
    content = model(FINE).SerializeToString()
    path = tmp_path / "net.onnx"
    refusals = 0
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            tl.from_onnx(path)
        except tl.TorchLeanError as error:
            refusals += str(error).startswith(str(path))
    assert refusals > 0.9 * len(content)


def test_a_file_with_one_wrong_byte_is_refused_or_read(tmp_path):
    content = model(FINE).SerializeToString()
    path = tmp_path / "net.onnx"
    random = np.random.default_rng(0)
    for _ in range(400):
        wrong = bytearray(content)
        wrong[random.integers(len(content))] ^= 1 << random.integers(8)
        path.write_bytes(wrong)
        try:
            tl.from_onnx(path)
        except tl.TorchLeanError as error:
            assert str(error).startswith(str(path))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_text("(declare-const X_0 Real)")
    refused(path, r"net\.onnx: (not an ONNX file|.*without a network)")
    path.write_bytes(b"")
    refused(path, "without a network")
    packed = tmp_path / "net.onnx.gz"
    packed.write_bytes(gzip.compress(model(FINE).SerializeToString())[:-9])
    refused(packed, "not a complete gzip file")
    with pytest.raises(FileNotFoundError):
        tl.from_onnx(tmp_path / "absent.onnx")


def test_a_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_file, "MOST_BYTES", 10_000)
    path = tmp_path / "net.onnx.gz"
    path.write_bytes(gzip.compress(bytes(1_000_000)))
    refused(path, "more than 10000 bytes")


def test_all_unsupported_operators_are_reported_at_once():
    text = """net (float[2] x) => (float[2] y) {
      [first] a = Hardmax(x)  [second] b = Bernoulli(a)  c = Relu(b)
      [third] d = Hardmax(c)  y = com.example.Strange(d) }"""
    file = model(text)
    file.opset_import.append(helper.make_opsetid("com.example", 1))
    message = refused(file, "4 of 5 nodes", tl.MissingOperatorError)
    for part in (
        "Hardmax",
        "first, third",
        "Bernoulli",
        "second",
        "com.example.Strange",
    ):
        assert part in message
    assert message.startswith("net: ")


def test_a_version_of_an_operator_that_nobody_read_is_unsupported(monkeypatch):
    _rules.load()
    older = dataclasses.replace(TABLE["Cast"], versions=(1, 6, 9))
    monkeypatch.setitem(TABLE, "Cast", older)
    cast = "net (float[2] x) => (int32[2] y) { y = Cast<to = 6>(x) }"
    assert tl.from_onnx(model(cast, 12))
    refused(model(cast), "Cast .as of operator set 13", tl.MissingOperatorError)


@pytest.mark.parametrize("opset", [0, -3, 1000])
def test_an_unknown_operator_set_is_refused(opset):
    file = model(FINE)
    file.opset_import[0].version = opset
    error = tl.MissingOperatorError if opset == 0 else tl.FileFormatError
    refused(file, "operator set", error)
    del file.opset_import[:]
    refused(file, "does not say which operator set")


LARGE, SHAPE = "elements, more than", "cannot be reshaped"
DEPENDS = "depends on the network's inputs"
BROKEN = {
    "{ y = Add(x, z)  z = Neg(y) }": "wait for each other",
    "{ y = Add(x, z) }": r"without a source: 'z' \(in node '#0'\)",
    "{ z = Neg(x) }": r"'y' \(in the outputs\)",
    "{ y = Neg(x)  y = Abs(x) }": "'y' has two sources",
    "{ x = Neg(x)  y = Abs(x) }": "'x' has two sources",
    "{ y = Neg(x, x) }": "has 2 inputs",
    "{ y = Relu<alpha = 0.5>(x) }": "attributes alpha",
    "{ y = Elu<alpha = [1, 2]>(x) }": "attribute alpha has the wrong type",
    "{ s = Shape(x)  f = Cast<to=1>(s)  y = Add(x, f)  z = Concat(x, x) }": "no axis",
    "<int64[1] i = {0}> { y = Add(x, i) }": "operands of different types",
    "<float[3] w = {1, 2, 3}> { y = Add(x, w) }": "shapes do not broadcast",
    "<float[3, 2] w = {1, 2, 3, 4, 5, 6}> { y = MatMul(x, w) }": "'#0' .MatMul.",
    "<int64[2] s = {3, -1}> { y = Reshape(x, s) }": SHAPE,
    "<int64[2] s = {-1, -1}> { y = Reshape(x, s) }": SHAPE,
    "<int64[2] s = {9223372036854775807, 2}> { y = Reshape(x, s) }": SHAPE,
    "<int64[1] s = {1000000000000}> { y = Expand(z, s) z = ReduceSum(x) }": LARGE,
    "<int64[2] s = {100000000, 1000}> { a = ConstantOfShape(s) y = Add(a, x) }": LARGE,
    "<int64[1] s = {100000000000}> { y = Tile(x, s) }": LARGE,
    "<int64[1] s = {-1}> { y = ConstantOfShape(s) }": "negative size",
    "<int64[2] s = {0, 99999999999}> { y = Pad(x, s) }": LARGE,
    "<int64 a = {0}, int64 b = {99999999999}, int64 c = {1}> { r = Range(a, b, c) \
     f = Cast<to=1>(r) y = Add(x, f) }": LARGE,
    "<int64 a = {0}, int64 c = {0}> { r = Range(a, a, c) y = Cast<to=1>(r) }": "zero",
    "<int64[1] i = {7}> { y = Gather(x, i) }": "index 7 into 2 elements",
    "<int64[1] i = {5}> { y = Unsqueeze(x, i) }": "axis 5",
    "<int64[2] i = {0, 0}> { y = Unsqueeze(x, i) }": "named twice",
    "{ i = Cast<to = 7>(x) y = Reshape(x, i) }": "64-bit",
    "{ i = Cast<to = 6>(x) j = Cast<to = 7>(i) y = Reshape(x, j) }": DEPENDS,
    "{ y = Transpose<perm = [0, 0]>(x) }": "perm",
    '{ y = Pad<mode = "soft">(x, p) p = Constant<value = int64[2] {1, 1}>() }': "soft",
    "{ a = Unsqueeze(x, n) y = MaxPool<kernel_shape = [2]>(a) n = Constant<value = \
     int64[1] {0}>() }": "kernel_shape",
}


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: body[:60])
def test_what_contradicts_itself_is_refused(body):
    with pytest.raises(tl.TorchLeanError, match=f"^net: .*({BROKEN[body]})"):
        tl.from_onnx(model(f"net (float[2] x) => (float[N] y) {body}"))


def weight(**changes):
    file = model(FINE)
    tensor = file.graph.initializer[0]
    tensor.CopyFrom(helper.make_tensor("w", TensorProto.FLOAT, [2], bytes(8), raw=True))
    for name, value in changes.items():
        field = getattr(tensor, name)
        if value is None:
            tensor.ClearField(name)
        elif hasattr(field, "extend"):
            del field[:]
            field.extend(value)
        else:
            setattr(tensor, name, value)
    return file


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"dims": [2**40, 2**40]}, "claims shape"),
        ({"dims": [-2]}, "claims shape"),
        ({"dims": [2**30]}, "holds 8 bytes, not"),
        ({"raw_data": b"123"}, "holds 3 bytes, not 8"),
        ({"data_type": 8}, "element type 8"),
        ({"data_type": 99}, "element type 99"),
        ({"name": "v"}, "without a source"),
        ({"data_type": 10, "raw_data": None, "int32_data": [0, 70000]}, "'w': "),
        ({"data_type": 10, "raw_data": None, "int32_data": [0, -1]}, "'w': "),
    ],
)
def test_a_tensor_that_claims_too_much_is_refused(changes, match):
    refused(weight(**changes), match)


def external(**entries):
    file = weight(data_location=TensorProto.EXTERNAL)
    file.graph.initializer[0].ClearField("raw_data")
    for key, value in entries.items():
        file.graph.initializer[0].external_data.add(key=key, value=value)
    return file


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"location": "../secret.bin"}, "no file in the folder"),
        ({"location": "/etc/hostname"}, "no file in the folder"),
        ({"location": "link.bin"}, "no file in the folder"),
        ({"location": "absent.bin"}, "no file in the folder"),
        ({"location": "."}, "no file in the folder"),
        ({}, "a file not given"),
        ({"location": "data.bin", "offset": "4"}, "needs 8 bytes"),
        ({"location": "data.bin", "offset": "-4"}, "needs 8 bytes"),
        ({"location": "data.bin", "length": "99999999999"}, "needs 8 bytes"),
        ({"location": "data.bin", "offset": "x"}, "invalid literal"),
    ],
)
def test_external_data_stays_inside_its_folder(entries, match, tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "data.bin").write_bytes(bytes(8))
    path = folder / "net.onnx"
    path.write_bytes(external(**entries).SerializeToString())
    assert "'w'" in refused(path, match)


def test_the_data_in_the_folder_is_read(tmp_path):
    (tmp_path / "data.bin").write_bytes(np.float32([3, 4]).tobytes())
    path = tmp_path / "net.onnx"
    path.write_bytes(external(location="data.bin").SerializeToString())
    assert tl.from_onnx(path)[1]["w"].tolist() == [3, 4]


HEAD = '<ir_version: 8, opset_import: ["" : 18, "own" : 1]>'


def function(name, body):
    return (
        f'<domain: "own", opset_import: ["" : 18, "own" : 1]> {name} (x) => (y) {body}'
    )


def test_a_function_that_calls_itself_is_refused():
    text = f"{HEAD} net (float[2] x) => (float[2] y) {{ y = own.a(x) }}"
    text += function("a", "{ y = own.b(x) }") + function("b", "{ y = own.a(x) }")
    refused(onnx.parser.parse_model(text), "calls itself")


def test_functions_that_multiply_are_refused():
    """Ten calls of ten calls of ten calls...: 10 ** 12 nodes in a small file."""
    calls = "z0 = own.f{k}(x) " + " ".join(
        f"z{i} = own.f{{k}}(z{i - 1})" for i in range(1, 10)
    )
    text = f"{HEAD} net (float[2] x) => (float[2] y) {{ y = own.f12(x) }}"
    for k in range(1, 13):
        text += function(f"f{k}", f"{{ {calls.format(k=k - 1)} y = Neg(z9) }}")
    text += function("f0", "{ y = Neg(x) }")
    refused(onnx.parser.parse_model(text), "nodes once functions are inlined")
