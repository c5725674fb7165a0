"""Claims (`tl.claims`) as pytest items: `model.py::attention::causal`.

pytest loads this in every run, so it stands outside of `torchlean_jax` and imports it
(and JAX with it) only when a module that was collected has claims. How a claim is
checked is not here.

Claims are collected from test files, and from the files and folders that
`--torchlean-claims PATH` or the setting `torchlean_claims` names. A claim that is
undecided fails, as one that is false does: an expected failure would stay green for
ever.
"""

import sys
from itertools import groupby
from pathlib import Path

import pytest

_DECLARED: pytest.StashKey[list[Path]] = pytest.StashKey()
MARKER = "torchlean_claim"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("torchlean").addoption(
        "--torchlean-claims",
        action="append",
        default=[],
        metavar="PATH",
        help="also check what the functions in this file or folder claim (tl.claims)",
    )
    parser.addini(
        "torchlean_claims",
        type="paths",
        default=[],
        help="files and folders whose claims are checked where no others are named",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: a claim that a function makes")
    start = config.invocation_params.dir
    given = config.getoption("torchlean_claims") or ()
    asked = [(start / path).resolve() for path in given]
    usual = [path.resolve() for path in config.getini("torchlean_claims")]
    for path in [*asked, *usual]:
        if not path.exists():
            raise pytest.UsageError(f"torchlean claims: there is no {path}")
    config.stash[_DECLARED] = [*asked, *usual]
    # Someone who names files to run wants those, and not all claims beside.
    named = config.args_source == pytest.Config.ArgsSource.ARGS
    paths = [(start / arg.partition("::")[0]).resolve() for arg in config.args]
    for path in asked if named else [*asked, *usual]:
        if not any(path.is_relative_to(covered) for covered in paths):
            config.args.append(str(path))


class ClaimsModule(pytest.Module):
    """A module of the user that is imported for its claims: `test_step`, a function
    of a training loop, is no test there."""

    def collect(self):
        assert self.obj is not None  # imports it, or reports why that fails
        return []


def pytest_collect_file(file_path: Path, parent: pytest.Collector):
    if parent.session.isinitpath(file_path) or not _is_declared(parent, file_path):
        return None  # those named on the command line come as modules
    return ClaimsModule.from_parent(parent, path=file_path)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector):
    if _is_declared(parent, module_path):
        return ClaimsModule.from_parent(parent, path=module_path)
    return None


def _is_declared(node: pytest.Collector, path: Path) -> bool:
    """Whether the file is one for claims, and not one of tests."""
    return (
        path.suffix == ".py"
        and any(path.is_relative_to(p) for p in node.config.stash[_DECLARED])
        and not any(map(path.match, node.config.getini("python_files")))
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """The claims of a module beside what else was collected in it."""
    report = yield
    if isinstance(collector, pytest.Module) and report.passed:
        report.result = [*report.result, *_claimed(collector)]
    return report


def _claimed(module: pytest.Module):
    if "torchlean_jax" not in sys.modules:  # then nothing was claimed
        return
    from torchlean_jax.claims import _check

    for name, cases in groupby(_check.cases(module.obj), lambda case: case.function):
        yield ClaimedFunction.from_parent(module, name=name, cases=list(cases))


class ClaimedFunction(pytest.Collector):
    """The claims of one function."""

    def __init__(self, *, cases, **kwargs):
        super().__init__(**kwargs)
        self.cases = cases

    def collect(self):
        for case in self.cases:
            yield ClaimItem.from_parent(self, name=case.name, case=case)


class ClaimItem(pytest.Item):
    """A claim at one example."""

    def __init__(self, *, case, **kwargs):
        super().__init__(**kwargs)
        self.case = case
        self.add_marker(MARKER)

    def runtest(self) -> None:
        result = self.case.check()
        if not result:
            raise ClaimFailed(result)

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, ClaimFailed):
            return str(excinfo.value)  # the witness, and none of our frames
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        where = f"{self.case.function}::{self.name}"
        return self.case.claim.file, self.case.claim.line - 1, where


class ClaimFailed(Exception):
    """A claim that is false or undecided; its text is that of the result."""
