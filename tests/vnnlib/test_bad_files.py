"""Files that cannot be meant: each is refused, with the line and the reason."""

import gzip
import time

import pytest

from tests.vnnlib.files import boxed, declared
from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.vnnlib import read_vnnlib

HEAD = declared(2, 1)
BOX = boxed((0, 0), (1, 1))
UNSAFE = "(assert (<= Y_0 0))\n"


def write(tmp_path, text, name="property.vnnlib"):
    path = tmp_path / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


BAD = {
    "(assert (<= X_2 0))": "line 4: X_2 is not declared",
    "(assert (<= Z 0))": "line 4: Z is not declared",
    "(assert (<= (* X_0 X_1) 0))": "line 4: a product of two variables",
    "(assert (<= (* X_0 (+ Y_0 1)) 0))": "line 4: a product of two variables",
    "(assert (<= (/ 1 X_0) 0))": "line 4: not a linear term",
    "(assert (<= (/ X_0 0) 0))": "line 4: not a linear term",
    "(assert (<= (sin X_0) 0))": "line 4: not a linear term",
    "(assert (let ((a X_0)) (<= a 0)))": "line 4: not understood",
    "(assert (<= X_0))": "line 4: not understood",
    "(assert X_0)": "line 4: not a formula",
    "(assert)": "line 4: not understood",
    "(check-sat-assuming (a))": "line 4: not understood",
    "(declare-const X_0 Real)": "X_0 is declared twice",
    "(declare-const X_3 Real)": "but X_2 is not",
    "(declare-const X_2 Int)": "of sort Real",
    "(declare-const A Real)": "variables are X_i and Y_j",
    "(assert (<= X_0 0)": "line 4: this bracket is never closed",
    "\n(assert (<= X_0 0)))": "line 5: this bracket closes nothing",
    "X_0": "outside of all brackets",
    "(assert (<= X_0 1e99999999))": "X_0|number|declared",
    "(assert (<= X_0 1e9999))": "a number beyond all use",
    "(assert (<= X_0 1.2.3))": "1.2.3 is not declared",
    "(assert (<= X_0 nan))": "nan is not declared",
    '(assert (<= X_0 1"2))': 'line 4: " is not declared',
    "(assert (<= X_0 '1|2))": "'1 is not declared",
    "(assert " + "(not " * 300 + "true" + ")" * 301: "nested more than",
}


@pytest.mark.parametrize("line", BAD, ids=lambda line: line.strip()[:50])
def test_what_is_not_understood_is_refused(line, tmp_path):
    path = write(tmp_path, HEAD + line + "\n" + BOX + UNSAFE)
    with pytest.raises(FileFormatError, match=r"property\.vnnlib: ") as caught:
        read_vnnlib(path)
    assert any(part in str(caught.value) for part in BAD[line].split("|"))


def test_inputs_without_bounds_are_refused(tmp_path):
    text = HEAD + "(assert (<= X_0 1)) (assert (>= X_0 0)) (assert (<= X_1 1))" + UNSAFE
    with pytest.raises(FileFormatError, match="without a lower bound: X_1"):
        read_vnnlib(write(tmp_path, text))


def test_a_file_without_variables_is_refused(tmp_path):
    for text in ("", "; nothing\n", "(declare-const X_0 Real)"):
        with pytest.raises(FileFormatError, match="is declared"):
            read_vnnlib(write(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("(assert (<= X_0 -1))", "X_0 is at least 0.0 and at most -1.0"),
        ("(assert (< X_0 0))", "X_0 is at least"),
        ("(assert (>= X_0 1e400))", "X_0 is at least inf"),
        ("(assert (>= (+ X_0 X_1) 2.1))", "holds nowhere in the box"),
        ("(assert (<= 1 0))", "false of all numbers"),
        ("(assert (or (<= 1 0) (< 1 1)))", "false of all numbers"),
        ("(assert false)", None),
    ],
)
def test_contradictory_inputs_are_said_to_be_empty(line, why, tmp_path):
    query = read_vnnlib(write(tmp_path, HEAD + BOX + UNSAFE + line))
    assert query.is_vacuous and not query.cases
    assert why is None or why in query.empty[0]


def test_one_empty_case_of_two_is_left_out(tmp_path):
    boxes = "(assert (or (<= 2 X_0 3) (<= 0 X_0 0.5)))"
    query = read_vnnlib(write(tmp_path, HEAD + BOX + UNSAFE + boxes))
    assert len(query.cases) == 1 and len(query.empty) == 1 and not query.is_vacuous


def test_too_many_cases_are_refused(tmp_path):
    halves = "".join(
        f"(assert (or (<= X_0 0.{i}) (>= X_1 0.{i})))" for i in range(1, 20)
    )
    with pytest.raises(FileFormatError, match="more than 65536 cases"):
        read_vnnlib(write(tmp_path, HEAD + BOX + UNSAFE + halves))


def test_packed_files_are_read_and_damaged_ones_refused(tmp_path):
    path = write(tmp_path, HEAD + BOX + UNSAFE, "p.vnnlib.gz")
    assert len(read_vnnlib(path).cases) == 1
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(FileFormatError, match="not a complete gzip file"):
        read_vnnlib(path)
    with pytest.raises(FileFormatError, match="not a complete gzip file"):
        read_vnnlib(_plain(tmp_path))
    with pytest.raises(FileFormatError, match="not a text file"):
        read_vnnlib(write(tmp_path, b"\xff\xfe\x00"))


def _plain(tmp_path):
    path = tmp_path / "plain.vnnlib.gz"
    path.write_text(HEAD)
    return path


def test_comments_and_the_silent_commands_mean_nothing(tmp_path):
    text = '(set-logic QF_LRA) ; (assert (<= X_0 -1))\n(set-info :status "a ) b")'
    query = read_vnnlib(write(tmp_path, text + HEAD + BOX + UNSAFE + "(check-sat)"))
    assert len(query.cases) == 1


def test_a_megabyte_is_read_in_seconds(tmp_path):
    """Processor time, ten times what it takes here; a quadratic reader needs hours."""
    count = 12_000
    ends = [f"0.{i:05d}" for i in range(count)], [f"1.{i:05d}" for i in range(count)]
    text = declared(count, 1) + boxed(*ends) + UNSAFE
    assert len(text) > 900_000
    path = write(tmp_path, text)
    start = time.process_time()
    query = read_vnnlib(path)
    assert time.process_time() - start < 10
    assert query.inputs == count and query.cases[0].box().shape == (count,)
