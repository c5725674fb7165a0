"""`torchlean verify suite`: a process for each instance, and what the report says.

Most tests put a small program in the place of `verify vnnlib`: what a death, a late
process or a wrong verdict does to the others is what they ask.
"""

import csv
import html.parser
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import onnx.parser
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.cli.test_vnnlib import NETWORK
from tests.vnnlib.files import boxed, declared
from torchlean_jax.cli import _instances, _suite_page, main
from torchlean_jax.cli._instances import Instance, Outcome, read_instances

# What a stand-in does is the name of its property.
STAND_IN = """
import json, os, pathlib, signal, sys, time
given = sys.argv
at = lambda name: pathlib.Path(given[given.index(name) + 1])
def say(status, code, **more):
    found = {"status": status, "parts": 7, "proved_share": [0.25], "margins": [-0.5]}
    at("--json").write_text(json.dumps(found | more))
    sys.exit(code)
what = pathlib.Path(given[4]).name.removesuffix(".vnnlib").split("_")[0]
if what == "unsat":
    at("--certificate").write_text("proof")
    say("unsat", 0, certificates=[str(at("--certificate"))])
if what == "sat":
    at("--counterexample").write_text("sat")
    say("sat", 1)
if what == "unknown":
    say("unknown", 3)
if what == "raises":
    raise RuntimeError("no such luck")
if what == "lies":  # an exit code that is not that of the verdict
    say("unsat", 1)
if what == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "dies-once":
    if at("--resume").exists():
        say("unsat", 0, resumed=at("--resume").read_text())
    at("--resume").write_text("half of it")
    os.kill(os.getpid(), signal.SIGKILL)
if what == "waits":
    print("deciding: 12 parts bounded", file=sys.stderr, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: say("unknown", 3))
    time.sleep(100)
if what == "hangs":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(100)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A benchmark of such names, decided by stand-ins; called with them."""
    program = tmp_path / "stand_in.py"
    program.write_text(STAND_IN)
    command = _instances._command

    def replaced(*given):
        _, _, _, *rest = command(*given)
        return [sys.executable, str(program), *rest]

    monkeypatch.setattr(_instances, "_command", replaced)
    (tmp_path / "net.onnx").touch()

    def write(*names, seconds=30, expected=()):
        lines = []
        for k, name in enumerate(names):
            (tmp_path / f"{name}.vnnlib").touch()
            verdict = f",{expected[k]}" if expected else ""
            lines.append(f"net.onnx,{name}.vnnlib,{seconds}{verdict}\n")
        path = tmp_path / "instances.csv"
        path.write_text("".join(lines))
        return path

    return write


def ran(path, tmp_path, *options):
    report, table = tmp_path / "out.html", tmp_path / "out.csv"
    given = [str(path), "--report", str(report), "--csv", str(table), *options]
    code = main(["verify", "suite", *given])
    with table.open() as stream:
        found = {row["property"].split(".")[0]: row for row in csv.DictReader(stream)}
    return code, found, report.read_text()


def test_one_that_dies_ends_no_other(stand_in, tmp_path, capsys):
    names = ["unsat", "raises", "dies", "lies", "sat", "unknown"]
    code, rows, page = ran(stand_in(*names), tmp_path, "--jobs", "3")
    assert code == 1 and list(rows) == names
    statuses = [row["status"] for row in rows.values()]
    assert statuses == ["unsat", "error", "error", "error", "sat", "unknown"]
    assert (
        rows["dies"]["said"] == "ended by SIGKILL" and rows["dies"]["attempts"] == "2"
    )
    assert rows["raises"]["said"] == "RuntimeError: no such luck"
    assert rows["unsat"]["certificates"] == "001-net-unsat.tlc"
    assert rows["sat"]["counterexample"] == "005-net-sat.txt"
    assert "2 of 6 decided: 1 sat, 1 unsat, 1 unknown, 0 timeout, 3 failed" in (
        capsys.readouterr().out
    )
    assert "out/001-net-unsat.tlc" in page and "out/005-net-sat.txt" in page


def test_one_that_died_goes_on_where_it_was(stand_in, tmp_path):
    code, rows, _ = ran(stand_in("dies-once"), tmp_path)
    assert code == 0 and rows["dies-once"]["status"] == "unsat"
    assert rows["dies-once"]["attempts"] == "2"
    results = json.loads((tmp_path / "out" / "001-net-dies-once.json").read_text())
    assert results["resumed"] == "half of it"


