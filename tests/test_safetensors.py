"""safetensors in and out. Oracles: the package's own NumPy loader, files packed by hand
from the format's description, exact fractions, and sums written out."""

import json
import struct
import sys
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax import _safetensors_file as file
from torchlean_jax.zoo._extras import MissingExtraError
from torchlean_jax.zoo._network import Variables

pytest.importorskip("safetensors", reason="an extra: torchlean-jax[safetensors]")
from safetensors.numpy import load_file, save_file

KERNEL = np.arange(6, dtype=np.float32).reshape(3, 2)
NAMES = {"kernel": ("fc.weight", "linear"), "bias": "fc.bias"}


def params(**more):
    return {"kernel": jnp.array(KERNEL), "bias": jnp.zeros(2), **more}


def packed(header, content=b""):
    """A file by hand: the length of the header, the header, the bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def bits(x):
    x = np.asarray(x)
    return str(x.dtype), x.shape, x.tobytes()


def every_pattern(kind):
    """All bit patterns of 16 bits: NaN payloads, subnormals, both zeros."""
    return np.arange(1 << 16, dtype=np.uint16).view(kind)


ODD = {
    "bfloat16": every_pattern(jnp.bfloat16),
    "float16": every_pattern(np.float16),
    "float32": np.array([0x7FA00001, 1, 0x80000000], np.uint32).view(np.float32),
    "float8": np.arange(256, dtype=np.uint8).view(jnp.float8_e4m3fn),
    "float8 wide": np.arange(256, dtype=np.uint8).view(jnp.float8_e5m2),
    "integers": np.array([-128, 127], np.int8),
    "unsigned": np.array([2**32 - 1], np.uint32),
    "truth": np.array([[True], [False]]),
    "complex": np.array([1 - 2j], np.complex64),
    "scalar": np.array(-0.0, np.float32),
    "scalar of 16 bits": np.array(3, jnp.bfloat16),
    "empty": np.zeros((0, 3), np.float32),
    "strided": np.arange(12, dtype=np.int32).reshape(3, 4)[::2, ::-1],
}


def test_a_round_trip_keeps_every_bit(tmp_path):
    path = tmp_path / "odd.safetensors"
    tree = Variables({"a": [ODD], "b.c": jnp.ones(1)}, {"mean": jnp.zeros(2)})
    tl.to_safetensors(path, tree)
    found = tl.from_safetensors(path, tree)
    assert jax.tree.structure(found) == jax.tree.structure(tree)
    assert jax.tree.map(bits, found) == jax.tree.map(bits, tree)
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(found))


def test_files_are_what_the_package_reads_and_writes(tmp_path):
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    arrays = {
        name: x
        for name, x in ODD.items()
        if name != "strided" and x.dtype.kind in "biucf" and x.dtype.isbuiltin == 1
    }
    tl.to_safetensors(ours, {**arrays, "strided": ODD["strided"]})
    read = load_file(ours)
    assert {name: bits(read[name]) for name in arrays} == {
        name: bits(x) for name, x in arrays.items()
    }
    np.testing.assert_array_equal(read["strided"], ODD["strided"])
    save_file(arrays, theirs)
    found = tl.from_safetensors(theirs, arrays)
    assert jax.tree.map(bits, found) == jax.tree.map(bits, arrays)


def test_bfloat16_is_what_the_format_says(tmp_path):
    path = tmp_path / "b.safetensors"
    path.write_bytes(packed({"w": entry("BF16", [2], 0, 4)}, b"\x80\x3f\x01\x00"))
    found = tl.from_safetensors(path, {"w": jax.ShapeDtypeStruct((2,), jnp.bfloat16)})
    exact = [Fraction(float(x)) for x in np.asarray(found["w"])]
    assert exact == [1, Fraction(1, 2**133)]
    tl.to_safetensors(path, found)
    assert load_bytes(path.read_bytes(), "w") == b"\x80\x3f\x01\x00"


def load_bytes(content, name):
    size = struct.unpack("<Q", content[:8])[0]
    start, end = json.loads(content[8 : 8 + size])[name]["data_offsets"]
    return content[8 + size :][start:end]


def test_names_and_transposes(tmp_path):
    path = tmp_path / "fc.safetensors"
    tl.to_safetensors(path, params(), names=NAMES)
    np.testing.assert_array_equal(load_file(path)["fc.weight"], KERNEL.T)
    found = tl.from_safetensors(path, params(), names=NAMES)
    assert jax.tree.map(bits, found) == jax.tree.map(bits, params())
    found = tl.from_safetensors(path, params(), names=lambda ours: NAMES[ours])
    np.testing.assert_array_equal(found["kernel"], KERNEL)


def test_a_convolution_of_the_file_is_the_one_that_it_says(tmp_path):
    """As PyTorch defines Conv2d, written out: OIHW, a correlation."""
    path = tmp_path / "conv.safetensors"
    random = np.random.default_rng(0)
    w = random.integers(-4, 5, (3, 2, 2, 4)).astype(np.float32)
    x = random.integers(-4, 5, (2, 5, 6)).astype(np.float32)
    save_file({"w": w}, path)
    like = {"kernel": jax.ShapeDtypeStruct((2, 4, 2, 3), jnp.float32)}
    names = {"kernel": ("w", "conv")}
    kernel = tl.from_safetensors(path, like, names=names)["kernel"]
    y = jax.lax.conv_general_dilated(
        jnp.array(x).transpose(1, 2, 0)[None],
        kernel,
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )[0].transpose(2, 0, 1)
    for o, i, j in np.ndindex(3, 4, 3):
        assert y[o, i, j] == (w[o] * x[:, i : i + 2, j : j + 4]).sum()
    again = tmp_path / "again.safetensors"
    tl.to_safetensors(again, {"kernel": kernel}, names=names)
    assert bits(load_file(again)["w"]) == bits(w)


@pytest.mark.parametrize("axes", [(2, 0, 1), (1, 2, 0), (0, 1, 2)])
def test_axes_are_those_of_transpose_and_go_back(tmp_path, axes):
    path = tmp_path / "axes.safetensors"
    w = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    save_file({"w": w}, path)
    like = {"w": w.transpose(axes)}
    found = tl.from_safetensors(path, like, names={"w": ("w", axes)})
    np.testing.assert_array_equal(found["w"], w.transpose(axes))
    tl.to_safetensors(path, found, names={"w": ("w", axes)})
    assert bits(load_file(path)["w"]) == bits(w)


def test_one_array_of_the_file_may_serve_twice(tmp_path):
    path = tmp_path / "tied.safetensors"
    save_file({"wte": KERNEL}, path)
    tied = {"embed": KERNEL, "head": KERNEL.T}
    names = {"embed": "wte", "head": ("wte", "linear")}
    found = tl.from_safetensors(path, tied, names=names)
    np.testing.assert_array_equal(found["head"], KERNEL.T)
    with pytest.raises(tl.InputError, match="head: the name 'wte' is taken"):
        tl.to_safetensors(path, tied, names=names)


def refused(error, call, *args, **kwargs):
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_all_that_does_not_fit_is_said_at_once(tmp_path):
    path = tmp_path / "net.safetensors"
    like = params(scale=jnp.ones(2), gain=jnp.ones(2), step=jnp.array(0), c=jnp.ones(1))
    names = {
        **NAMES,
        "scale": "norm.weight",
        "gain": ("g", "conv"),
        "step": "step",
        "old": "x",
    }
    stored = {"fc.weight": KERNEL, "fc.bias": np.zeros(2, np.float16)}
    stored |= {"g": np.ones(2, np.float32), "more": KERNEL, "step": np.zeros(1)}
    save_file(stored, path)
    said = refused(tl.InputError, tl.from_safetensors, path, like, names=names)
    for line in (
        f"{path} does not fit",
        "kernel (in the file fc.weight): float32[2, 3], needed float32[3, 2]",
        "bias (in the file fc.bias): float16[2], needed float32[2]",
        "scale (in the file norm.weight): missing",
        "gain (in the file g): 'conv' is no layout of 1 axes",
        "step: float64[1], needed int32[]",
        "old: in names, but no array",
        "c: names gives None",
        "more (in the file): unknown",
    ):
        assert line in said
    assert len(said.splitlines()) == 9


def test_what_is_ignored_is_left_aside_and_nothing_else(tmp_path):
    path = tmp_path / "net.safetensors"
    save_file({"w": KERNEL, "h.0.mask": KERNEL, "h.1.mask": KERNEL}, path)
    assert tl.from_safetensors(path, {"w": KERNEL}, ignore="h.*.mask").keys() == {"w"}
    call = tl.from_safetensors, path, {"w": KERNEL}
    assert "h.1.mask (in" in refused(tl.InputError, *call, ignore=["h.0.mask"])
    assert "w: missing" not in refused(tl.InputError, *call)


def test_dtypes_change_only_when_asked(tmp_path):
    path = tmp_path / "half.safetensors"
    half = {"w": every_pattern(np.float16)[:0x7C00], "n": np.array([7], np.int8)}
    save_file(half, path)
    like = {"w": jax.ShapeDtypeStruct((0x7C00,), jnp.float32), "n": half["n"]}
    assert "needed float32" in refused(tl.InputError, tl.from_safetensors, path, like)
    found = tl.from_safetensors(path, like, dtype="float32")
    assert found["n"].dtype == jnp.int8  # integers stay
    np.testing.assert_array_equal(np.asarray(found["w"]), half["w"].astype(np.float32))
    tl.to_safetensors(path, found, dtype=jnp.float16)
    assert bits(load_file(path)["w"]) == bits(half["w"])


def nearest(x, dtype, digits, least):
    """x rounded to `digits` bits, the unit at least 2^least, in fractions."""
    exact = Fraction(float(x))
    power = 0
    while abs(exact) >= Fraction(2) ** (power + 1):
        power += 1
    while exact and abs(exact) < Fraction(2) ** power:
        power -= 1
    unit = Fraction(2) ** max(power - digits + 1, least)
    return round(exact / unit) * unit  # ties to even


FORMATS = [(jnp.bfloat16, 8, -133), (jnp.float16, 11, -24), (jnp.float32, 24, -149)]


@pytest.mark.parametrize(("dtype", "digits", "least"), FORMATS, ids=lambda x: str(x))
def test_casts_round_once(dtype, digits, least):
    """Twice, by way of binary32, 1 + 2^-8 + 2^-40 becomes 1 in bfloat16."""
    half = 2.0**-digits
    random = np.random.default_rng(0)
    ties = 1 + half * np.arange(1, 9)
    x = np.concatenate([ties, ties * (1 + 2.0**-40), ties * (1 - 2.0**-40)])
    x = np.concatenate([x, x * 2.0 ** (least + 1), random.normal(size=200)])
    x = np.concatenate([x, -x, [0.0, 2.0 ** (least - 1), 2.0**-300]])
    y = file.rounded(x, np.dtype(dtype))
    wanted = [nearest(v, dtype, digits, least) for v in x]
    assert [Fraction(float(v)) for v in y] == wanted
    kept = file.rounded(np.array([np.nan, np.inf, -np.inf, -0.0]), np.dtype(dtype))
    assert str(kept.astype(float)) == "[ nan  inf -inf  -0.]"


def test_what_a_cast_loses_is_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    save_file({"w": np.array([1, 7e4, np.inf], np.float32)}, path)
    like = {"w": jax.ShapeDtypeStruct((3,), jnp.float16)}
    call = tl.from_safetensors, path, like
    assert "w: 1 finite numbers" in refused(tl.InputError, *call, dtype="float16")
    for dtype in ("int8", "float128?", jnp.float8_e5m2):
        assert "dtype: one of float64" in refused(tl.InputError, *call, dtype=dtype)
    tree = {"w": jnp.array([1e30])}
    assert "overflow" in refused(
        tl.InputError, tl.to_safetensors, path, tree, dtype="float16"
    )


def test_nothing_is_cut_to_32_bits(tmp_path):
    path = tmp_path / "wide.safetensors"
    wide = {"w": np.array([1 / 3]), "n": np.array([2**40])}
    save_file(wide, path)
    said = refused(tl.InputError, tl.from_safetensors, path, wide)
    assert "w: JAX would make it float32" in said and "n: JAX" in said
    with jax.enable_x64(True):
        found = tl.from_safetensors(path, wide)
        assert jax.tree.map(bits, found) == jax.tree.map(bits, wide)


def test_what_cannot_be_written_is_said_at_once_and_nothing_is(tmp_path):
    path = tmp_path / "net.safetensors"
    tree = {
        "key": jax.random.key(0),
        "rate": 0.5,
        "__metadata__": KERNEL,
        "quarter": jnp.zeros(2, jnp.int4),
        "fine": KERNEL,
    }
    said = refused(tl.InputError, tl.to_safetensors, path, tree)
    for line in ("key: ", "rate: float", "__metadata__: ", "quarter: the format has"):
        assert line in said
    assert len(said.splitlines()) == 5 and not list(tmp_path.iterdir())
    twice = {"a": {"b": KERNEL}, "a.b": KERNEL}
    assert "called 'a.b'" in refused(tl.InputError, tl.to_safetensors, path, twice)


FINE = packed(
    {"a": entry("F32", [1], 0, 4), "b": entry("I32", [1], 4, 8)},
    b"\0\0\x80\x3f\7\0\0\0",
)
LIKE = {"a": np.ones(1, np.float32), "b": np.ones(1, np.int32)}
HOSTILE = {
    "empty": b"",
    "no header": struct.pack("<Q", 2**63) + b"{}",
    "a list": packed(b"[]"),
    "no text": packed(b"\xff\xfe"),
    "overlapping": packed({k: entry("F32", [1], 0, 4) for k in "ab"}, bytes(4)),
    "a hole": packed({"a": entry("F32", [1], 4, 8)}, bytes(8)),
    "more bytes": FINE + b"\0",
    "outside": packed({"a": entry("F32", [2], 0, 8)}, bytes(4)),
    "wrong size": packed({"a": entry("F32", [2], 0, 4)}, bytes(4)),
    "huge": packed({"a": entry("F32", [2**62, 2**62], 0, 4)}, bytes(4)),
    "huge and empty": packed({"a": entry("F32", [0, 2**62, 2**62], 0, 0)}),
    "below zero": packed({"a": entry("F32", [-1], 0, 4)}, bytes(4)),
    "unknown dtype": packed({"a": entry("F31", [1], 0, 4)}, bytes(4)),
    "dtype that JAX lacks": packed({"a": entry("F4", [2], 0, 1)}, bytes(1)),
    "neither true nor false": packed({"a": entry("BOOL", [1], 0, 1)}, b"\2"),
    "named twice": packed(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}',
        bytes(4),
    ),
    "deep": packed(b'{"a":' * 5000),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_by_its_name(tmp_path, content):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    said = refused(tl.FileFormatError, tl.from_safetensors, path, LIKE)
    assert said.startswith(f"{path}: not a safetensors file: ")


def test_a_file_that_is_cut_short_anywhere_is_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    for length in range(len(FINE)):
        path.write_bytes(FINE[:length])
        assert str(path) in refused(tl.FileFormatError, tl.from_safetensors, path, LIKE)
    path.write_bytes(FINE)
    found = tl.from_safetensors(path, LIKE)
    assert (found["a"][0], found["b"][0]) == (1, 7)


def test_a_wrong_byte_is_refused_or_read(tmp_path):
    """Whatever the byte, a typed error or arrays of the shapes and dtypes asked for."""
    path = tmp_path / "net.safetensors"
    random = np.random.default_rng(0)
    refusals = 0
    for _ in range(400):
        wrong = bytearray(FINE)
        wrong[random.integers(len(FINE))] ^= 1 << random.integers(8)
        path.write_bytes(wrong)
        try:
            found = tl.from_safetensors(path, LIKE)
        except tl.InputError as error:
            assert str(error).startswith(str(path))
            refusals += 1
        else:
            assert jax.tree.map(lambda x: (x.shape, x.dtype), found) == jax.tree.map(
                lambda x: (x.shape, x.dtype), LIKE
            )
    assert refusals > 200


def test_a_file_that_is_not_there_and_a_package_that_is_not(tmp_path, monkeypatch):
    path = tmp_path / "none.safetensors"
    with pytest.raises(FileNotFoundError):
        tl.from_safetensors(path, LIKE)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (tl.from_safetensors, tl.to_safetensors):
        with pytest.raises(MissingExtraError, match=r"torchlean-jax\[safetensors\]"):
            call(path, LIKE)


FAULTS = {
    "the inverse of a transpose is not itself": (
        "torchlean_jax._safetensors._Place.theirs",
        lambda self, x: x.transpose(self._axes(x.ndim)),
        lambda path: test_axes_are_those_of_transpose_and_go_back(path, (2, 0, 1)),
    ),
    "rounding twice": (
        "torchlean_jax._safetensors_file._to_odd",
        lambda x: x.astype(np.float32),
        lambda path: test_casts_round_once(*FORMATS[0]),
    ),
    "the last of two names wins": (
        "torchlean_jax._safetensors_file._once",
        dict,
        lambda path: test_a_hostile_file_is_refused_by_its_name(
            path, HOSTILE["named twice"]
        ),
    ),
    "a cast that nobody asked for": (
        "torchlean_jax._safetensors.differences",
        lambda given, needed: [],
        test_all_that_does_not_fit_is_said_at_once,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_noticed(name, tmp_path, monkeypatch):
    target, wrong, test = FAULTS[name]
    test(tmp_path)
    monkeypatch.setattr(target, wrong)
    with pytest.raises((AssertionError, pytest.fail.Exception, tl.InputError)):
        test(tmp_path)
