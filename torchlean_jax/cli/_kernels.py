"""`torchlean kernels`: fused kernels, and whether they keep their contracts."""

import contextlib
import textwrap
import time
from dataclasses import asdict

from torchlean_jax.cli import _bench, _machine, _sanitize
from torchlean_jax.cli._arguments import add_command, count, on_device, writable_path
from torchlean_jax.cli._cases import shown
from torchlean_jax.cli._output import provenance, write_json
from torchlean_jax.contracts import (
    CLAUSES,
    Clause,
    Contract,
    ContractReport,
    Question,
    contract,
    contracts,
)
from torchlean_jax.contracts._jobs import in_processes, one_by_one
from torchlean_jax.domains._errors import InputError
from torchlean_jax.search._stop import is_asked_for, on_signals

TEXT = """\
Fused kernels, each beside the formula that it must equal.
A contract is checked clause by clause: that the kernel is the formula as a function and
its reverse mode the derivative (meaning), that its float32 error stays under a derived
tolerance (rounding), that no access is out of bounds or raced (memory), the cases at
the edge (edges), bits that do not depend on the batch (determinism), and that every
product is lowered for CUDA in float32 (precision). Without a command, list kernels."""

LIST = """\
List the kernels, with their formulas.
Nothing is checked: that is what `torchlean kernels check` does."""

CHECK = """\
Check the contracts of some kernels, or of all.
Each clause is decided at every named shape and dtype of the kernel, unless some are
asked for. How far it is goes to stderr, failures as soon as they are found; at the end
come the clauses that failed, or all if a kernel is named, and a count of each kind.
Ctrl-C ends it with what was decided. With --device gpu the kernels themselves run there
too, beside the real numbers."""

EXPLAIN = """\
Explain what the contract of a kernel says.
The formula, the programs with their tolerances and the reason for these, the shapes,
dtypes and edges at which the contract is checked, the bytes that kernels bound by
memory load and store, each time that they do, and what is assumed."""

EXAMPLES = """\
examples:
  torchlean kernels
  torchlean kernels explain rms_norm
  torchlean kernels check rms_norm --shape ragged --dtype float32
  torchlean kernels check --clause memory precision --json kernels.json
  torchlean kernels check --sample
  torchlean kernels compile attention --gpu h100
  torchlean kernels bench rms_norm attention --json speed.json"""

CODES = """\
exit code: 0 if every clause that was asked for passes, 1 if one fails, 2 for bad usage,
3 if none fails but some were not run."""


def add_to(commands) -> None:
    command = add_command(commands, "kernels", _list, text=TEXT, examples=EXAMPLES)
    kinds = command.add_subparsers(title="commands", metavar="COMMAND")
    add_command(kinds, "list", _list, text=LIST, examples="exit code: 0")
    explain = add_command(kinds, "explain", _explain, text=EXPLAIN)
    explain.add_argument("names", nargs="+", metavar="NAME", help="names of kernels")
    check = add_command(kinds, "check", _check, text=CHECK, examples=CODES)
    check.add_argument("names", nargs="*", metavar="NAME", help="names of kernels")
    check.add_argument("--shape", nargs="+", metavar="NAME", help="named shapes")
    check.add_argument("--dtype", nargs="+", metavar="DTYPE", help="dtypes")
    check.add_argument(
        "--clause", nargs="+", metavar="CLAUSE", default=CLAUSES, help="clauses"
    )
    check.add_argument(
        "--sample",
        action="store_true",
        help="one shape of each kernel, in float32 and a narrow dtype; every clause",
    )
    check.add_argument(
        "--device",
        choices=("cpu", "gpu"),
        help="gpu: run the kernels on a GPU as well, in the clause of rounding",
    )
    check.add_argument(
        "--jobs",
        type=count,
        default=2,
        metavar="N",
        help="processes that share the kernels, or the shapes of one (default 2); on a "
        "GPU there is one",
    )
    check.add_argument(
        "--json",
        type=writable_path,
        metavar="FILE",
        help="write every clause to FILE: pass, fail or not run, and why",
    )
    _machine.add_to(kinds)
    _bench.add_to(kinds)
    _sanitize.add_to(kinds)


def _list(options) -> int:
    width = max(len(each.name) for each in contracts())
    for each in contracts():
        print(f"{each.name:<{width}}  {each.terms.formula}")
    return 0