def test_one_that_is_late_is_killed(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(_instances, "_GRACE", 0.3)
    start = time.perf_counter()
    path = stand_in("hangs", "unsat", seconds=0.5)
    code, rows, _ = ran(path, tmp_path, "--timeout-scale", "2")
    assert code == 0 and time.perf_counter() - start < 30
    assert [row["status"] for row in rows.values()] == ["timeout", "unsat"]
    assert rows["hangs"]["timeout"] == "1.0"


def test_a_contradicted_verdict_is_said_aloud(stand_in, tmp_path, capsys):
    path = stand_in("unsat", "sat", "unknown", expected=("sat", "sat", "unsat"))
    code, rows, page = ran(path, tmp_path)
    assert code == 1 and "1 CONTRADICT" in capsys.readouterr().out
    assert "sat: contradicted" in page and page.count("sat ✓") == 1
    published = tmp_path / "published.csv"
    published.write_text(
        "vnnlib,note,expected,onnx\nunsat.vnnlib,x,unsat,net.onnx\n"
        "sat.vnnlib,x,sat,net.onnx\n"
    )
    code, rows, page = ran(path, tmp_path, "--published", str(published))
    assert code == 0 and ": contradicted<" not in page
    assert rows["unsat"]["expected"] == "unsat" == rows["unknown"]["expected"]


def test_an_interruption_reaches_every_process_once(stand_in, tmp_path):
    """What runs ends by itself and is kept; what waits is not begun."""
    path = stand_in("waits", "waits_too", "unsat")
    script = (
        "import sys; from torchlean_jax.cli import _instances, main\n"
        "command = _instances._command\n"
        "def replaced(*given):\n"
        f"    return [sys.executable, {str(tmp_path / 'stand_in.py')!r}, "
        "*command(*given)[3:]]\n"
        "_instances._command = replaced\nsys.exit(main(sys.argv[1:]))\n"
    )
    given = ["verify", "suite", str(path), "--report", str(tmp_path / "out.html")]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *given, "--jobs", "2"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    logs = [
        tmp_path / "out" / f"00{k}-net-waits{s}.log" for k, s in ((1, ""), (2, "_too"))
    ]
    until = time.perf_counter() + 60
    while not all(log.exists() and log.stat().st_size for log in logs):
        assert time.perf_counter() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "0 of 3 decided: 0 sat, 0 unsat, 2 unknown, 0 timeout" in said
    assert "1 instances were not begun" in (tmp_path / "out.html").read_text()


BAD = {
    "": "no instances",
    "net.onnx,unsat.vnnlib\n": "line 1: '' is no number of seconds",
    "net.onnx,unsat.vnnlib,soon\n": "line 1: 'soon' is no number",
    "net.onnx,unsat.vnnlib,-3\n": "line 1: '-3'",
    "\nnet.onnx,absent.vnnlib,3\n": r"line 2: there is no file .*absent\.vnnlib",
    "net.onnx\n": "line 1: a row is onnx,vnnlib,timeout",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_table_names_its_line(text, stand_in, tmp_path):
    path = stand_in("unsat")
    path.write_text(text)
    with pytest.raises(tl.FileFormatError, match=BAD[text]) as error:
        read_instances(path)
    assert str(path) in str(error.value)


def test_packed_files_and_named_columns_are_found(stand_in, tmp_path):
    stand_in("unsat")
    (tmp_path / "unsat.vnnlib").rename(tmp_path / "unsat.vnnlib.gz")
    path = tmp_path / "named.csv"
    path.write_text("vnnlib,timeout,onnx,expected\nunsat.vnnlib,7,net.onnx,unsat\n")
    (found,) = read_instances(path, scale=0.5)
    assert (found.timeout, found.expected, found.name) == (3.5, "unsat", "net unsat")


class Elements(html.parser.HTMLParser):
    """The elements of a page, each closed where it should be."""

    void = frozenset(["meta", "input"])

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.links = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [v for n, v in attrs if n in ("href", "src")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outcomes(tmp_path):
    names = "<b>&", "sat", "unknown", "timeout", "error"
    for k, name in enumerate(names):
        status = "unsat" if k == 0 else name
        instance = Instance(k + 1, tmp_path / "n.onnx", tmp_path / name, 10.0)
        results = {"parts": 10**k, "margins": [0.5], "proved_share": [0.99999]}
        yield Outcome(instance, status, 0.3 * 7**k, results, said="a < b" * (k == 4))


def test_the_page_is_whole_and_needs_nothing_else(tmp_path):
    about = {"instances": "b/i.csv", "semantics": "real", "jobs": 2, "listed": 5}
    about |= {"seconds": 3725.0}
    text = _suite_page.page(about, list(outcomes(tmp_path)), tmp_path)
    page = Elements(text)
    assert "svg" in page.seen and not {"script", "link", "img"} & set(page.seen)
    assert not page.links and "http" not in text.replace("http-equiv", "")
    assert "<b>&" not in text and "a &lt; b" in text
    assert "99.99% proved" in text and "1 h 2 min 5 s" in text
    empty = _suite_page.page(about, [], tmp_path)
    assert "nothing to plot" in empty and "5 instances were not begun" in empty
    Elements(empty)


def test_a_benchmark_of_two_networks(tmp_path, capsys):
    """With processes as they are: y0 is between 3.0 and 3.5 (see `test_vnnlib`)."""
    onnx.save(onnx.parser.parse_model(NETWORK), tmp_path / "net.onnx")
    for name, unsafe in (("holds", "(>= Y_0 3.6)"), ("fails", "(>= Y_0 3.4)")):
        text = declared(2, 2) + boxed(["1.4", "0.4"], ["1.6", "0.6"])
        (tmp_path / f"{name}.vnnlib").write_text(f"{text}(assert {unsafe})")
    path = tmp_path / "instances.csv"
    path.write_text("net.onnx,holds.vnnlib,120,unsat\nnet.onnx,fails.vnnlib,120,sat\n")
    code, rows, _ = ran(path, tmp_path)
    assert code == 0 and [row["status"] for row in rows.values()] == ["unsat", "sat"]
    (proof,) = (tmp_path / "out").glob("*.tlc")
    assert torchlean_check.check(str(proof)).accepted
    assert (tmp_path / "out" / rows["fails"]["counterexample"]).read_text()[
        :4
    ] == "sat\n"
