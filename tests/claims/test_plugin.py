"""`torchlean_pytest`: claims are items, false and undecided ones fail and say why."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.claims.programs import PROGRAMS

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]

EVERY_KIND = """
import inspect
from torchlean_jax import claims
from tests.claims.programs import PROGRAMS

def claiming(name, kind, function):
    def made(*args):
        return function(*args)
    made.__name__ = made.__qualname__ = name
    made.__signature__ = inspect.signature(function)
    decorator, example = PROGRAMS[kind][:2]
    return decorator(claims.example(*example)(made))

for kind, (_, _, right, wrong, _) in PROGRAMS.items():
    vars()[f"right_{kind}"] = claiming(f"right_{kind}", kind, right)
    vars()[f"wrong_{kind}"] = claiming(f"wrong_{kind}", kind, wrong)

def test_beside_claims():
    pass
"""

MODEL = """
from torchlean_jax import claims

@claims.causal()
@claims.gradient()
@claims.example("f32[3]")
def flipped(x):
    return x[::-1]

@claims.gradient()
def unexampled(x):
    return x

def test_step(state, batch):
    "A step on the test set, and no test."
"""


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    plugin = ("-p", "torchlean_pytest", "-p", "no:cacheprovider", "-rA")

    def pytest_run(*arguments):
        return pytester.runpytest_subprocess(*plugin, *arguments)

    return pytest_run


def test_every_kind_passes_and_fails_with_its_witness(pytester, run):
    path = pytester.makepyfile(test_kinds=EVERY_KIND)
    done = run(path)
    kinds = list(PROGRAMS)
    done.assert_outcomes(passed=len(kinds) + 1, failed=len(kinds))
    text = done.stdout.str()
    for kind in kinds:
        assert f"PASSED test_kinds.py::right_{kind}::{kind}" in text
        assert f"FAILED test_kinds.py::wrong_{kind}::{kind}" in text
        assert PROGRAMS[kind][-1] in text
    assert "PASSED test_kinds.py::test_beside_claims" in text
    assert "Traceback" not in text and "torchlean_jax/claims" not in text


def test_modules_of_the_user_are_named_on_the_command_line(pytester, run):
    pytester.makepyfile(**{"src/model": MODEL, "test_other": "def test_it(): pass"})
    run().assert_outcomes(passed=1)
    done = run("--torchlean-claims", "src")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(
        [
            "*flipped::causal*",
            "*depends on argument 0 at position*",
            "*undecided: `unexampled`*",
            "*there is no example*",
            "PASSED src/model.py::flipped::gradient",
        ]
    )
    run("-m", "torchlean_claim", "--torchlean-claims", "src/model.py").assert_outcomes(
        passed=1, failed=2, deselected=1
    )


def test_modules_of_the_user_are_named_in_the_settings(pytester, run):
    pytester.makepyfile(
        **{"src/model": MODEL, "tests/test_other": "def test_it(): pass"}
    )
    pytester.makeini("[pytest]\ntestpaths = tests\ntorchlean_claims = src\n")
    run().assert_outcomes(passed=2, failed=2)
    run("tests").assert_outcomes(passed=1)  # what was named, and nothing beside
    run("src", "src/model.py").assert_outcomes(passed=1, failed=2)
    run("src/model.py::flipped::gradient").assert_outcomes(passed=1)


def test_a_module_that_cannot_be_imported_is_an_error(pytester, run):
    pytester.makepyfile(**{"src/model": "import no_such_module"})
    done = run("--torchlean-claims", "src")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*No module named 'no_such_module'*"])
    assert run("--torchlean-claims", "absent").ret == pytest.ExitCode.USAGE_ERROR


def test_without_claims_neither_jax_nor_we_are_imported(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    assert not {'jax', 'numpy', 'torchlean_jax'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "torchlean_pytest"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", tmp_path],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert done.returncode == 0, done.stdout
