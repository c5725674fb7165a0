"""The command as a process: exit codes, streams, help; files whole or absent."""

import gc
import json
import math
import re
import subprocess
import sys

import pytest

import torchlean_jax
from torchlean_jax._files import replacing
from torchlean_jax.cli import _output, main
from torchlean_jax.cli._main import parser


def torchlean(*arguments, cwd=None):
    command = [sys.executable, "-m", "torchlean_jax.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.smoke
def test_exit_codes_and_streams_of_the_process(tmp_path):
    version = torchlean("--version")
    assert version.returncode == 0
    assert version.stdout == f"torchlean {torchlean_jax.__version__}\n"
    bad = torchlean("bounds", "model.py", "--lo", "0", "--hi", "1")
    assert bad.returncode == 2 and bad.stdout == ""
    assert bad.stderr.startswith("torchlean: ") and bad.stderr.count("\n") == 1
    (tmp_path / "model.py").write_text("def f(x):\n    return x + 1\n")
    good = torchlean("bounds", "model:f", "--lo", "0", "--hi", "1", cwd=tmp_path)
    assert good.returncode == 0 and good.stderr == ""


def test_check_is_the_checker(tmp_path, capsys):
    certificate = tmp_path / "broken.tlc"
    certificate.write_bytes(b"PK")
    assert main(["check", str(certificate)]) == 1
    assert "rejected" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "absent.tlc")]) == 2
    assert main(["check"]) == 2
    assert main(["check", "--help"]) == 0


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["verify"], ["verify", "x"]])
def test_bad_usage_is_one_line(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def commands(root, words=()):
    """Every command of the parser, as the words that call it."""
    subparsers = [
        a for a in root._actions if a.choices and hasattr(a, "_name_parser_map")
    ]
    if not subparsers:
        yield list(words)
    for action in subparsers:
        for name, command in action.choices.items():
            yield from commands(command, (*words, name))


@pytest.mark.parametrize("words", list(commands(parser())), ids=" ".join)
def test_every_command_has_a_help_of_its_own(words, capsys):
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) > 8 and max(map(len, text.splitlines())) <= 100


def test_commands_that_compute_take_a_seed_and_write_json():
    computing = {("bounds",), ("verify", "digits"), ("verify", "robustness")}
    computing |= {("verify", "crown-ops"), ("verify", "vnnlib")}
    computing |= {("float", "error"), ("float", "audit"), ("float", "replay")}
    computing |= {("audit",), ("train",), ("claims",), ("sample",)}
    found = {tuple(words) for words in commands(parser())}
    others = {("check",), ("coverage",), ("float", "bridge"), ("float", "ops")}
    others |= {("kernels", kind) for kind in ("list", "explain", "check")}
    others |= {("kernels", kind) for kind in ("compile", "sanitize", "bench")}
    others |= {("bugzoo", kind) for kind in ("list", "show", "run", "page")}
    topics = ("approximate", "spline", "ode", "pinn", "control", "camera", "cloud")
    topics += ("surface", "visible")
    others |= {("science", topic) for topic in topics}
    others |= {("zoo", "list"), ("certificate", "coq")}
    others |= {("verify", name) for name in ("suite", "margin-cert", "leaf-cert")}
    assert found == computing | others
    for words in computing:
        target = ["m:f"] if words[0] in ("bounds", "float", "audit") else []
        target = ["n.onnx", "p.vnnlib"] if words[-1] == "vnnlib" else target
        target = ["gpt"] if words[0] in ("train", "claims") else target
        target = ["gpt", "--checkpoint", "d"] if words[0] == "sample" else target
        options = parser().parse_args([*words, *target, "--seed", "3", "--json", "x"])
        assert options.seed == 3 and str(options.json) == "x"


def test_a_command_is_found_without_the_modules_of_others():
    """Each command alone has the same parts as among all; `verify` loads no optax."""
    whole = list(commands(parser()))
    for name in dict.fromkeys(words[0] for words in whole):
        alone = {tuple(words) for words in commands(parser(name))}
        expected = {tuple(words) for words in whole if words[0] == name}
        assert {words for words in alone if words[0] == name} == expected
    assert list(commands(parser("no such command"))) == whole
    code = "import sys; from torchlean_jax.cli import main; main(['verify', '-h']); "
    code += "print(*{'optax', 'torchlean_jax.contracts'} & sys.modules.keys())"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, check=True, capture_output=True, text=True, timeout=120)
    assert "robustness" in done.stdout
    assert done.stdout.splitlines()[-1] == ""


def test_collections_are_as_before_a_command():
    before = gc.get_threshold()
    assert main(["verify", "--help"]) == 0
    assert gc.get_threshold() == before


def test_the_examples_of_the_help_are_commands(capsys):
    for words in ([], *commands(parser())):
        if words == ["check"]:
            continue
        main([*words, "--help"])
        lines = capsys.readouterr().out.splitlines()
        for line in (ln.strip() for ln in lines if ln.startswith("  torchlean ")):
            if not line.startswith("torchlean check "):
                parser().parse_args(re.split(r" +", line)[1:])


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.json"
    _output.write_json(path, {"a": 1.0})
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1.0}
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_json_has_no_numbers_that_are_not_json(tmp_path):
    path = tmp_path / "out.json"
    _output.write_json(path, {"x": [math.nan, math.inf, -math.inf, 0.5]})
    refuse = pytest.fail
    found = json.loads(path.read_text(), parse_constant=refuse)
    assert found == {"x": [None, "inf", "-inf", 0.5]}


class Terminal:
    """A stream that says it is, or is not, a terminal."""

    def __init__(self, terminal):
        self.terminal, self.text = terminal, ""

    def isatty(self):
        return self.terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("terminal", [True, False])
def test_the_progress_bar_is_only_for_people(terminal, monkeypatch):
    out, err = Terminal(terminal), Terminal(True)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    assert list(_output.progress([1, 2], "working", 2)) == [1, 2]
    assert out.text == ""
    assert ("working" in err.text) == terminal


def test_a_stale_coverage_page_is_noticed(tmp_path, capsys):
    page = tmp_path / "coverage.md"
    assert main(["coverage", "--write", str(page)]) == 0
    assert main(["coverage"]) == 0
    assert capsys.readouterr().out == page.read_text()
    assert main(["coverage", "--check", str(page)]) == 0
    page.write_text(page.read_text().replace("add", "subtract", 1))
    assert main(["coverage", "--check", str(page)]) == 1
    assert "stale" in capsys.readouterr().err
    assert main(["coverage", "--check", str(tmp_path / "absent.md")]) == 2