def _explain(options) -> int:
    for number, each in enumerate(map(contract, options.names)):
        if number:
            print()
        _describe(each)
    return 0


def _describe(each: Contract) -> None:
    terms = each.terms
    print(f"{terms.name}: {terms.summary}\n")
    rows = {"formula": terms.formula}
    for program in terms.programs:
        rows[program.name] = (
            f"its float32 error stays under {program.slack:g} times what any order of "
            f"evaluating the formula may have: {program.because}"
        )
    rows["shapes"] = ", ".join(f"{k} {v}" for k, v in terms.shapes.items())
    rows["dtypes"] = ", ".join(terms.dtypes)
    rows["edges"] = ", ".join(edge.name for edge in terms.edges)
    rows["bits"] = "the same on every run on one machine" + (
        ", for a row in every batch" if terms.rows is not None else ""
    )
    if moved := each.bytes():
        shape = f"at {terms.streaming} in float32"
        rows["bytes"] = "; ".join([shape, *map(str, moved)])
    rows["assumed"] = "; ".join(
        (
            *terms.assumed,
            "Triton and the GPU compute what the lowered IR says, with functions as "
            "close as those of XLA on CPUs",
        )
    )
    width = max(map(len, rows)) + 2
    for name, text in rows.items():
        lines = textwrap.wrap(
            text,
            88,
            initial_indent=f"{name:<{width}}",
            subsequent_indent=" " * width,
        )
        print(*lines, sep="\n")


def _check(options) -> int:
    wanted = [contract(name) for name in dict.fromkeys(options.names)] or contracts()
    if options.sample and (options.shape or options.dtype):
        raise InputError("--sample chooses the shape and the dtypes itself")
    chosen = {"shapes": options.shape, "dtypes": options.dtype}
    questions = [
        question
        for each in wanted
        for question in each.questions(
            **(each.sample() if options.sample else chosen), clauses=options.clause
        )
    ]
    start = time.perf_counter()
    with on_device(options.device) as device, on_signals():
        gpu = device if options.device == "gpu" else None
        processes = 1 if gpu is not None else max(1, min(options.jobs, len(questions)))
        answers = _answers(questions, processes, gpu)
        interrupted = is_asked_for()
    open_yet = "not decided: the check was interrupted"
    report = ContractReport(
        tuple(
            answers.get(question) or question.answered("not run", open_yet, 0.0)
            for question in questions
        )
    )
    _print(report, each_clause=bool(options.names))
    clock = time.perf_counter() - start
    spent = sum(clause.seconds for clause in report.clauses)
    kernels = "1 kernel" if len(wanted) == 1 else f"{len(wanted)} kernels"
    print(
        f"{kernels}, {len(answers)} clauses ({spent:.1f} s, by the clock {clock:.1f} s "
        f"in {processes} process{'es' * (processes > 1)})"
    )
    if interrupted:
        print(f"interrupted: {len(questions) - len(answers)} more were not decided")
    rows = [asdict(clause) for clause in report.clauses]
    times = {"processes": processes, "seconds": clock, "interrupted": interrupted}
    write_json(options.json, {"clauses": rows, **times, **provenance(device)})
    statuses = {clause.status for clause in report.clauses}
    return 1 if "fail" in statuses else 3 if "not run" in statuses else 0


def _answers(questions, processes: int, gpu) -> dict[Question, Clause]:
    """The clauses that were decided before all were, or before Ctrl-C. On a GPU there
    is one process, which has its memory."""
    if processes > 1:
        events = in_processes(questions, processes)
    else:
        here = lambda q: contract(q.kernel).answer(q, gpu)  # noqa: E731
        events = one_by_one(questions, here)
    answers: dict[Question, Clause] = {}
    with contextlib.closing(events), shown(len(questions)) as show:
        for event in events:
            if isinstance(event, Clause):
                answers[event.question] = event
                show.decided(event)
            elif event is not None:
                show.begun(event)
            show.quiet()
            if is_asked_for():
                break
    return answers


def _print(report: ContractReport, each_clause: bool) -> None:
    """Each clause, or those that do not pass, and how many there are of each kind."""
    for clause in report.clauses:
        if each_clause or clause.status == "fail":
            print(clause)
    for (kernel, clause), counts in report.summary().items():
        parts = ", ".join(f"{n} {status}" for status, n in counts.items())
        print(f"{kernel:<28}{clause:<13}{parts}")
