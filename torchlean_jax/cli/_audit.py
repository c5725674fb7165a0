"""`torchlean audit`: what the functions in a file claim, checked."""

import inspect
import traceback
from pathlib import Path

import torchlean_jax as tl
from torchlean_jax.claims._check import Case, cases
from torchlean_jax.claims._record import record_of
from torchlean_jax.cli import _arguments, _given, _output

TEXT = """\
Check what the functions in a file claim of their meaning (tl.claims).
Imports the file, checks every claim, and shows a witness against each that is false.
Exit code 0 if all hold, 1 if one is false, 2 for bad input, a file that claims nothing
included, 3 if one is undecided and none is false."""

EXAMPLES = """\
examples:
  torchlean audit model.py
  torchlean audit package.model attention Block --json claims.json"""

CLAIMABLE = """\
A function can claim, above its definition and beside @tl.claims.example("f32[16,8]"):
  equals(reference), derivative_of(f), gradient(), causal(axis),
  batch_independent(axis), independent_of(argument), batch_invariant(),
  bounded_by(lo, hi, box=(low, high))"""


def add_to(commands) -> None:
    command = _arguments.add_command(
        commands, "audit", audit, text=TEXT, examples=EXAMPLES
    )
    command.add_argument("module", metavar="FILE.py|MODULE")
    command.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="only the claims of these functions and classes",
    )
    _arguments.add_computing(command)


def audit(options) -> int:
    with _arguments.on_device(options.device) as device:
        module = _imported(options.module)
        found = _chosen(cases(module), options)
        silent = [] if options.names else _without_claims(module)
        if not found:
            raise tl.InputError(_nothing(options.module, silent))
        results = []
        with _output.live("auditing") as show:
            for case in found:
                show(f"{case.function}::{case.name}")
                results.append(case.check(options.seed))
    written = {
        "module": options.module,
        "seed": options.seed,
        **_output.provenance(device),
        "claims": [_plain(result) for result in results],
        "without_claims": silent,
    }
    _output.write_json(options.json, written)
    _print(results, silent)
    verdicts = {result.holds for result in results}
    return 1 if False in verdicts else 3 if None in verdicts else 0


def _imported(name):
    try:
        return _given.import_module(name)
    except tl.InputError:
        raise
    except (Exception, SystemExit) as error:  # a user's module can raise anything
        said = traceback.format_exception_only(error)
        theirs = [
            f"  {frame.filename}:{frame.lineno}: {frame.line}\n"
            for frame in traceback.extract_tb(error.__traceback__)
            if not frame.filename.startswith("<") and not _is_ours(frame.filename)
        ]
        lines = "".join([*theirs[-3:], *said]).rstrip()
        raise tl.InputError(f"cannot import {name}:\n{lines}") from error


def _is_ours(file) -> bool:
    ours = (Path(__file__).parent, Path(inspect.getfile(inspect)).parent / "importlib")
    return any(Path(file).is_relative_to(folder) for folder in ours)


def _chosen(found: list[Case], options) -> list[Case]:
    for name in options.names:
        if not any(_is_named(case, name) for case in found):
            raise tl.InputError(f"{options.module}: {name} claims nothing. {CLAIMABLE}")
    named = options.names
    return [c for c in found if not named or any(_is_named(c, name) for name in named)]


def _is_named(case: Case, name: str) -> bool:
    return case.function == name or case.function.startswith(f"{name}.")


def _without_claims(module) -> list[str]:
    """The public functions that the module defines and that claim nothing."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and not isinstance(value, type)
        and getattr(value, "__module__", None) == module.__name__
        and record_of(value) is None
    ]


def _nothing(module, silent) -> str:
    which = f" (it defines {', '.join(silent)})" if silent else ""
    return f"{module} claims nothing{which}. {CLAIMABLE}"


def _plain(result) -> dict:
    return {
        "function": result.function,
        "claim": result.name,
        "says": result.claim.says,
        "file": result.claim.file,
        "line": result.claim.line,
        "verdict": result.verdict,
        "why": result.why,
        "seconds": result.seconds,
    }


def _print(results, silent) -> None:
    names = [f"{result.function}::{result.name}" for result in results]
    width = max(map(len, names))
    for name, result in zip(names, results, strict=True):
        seconds = f"{result.seconds:.1f} s"
        place = result.claim.place
        print(f"{result.verdict:<9}  {name:<{width}}  {seconds:>7}  {place}")
        if not result:
            print("\n".join(f"    {line}" for line in str(result).splitlines()))
    if silent:
        print(f"without claims: {', '.join(silent)}. {CLAIMABLE}")
    counts = [
        f"{sum(result.verdict == verdict for result in results)} {verdict}"
        for verdict in ("holds", "false", "undecided")
    ]
    print(f"{len(results)} claims: {', '.join(counts)}")
