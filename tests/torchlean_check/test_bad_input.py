"""What is not a certificate is refused with the name of the file and the field."""

import ast
import copy
import json
import re
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import flint
import numpy as np
import pytest

import torchlean_check
from tests.torchlean_check.builder import (
    Certificate,
    archive,
    canonical,
    described,
    digest_of,
    dyadic,
    leaf,
    members_of,
)
from tests.torchlean_check.examples import DOT, EXAMPLES, mlp, tree
from torchlean_check import (
    CertificateError,
    MalformedCertificate,
    UnsupportedCertificate,
    _tensor,
    check,
    check_many,
)
from torchlean_check.__main__ import main

ROOT = Path(torchlean_check.__file__).parent.parent


def refused(blob: bytes, words: str, kind=MalformedCertificate) -> None:
    with pytest.raises(kind, match=words):
        check(blob)


def with_manifest(text: bytes) -> bytes:
    return archive({**mlp().members(), "manifest.json": text})


@pytest.mark.parametrize(
    "text, words",
    [
        (b"", "Expecting value"),
        (b"[]", "must be an object"),
        (b'{"a":1,"a":1}', "repeated key"),
        (b'{"a":NaN}', "not an integer"),
        (b'{"a":-Infinity}', "not an integer"),
        (b'{"a":1e9999}', "not an integer"),
        (b'{"a":0.5}', "not an integer"),
        (b'{"a":' + b"9" * 400 + b"}", "more than 19 digits"),
        (b"[" * 100_000, "nested|deep"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested|deep|must be|unknown"),
        (b'{"b":1,"a":1}', "canonical"),
        (b'{"a": 1}', "canonical"),
        (b'{"a":"\\u0041"}', "canonical"),
        (b'{"a":"\xff"}', "codec"),
        (b"{}", "missing"),
    ],
)
def test_manifests_that_are_not_canonical_json(text, words):
    refused(with_manifest(text), words)


def test_other_archives_of_the_same_members(tmp_path):
    """Compressed, commented, padded, with a directory entry, in another order."""
    members = mlp().members()

    def written(compression=zipfile.ZIP_STORED, comment=b"", names=None, date=1980):
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w", compression) as writer:
            writer.comment = comment
            for name in names or sorted(members):
                info = zipfile.ZipInfo(name, (date, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, 0o100644 << 16
                info.compress_type = compression
                writer.writestr(info, members.get(name, b""))
        return path.read_bytes()

    assert check(written()).accepted
    refused(written(zipfile.ZIP_DEFLATED), "canonical")
    refused(written(comment=b"hello"), "canonical")
    refused(written(names=sorted(members)[::-1]), "unsorted")
    refused(written(names=["arrays/", *sorted(members)]), "unexpected")
    refused(written(date=1981), "canonical")
    refused(b"PK\5\6" + bytes(18), "no manifest")


def test_a_declared_size_is_never_trusted():
    """The header of a bomb: a gigabyte announced, nothing there."""
    blob = bytearray(mlp().pack())
    blob[18:26] = struct.pack("<2I", 1 << 30, 1 << 30)
    refused(bytes(blob), "truncated")
    refused(bytes(blob[:25]), "truncated")
    refused(b"", "no manifest|canonical")


def changed(build, *path, to) -> Certificate:
    """An example with one place of its description replaced."""
    c = copy.deepcopy(build())
    place = c.__dict__
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return c


CASES = [
    (mlp, ("graph", "inputs", 0, "shape"), [0], "positive"),
    (mlp, ("graph", "inputs", 0, "shape"), [1] * 40, "positive and at most"),
    (mlp, ("graph", "inputs", 0, "shape"), [2**31], "more than"),
    (mlp, ("graph", "inputs", 0, "dtype"), "int32", "float"),
    (mlp, ("graph", "inputs", 0, "value"), True, "type int"),
    (mlp, ("graph", "nodes", 0, "op"), "lgamma", "cannot be checked"),
    (mlp, ("graph", "nodes", 0, "op"), "_product", "cannot be checked"),
    (mlp, ("graph", "nodes", 0, "params"), {}, "missing"),
    (mlp, ("graph", "nodes", 1, "params"), {"axis": 0}, "unknown field"),
    (mlp, ("graph", "nodes", 0, "in"), [0], "takes 2"),
    (mlp, ("graph", "nodes", 0, "in"), [], "no operands"),
    (mlp, ("graph", "nodes", 0, "in"), [0, 99], "not defined"),
    (mlp, ("graph", "nodes", 0, "in"), [0, 4], "not defined"),
    (mlp, ("graph", "nodes", 0, "out"), 0, "defined twice"),
    (mlp, ("graph", "nodes", 0, "out"), -7, "negative"),
    (mlp, ("graph", "nodes", 0, "shape"), [2], "declared"),
    (mlp, ("graph", "outputs"), [], "at least one"),
    (mlp, ("graph", "outputs"), [99], "not defined"),
    (mlp, ("proof",), [], "lacks 1 leaves"),
    (mlp, ("proof",), [leaf(), leaf()], "beyond the end"),
    (mlp, ("proof",), [leaf("magic")], "method"),
    (mlp, ("proof",), [leaf(final={"99": "0"})], "slopes"),
    (mlp, ("proof",), [leaf(final={"x": "0"})], "slopes"),
    (tree, ("proof", 1, "split", "index"), 2, "out of range"),
    (tree, ("proof", 1, "split", "at"), [2, 0], "odd"),
    (tree, ("proof", 1, "split", "at"), [1, 5000], "odd"),
    (tree, ("proof", 1, "split", "value"), 1, "depends on the inputs"),
    (tree, ("property",), {"any": []}, "empty"),
    (tree, ("sets",), [], "every input"),
]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{'.'.join(map(str, c[1]))}={c[2]}"
)
def test_descriptions_that_break_the_format(case):
    build, path, value, words = case
    with pytest.raises(CertificateError, match=words) as caught:
        check(changed(build, *path, to=value).pack())
    assert caught.value.field


def test_an_incomplete_tree_of_cases_is_refused():
    """Without its last leaf the upper half of the box would go unproved."""
    c = tree()
    for count in range(1, 5):
        c.proof = tree().proof[:count]
        refused(c.pack(), "lacks")


def test_a_deep_conjunction_is_refused():
    c = mlp()
    for _ in range(60):
        c.property = {"all": [c.property]}
    refused(c.pack(), "50 deep")


def test_arrays_are_checked_against_the_table():
    c = mlp()
    members = c.members()
    for field, value, words in (
        ("shape", [4], "bytes"),
        ("shape", [1, 1, 2], "shape|bytes"),
        ("dtype", "complex64", "dtype"),
        ("dtype", "float16", "bytes"),
        ("sha256", "0" * 64, "SHA-256"),
    ):
        manifest = c.manifest()
        manifest["arrays"]["0"][field] = value
        refused(archive({**members, "manifest.json": canonical(manifest)}), words)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["0", "1", "2", "8"])
def test_nan_and_infinity_in_arrays(name, value):
    """In the box, in the weights, in the property."""
    c = mlp()
    c.arrays[name] = c.arrays[name].astype(np.float64)
    c.arrays[name].flat[0] = value
    refused(c.pack(), "NaN")


def test_an_empty_box_is_refused():
    refused(mlp(box=((1.0, 0.0), (0.5, 0.0))).pack(), "lo > hi")


def test_a_bool_that_is_neither():
    c = EXAMPLES["layout"]()
    members, manifest = c.members(), c.manifest()
    (name,) = [k for k, a in c.arrays.items() if a.dtype == bool]
    members[f"arrays/{name}"] = b"\2" * 4
    manifest["arrays"][name] = {
        **described(np.full(4, 2, np.uint8)),
        "dtype": "bool",
    }
    manifest["graph_digest"] = digest_of(c.graph, manifest["arrays"])
    refused(archive({**members, "manifest.json": canonical(manifest)}), "bool")


def test_slopes_outside_of_the_unit_interval():
    """A lower line of slope 2 would lie above relu."""
    for value in (1.5, -0.25):
        c = mlp()
        node = str(c.graph["nodes"][2]["out"])
        slopes = np.array([0.5, value, 0.5])
        for phase in ("refining", "final"):
            c = mlp()
            c.proof = [leaf(**{phase: {node: c.array(slopes)}})]
            refused(c.pack(), r"\[0, 1\]")


def huge(op, operand_shape, shape, **params) -> bytes:
    c = Certificate()
    c.output(
        c.node(
            op,
            [c.box(np.zeros(operand_shape), np.ones(operand_shape))],
            shape,
            **params,
        )
    )
    c.property = c.rows([[1]], [0])
    return c.pack()


def test_work_is_bounded_before_it_is_done():
    """Small files that ask for gigabytes or hours."""
    window = {
        "window_dimensions": [2**15],
        "window_strides": [1],
        "padding": [[2**16, 2**16]],
        "base_dilation": [2**16],
        "window_dilation": [1],
    }
    for blob in (
        huge("broadcast_in_dim", (), [2**40], broadcast_dimensions=[]),
        huge("broadcast_in_dim", (), [2**11, 2**11, 2], broadcast_dimensions=[]),
        huge("reduce_window_sum", (64,), [2**21], **window),
        huge(
            "reduce_window_max", (64,), [1], **{**window, "window_dimensions": [2**62]}
        ),
        huge("pad", (2,), [2**50], padding_config=[[0, 0, 2**50 - 2]]),
        huge("cumsum", (2**14,), [2**14], axis=0, reverse=False),
    ):
        start = time.process_time()
        with pytest.raises(CertificateError):
            check(blob)
        assert time.process_time() - start < 5


def test_numbers_too_far_apart_are_refused_before_they_are_aligned(monkeypatch):
    """A million entries in units of 2**-2000 would take 250 megabytes for each copy."""
    monkeypatch.setattr(_tensor, "MAX_BITS", 1 << 20)
    c = Certificate()
    x = c.node("broadcast_in_dim", [c.box(1.0, 1.0)], [512], broadcast_dimensions=[])
    tiny = c.node("mul", [x, c.constant(np.float64(2.0**-1074))], [512])
    tiny = c.node("mul", [tiny, c.constant(np.float64(2.0**-1000))], [512])
    c.output(c.node("add", [tiny, x], [512]))
    c.property = c.rows(np.ones((1, 512)), [0])
    refused(c.pack(), "far apart", UnsupportedCertificate)


def test_repeated_squaring_is_refused_and_not_computed():
    c = Certificate()
    x = c.box([3.0], [3.5])
    for _ in range(40):
        x = c.node("square", [x], [1])
    c.output(x)
    c.property = c.rows([[1]], [0])
    refused(c.pack(), "too large|magnitudes|beyond", UnsupportedCertificate)


@pytest.mark.parametrize(
    "op, operands, words",
    [
        ("div", "xz", "contains zero"),
        ("clamp", "xxz", "abstract"),
        ("conv_general_dilated", "xx", "abstract kernel|ranks"),
        ("select_n", "xx", "constant"),
        ("add", "xi", "int32"),
        ("convert_element_type", "x", "floats"),
    ],
)
def test_operations_without_a_theorem(op, operands, words):
    c = Certificate()
    x = c.box([-1.0], [1.0])
    values = {"x": x}
    if "z" in operands:
        values["z"] = c.constant(np.zeros(1))
    if "i" in operands:
        values["i"] = c.constant(np.ones(1, np.int32))
    params = {"convert_element_type": {"new_dtype": "int32"}}.get(op, {})
    if op.startswith("conv_"):
        names = ("window_strides", "lhs_dilation", "rhs_dilation", "padding")
        params = {name: [] for name in names}
        params |= {"feature_group_count": 1, "batch_group_count": 1}
        params["dimension_numbers"] = [[0, 1]] * 3
    c.output(c.node(op, [values[v] for v in operands], [1], **params))
    c.property = c.rows([[1]], [0])
    with pytest.raises(CertificateError, match=words):
        check(c.pack())


def test_constraints_and_other_semantics_are_not_ignored():
    c = mlp()
    for field, value in (("semantics", "fp32"), ("version", 2), ("format", "x")):
        manifest = {**c.manifest(), field: value}
        blob = archive({**c.members(), "manifest.json": canonical(manifest)})
        with pytest.raises(CertificateError):
            check(blob)
    manifest = c.manifest()
    manifest["input_set"]["constraints"] = [{"norm": 1}]
    blob = archive({**c.members(), "manifest.json": canonical(manifest)})
    refused(blob, "unknown field")


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "broken.tlc"
    path.write_bytes(b"not a zip")
    with pytest.raises(CertificateError, match=r"broken\.tlc"):
        check(path)
    good = tmp_path / "good.tlc"
    good.write_bytes(mlp().pack())
    one, two = check_many([path, good])
    assert not one.accepted and "broken.tlc" in one.reason
    assert two.accepted and two.file == str(good)
    with pytest.raises(OSError):
        check(tmp_path / "missing.tlc")


def run(*arguments, cwd=ROOT):
    """The command on a bare interpreter: no site-packages, no environment."""
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    code += "from torchlean_check.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-S", "-I", "-c", code, str(ROOT), *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_and_its_exit_codes(tmp_path):
    good, bad, false = (tmp_path / name for name in ("good", "bad", "false"))
    good.write_bytes(mlp().pack())
    bad.write_bytes(mlp().pack()[:-1])
    false.write_bytes(mlp(offset=100.0).pack())
    result = run(good)
    assert result.returncode == 0 and "1 of 1 accepted" in result.stdout
    assert check(good).claim in result.stdout
    for path in (bad, false):
        result = run(good, path, "--json", tmp_path / "out.json")
        assert result.returncode == 1
        assert re.search(f"rejected +{re.escape(str(path))}: ", result.stdout)
        reports = json.loads((tmp_path / "out.json").read_text())
        assert [report["accepted"] for report in reports] == [True, False]
    assert run(good, "--quiet").stdout == ""
    assert run(tmp_path / "none").returncode == 2
    assert run().returncode == 2
    assert run("--nonsense", good).returncode == 2
    assert run("--arithmetic", "float", good).returncode == 2
    lacking = run("--arithmetic", "flint", good)
    assert lacking.returncode == 2 and "No module named 'flint'" in lacking.stderr


def test_the_command_says_what_multiplied(tmp_path, capsys):
    (tmp_path / "good").write_bytes(mlp().pack())
    good = str(tmp_path / "good")
    assert main([good]) == 0
    assert "exact, margin" in capsys.readouterr().out
    assert main(["--arithmetic", "flint", good]) == 0
    assert f"exact by flint {flint.__version__}, margin" in capsys.readouterr().out
    assert run(good, "--json", tmp_path / "no" / "out.json").returncode == 2
    assert "FILE" in run("--help").stdout
    assert run("--version").stdout.strip() == torchlean_check.__version__


def test_the_checker_imports_the_standard_library_only():
    """And nothing of the packages beside it; flint where it is asked for."""
    allowed = sys.stdlib_module_names | {"torchlean_check"}
    for path in sorted((ROOT / "torchlean_check").glob("*.py")):
        for line in path.read_text().splitlines():
            found = re.match(r"\s*(?:from|import) (\w+)", line)
            if found and not line.startswith(" " * 8 + '"'):
                asked = {"flint"} if path.name == "_matrices.py" else set()
                assert found[1] in allowed | asked, (path.name, line)


def lines_of_code(path: Path) -> int:
    """Lines that are not blank, comments or docstrings."""
    text = path.read_text()
    ignored = set()
    for node in ast.walk(ast.parse(text)):
        kinds = ast.Module | ast.ClassDef | ast.FunctionDef
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            first = node.body[0]
            ignored |= set(range(first.lineno, first.end_lineno + 1))
    lines = enumerate(text.splitlines(), 1)
    code = [n for n, line in lines if line.strip() and line.strip()[0] != "#"]
    return len(set(code) - ignored)


def test_the_checker_can_be_read_in_one_sitting():
    sizes = {p.stem: lines_of_code(p) for p in (ROOT / "torchlean_check").glob("*.py")}
    derivation = "_tensor _linear _relax _graph _bounds _claim _verdict".split()
    assert sum(sizes[name] for name in derivation) < 950
    assert sizes["_cases"] < 200
    assert sizes["_packed"] + sizes["_matrices"] < 200
    zonotopes = "_zonotopes _zonotope_steps _zonotope_bounds".split()
    assert sum(sizes[name] for name in zonotopes) < 330
    executions = "_executions _roundings _sums _library".split()
    assert sum(sizes[name] for name in executions) < 500
    assert all(size < 200 for size in sizes.values())


def test_it_works_as_one_file(tmp_path):
    target = tmp_path / "check.pyz"
    staging = tmp_path / "staging"
    (staging / "torchlean_check").mkdir(parents=True)
    for path in (ROOT / "torchlean_check").glob("*.py"):
        (staging / "torchlean_check" / path.name).write_bytes(path.read_bytes())
    build = [sys.executable, "-m", "zipapp", str(staging), "-o", str(target)]
    build += ["-m", "torchlean_check.__main__:main"]
    subprocess.run(build, check=True, timeout=60)
    good = tmp_path / "good.tlc"
    good.write_bytes(mlp().pack())
    command = [sys.executable, "-S", "-I", str(target), str(good)]
    subprocess.run(command, capture_output=True, timeout=60, check=True)


def test_members_of_is_the_inverse_of_archive():
    members = mlp().members()
    assert members_of(archive(members)) == members
    assert DOT["dimension_numbers"] and dyadic(0.75) == [3, -2]
